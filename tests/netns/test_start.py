# SPDX-License-Identifier: Apache-2.0
"""What xtrd says, and how it ends, when it cannot start: exit code 3, no crash."""

import os
import signal
import subprocess

import pytest

XTRD = os.path.join(os.path.abspath(os.environ.get("BUILD", "build")), "xtrd")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a network namespace")


def conf(path, state):
    path.write_text("site: { name: x, rlocs: [ { address: 192.0.2.1 } ] }\n"
                    "dataplane: { kind: none }\n"
                    f"control: {{ socket: {path}.sock }}\n"
                    f"state: {{ directory: {state}, size: 16M }}\n")
    return path


def xtrd(path):
    # Without any address of its own a kernel lets every address be bound.
    return subprocess.Popen(["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"',
                             "sh", XTRD, "-f", str(path)],
                            stderr=subprocess.PIPE, text=True)


def fails(path, *words):
    p = xtrd(path)
    try:
        text = p.communicate(timeout=30)[1]
    finally:
        p.kill()
    assert p.returncode == 3, text
    for w in words:
        assert w in text


def test_state_directory_without_parent(tmp_path):
    fails(conf(tmp_path / "a.yaml", tmp_path / "no" / "such"), "No such file", "cannot start")


def test_state_directory_in_use(tmp_path):
    first = xtrd(conf(tmp_path / "a.yaml", tmp_path / "state"))
    try:
        for line in first.stderr:
            if " runs" in line:
                break
        fails(conf(tmp_path / "b.yaml", tmp_path / "state"), "in use", "cannot start")
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert first.returncode == 0


def test_address_that_is_not_ours(tmp_path):
    path = conf(tmp_path / "a.yaml", tmp_path / "state")
    path.write_text(path.read_text() + "listen: [ 192.0.2.77 ]\n")
    fails(path, "cannot listen on 192.0.2.77", "cannot start")


def test_usage():
    for arguments in (["--nonsense"], ["-v"], ["extra"], ["-d", "loud"]):
        p = subprocess.run([XTRD, *arguments], capture_output=True, text=True, timeout=30)
        assert p.returncode == 2 and p.stderr, arguments
