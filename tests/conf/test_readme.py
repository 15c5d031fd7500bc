# SPDX-License-Identifier: Apache-2.0
"""README.md and docs/ say what is so: configurations load, links lead somewhere,
the picture is that of the laboratory, the tour names files that are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.topology import PICTURE  # noqa: E402

README = (ROOT / "README.md").read_text()
BUILD = ROOT / os.environ.get("BUILD", "build")
BLOCKS = re.findall(r"^```yaml\n# (/etc/(\w+)/\S+ on \S+)\n(.*?)^```$", README, re.M | re.S)
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


def test_there_are_configurations():
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("program,text", [(b[1], b[2]) for b in BLOCKS],
                         ids=[b[0] for b in BLOCKS])
def test_configuration_loads(program, text, tmp_path):
    for name in re.findall(r"key-file: (\S+?)[ ,}\n]", text):
        key = tmp_path / name
        key.parent.mkdir(exist_ok=True)
        key.touch(0o600)
        key.write_text("0123456789abcdef" * 3 + "\n")
    file = tmp_path / "file.yaml"
    file.write_text(text)
    daemon = BUILD / program
    if not os.access(daemon, os.X_OK):
        pytest.skip(f"{daemon} is not built")
    p = subprocess.run([daemon, "-n", "-f", file], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    assert p.returncode == 0, p.stdout


def test_picture_is_the_network_of_the_laboratory():
    assert PICTURE.strip("\n") in README


@pytest.mark.parametrize("page", PAGES, ids=[p.name for p in PAGES])
def test_links(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def test_tour_names_what_is_there():
    tour = README.split("\n## Tour")[1].split("\n## ")[0]
    names = set(re.findall(r"\b[a-z]+_[a-z_]+\b", tour))
    assert len(names) > 10
    for name in names:
        assert any((ROOT / d / f"{name}.c").exists() for d in ("common", "xtr", "vmagent")), name
