# SPDX-License-Identifier: Apache-2.0
"""docs/rfc.md names what is there: each row has a state, what is done has a test,
and the tests and sources it names exist.  Rows in work name what a branch has."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = "| § | Level | Requirement | State | Code | Test, reason |"
LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "RECOMMENDED", "MAY"}
STATES = re.compile(r"done|by design not|n\.a\.|OPEN|in work: \w+")
NAMED = re.compile(r"`((?:unit|sim|netns|golden|conf)/[^`]+)`")


def rows():
    """(line, RFC, cells) of every requirement."""
    found, rfc, inside = [], "", False
    for n, line in enumerate((ROOT / "docs/rfc.md").read_text().splitlines(), 1):
        if line.startswith("## RFC "):
            rfc = line.split()[2].rstrip(",")
        if not line.startswith("|"):
            inside = False
        elif line == HEAD:
            inside = True
        elif inside and not line.startswith("|---"):
            found.append((n, rfc, [c.strip() for c in line.strip("|").split("|")]))
    return found


def exists(name):
    if name.startswith("golden/"):
        kind, vector = name.split("/")[1:]
        return (ROOT / "tests/golden/vectors" / kind / f"{vector}.json").exists()
    if name.startswith("conf/"):
        return (ROOT / "tests" / f"{name}.yaml").exists()
    file, function = name.split("::")
    suffix = "py" if name.startswith("netns/") else "c"
    path = ROOT / "tests" / f"{file}.{suffix}"
    start = "def " if suffix == "py" else ""
    return path.exists() and re.search(rf"^{start}{function}\(", path.read_text(), re.M)


def faults(cells):
    """What is wrong with a row."""
    _, level, requirement, state, code, text = cells
    named = NAMED.findall(text)
    if level not in LEVELS or not requirement:
        yield f"level {level!r}"
    if not STATES.fullmatch(state):
        yield f"state {state!r}"
    if state == "done" and not (named and code):
        yield "done: by whom, shown by what?"
    if not text:
        yield "no reason"
    if state.startswith("in work"):
        return                  # that branch has it
    for name in named:
        if not exists(name):
            yield f"no test {name}"
    for file in code.split(", ") if code else []:
        if not (ROOT / file).exists():
            yield f"no file {file}"


def test_each_row():
    wrong = [f"docs/rfc.md:{line}: {fault}" for line, _, cells in rows()
             for fault in faults(cells)]
    assert not wrong, "\n".join(wrong)


def test_all_rfcs_are_there():
    assert {r[1] for r in rows()} == {"9301", "9300", "9302", "9437", "6832"}
    assert len(rows()) > 120


def test_no_must_is_open():
    assert not [line for line, _, cells in rows()
                if cells[3] == "OPEN" and cells[1].startswith("MUST")]
