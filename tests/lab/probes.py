# SPDX-License-Identifier: Apache-2.0
"""Where built programs are, and the C programs of the laboratory itself.

Make builds the latter into build/tests; what is missing there or older than its
source is compiled here, so that a test can also be run by hand.
"""

import json
import os
import signal
from pathlib import Path

from . import net

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LAB_BUILD = ROOT / "build/lab"         # the guest; the same for every build

STATIC = {"guestd"}


def build_dir():
    """Where Make puts things: $BUILD (relative to the tree), default build."""
    return ROOT / os.environ.get("BUILD", "build")


def program(name):
    """The path of xtrd, vmagent or xtrctl as built; Unable if it is not."""
    path = build_dir() / name
    if not os.access(path, os.X_OK):
        raise net.Unable(f"{path} is not built (run make)")
    return path


def probe(name):
    """The path of udp_probe, tcp_probe, tap_watch or guestd, built if need be."""
    place = LAB_BUILD if name in STATIC else build_dir() / "tests"
    source, path = HERE / f"{name}.c", place / name
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        net.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE",
                 *(["-static"] if name in STATIC else []), "-o", new, source],
                timeout=120)
        new.rename(path)
    return path


class Watch:
    """A probe in the background that prints one JSON object when it ends."""

    def __init__(self, node, label, name, *args):
        self.out = node.lab.run_dir / f"{node.name}-{label}.json"
        self.out.unlink(missing_ok=True)
        self.process = node.start(label, [probe(name), *args], stdout=self.out)

    def end(self):
        """Asks it to end, without waiting; so several end at the same time."""
        self.process.signal(signal.SIGINT)

    def result(self, timeout=20):
        """Asks it to end, waits for that and returns what it printed."""
        self.end()
        status = self.process.wait(timeout)
        try:
            return json.loads(self.out.read_text())
        except ValueError:
            raise net.LabError(f"{self.process.name}: status {status}, no result\n"
                               f"{self.process.tail()}") from None


def udp(node, label, address, rate=1000, port=7, size=64):
    """Starts udp_probe towards an echo service; see udp_probe.c for the result."""
    return Watch(node, label, "udp_probe", "-r", rate, "-s", size, address, port)


def tcp(node, label, address, rate=65536, port=7):
    """Starts tcp_probe towards an echo service; see tcp_probe.c for the result."""
    return Watch(node, label, "tcp_probe", "-r", rate, address, port)


def tap(node, label, iface, destination, lisp=False, udp=False):
    """Starts tap_watch; 'iface' is a pattern, 'lisp' looks into UDP 4341, 'udp'
    leaves out everything else."""
    return Watch(node, label, "tap_watch", *(["-l"] if lisp else []), *(["-u"] if udp else []),
                 iface, destination)
