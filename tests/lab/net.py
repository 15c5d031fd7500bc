# SPDX-License-Identifier: Apache-2.0
"""Namespaces, links and processes of one run, removed together.

    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        lab.link(a, "eth0", b, "eth0")
        a.ip("addr add 192.0.2.1/30 dev eth0")
        echo = b.start("echo", ["socat", ...])
        wait_for(lambda: a.ok(["ping", "-c1", ...]), 5, "b answers")

Every Lab has a name; its namespaces are called lisp-NAME-NODE and its files are
under /run/lisp-lab/NAME.  What is made is written down there before it is made,
so that another process can remove what a killed one left (remove_stale()).

Only processes that were started here are ended, each known by its pid *and* its
start time, never by name: a pid that was used again is left alone.
"""

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

BASE = Path("/run/lisp-lab")
NETNS_DIR = Path("/run/netns")


_labs = []              # those of this process, newest last
_serial = 0


class LabError(Exception):
    """Something of the laboratory does not work; the text says what."""


class Unable(LabError):
    """This machine lacks something that is needed; tests skip by this text."""


@functools.cache
def own_machine():
    """The beginning of an argument vector for what has a machine of its own in
    reality, routers and clients: real-time, so that an emulated guest that wakes
    up on the same two cores takes no time from it."""
    words = ("chrt", "-r", "1")
    try:
        return words if run([*words, "true"], check=False).returncode == 0 else ()
    except Unable:
        return ()


def labs():
    """The runs of this process that are up."""
    return list(_labs)


# --- waiting ----------------------------------------------------------------

def wait_for(fact, timeout, what, interval=0.05, lab=None):
    """Calls fact() until it returns something true, and returns that.

    LabError counts as "not yet".  After 'timeout' seconds raises LabError with
    the last reason, and the tails of the logs of 'lab' (or of all labs).
    """
    end = time.monotonic() + timeout
    reason = ""
    while True:
        try:
            value = fact()
            if value:
                return value
        except LabError as e:
            reason = f" ({str(e).strip()})"
        if time.monotonic() >= end:
            logs = "".join(x.log_tails() for x in ([lab] if lab else _labs))
            raise LabError(f"not within {timeout:g} s: {what}{reason}\n{logs}")
        time.sleep(interval)


def now_ms():
    """Wall clock in milliseconds, the unit of all times of an event here."""
    return time.time_ns() / 1e6


# --- processes, known by pid and start time ---------------------------------

def start_time(pid):
    """Start time of a process in clock ticks since boot; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def child_of(pid):
    """The first child of a process, or None."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in task.read_text().split():
            return int(word)
    return None


def _alive(pid, started):
    return started is not None and start_time(pid) == started


def _signal(pid, started, sig):
    if _alive(pid, started):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def favour(pid):
    """What runs here goes before other work on the machine, by its session: an
    emulated guest that gets no CPU is dead from interrupts."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text("-10")
    except OSError:
        pass                    # a kernel without, or it has ended


class Process:
    """A program running in the background; its output goes to a log file."""

    def __init__(self, lab, name, popen, log, pid=None):
        self.lab, self.name, self.popen, self.log = lab, name, popen, log
        self.pid = pid or popen.pid
        self.started = start_time(self.pid)
        lab.note_process(self.pid, name)

    def alive(self):
        self.popen.poll()
        return _alive(self.pid, self.started)

    def signal(self, sig):
        _signal(self.pid, self.started, sig)

    def wait(self, timeout):
        """Waits for the end and returns the exit status."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} did not end in {timeout:g} s\n"
                           f"{self.tail()}") from None

    def stop(self, timeout=5):
        """SIGTERM, and SIGKILL when that is ignored; returns the status."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait(10)

    def text(self):
        return Path(self.log).read_text(errors="replace")

    def tail(self, lines=25):
        try:
            text = self.text().splitlines()[-lines:]
        except OSError:
            return ""
        state = "running" if self.alive() else f"ended {self.popen.returncode}"
        return "\n".join([f"--- {self.name} ({state}), {self.log}"] + text) + "\n"


# --- namespaces -------------------------------------------------------------

class Node:
    """A network namespace: a router, a hypervisor or a host."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = f"lisp-{lab.name}-{name}"

    def __str__(self):
        return self.name

    def enter(self, argv):
        """The argument vector that runs 'argv' in this namespace."""
        return ["ip", "netns", "exec", self.ns] + [str(a) for a in argv]

    def run(self, argv, check=True, timeout=30, stdin=None):
        """Runs a program to its end; returns the CompletedProcess (text)."""
        return run(self.enter(argv), check, timeout, stdin)

    def out(self, argv, timeout=30):
        return self.run(argv, timeout=timeout).stdout

    def ok(self, argv, timeout=30):
        """True if the program ends with status 0."""
        return self.run(argv, check=False, timeout=timeout).returncode == 0

    def ip(self, *commands):
        """ip(8) commands without the word "ip", done as one batch."""
        run(["ip", "-n", self.ns, "-batch", "-"],
            stdin="".join(f"{c}\n" for c in commands))

    def ip_json(self, *args):
        """What `ip -json ARGS` shows here."""
        import json
        out = run(["ip", "-n", self.ns, "-json", *args]).stdout.strip()
        return json.loads(out or "[]")

    def sysctl(self, values):
        """Sets {"net/ipv4/ip_forward": 1, ...}; slashes, as names have dots."""
        script = 'while [ $# -gt 0 ]; do echo "$2" >"/proc/sys/$1" || exit 1; shift 2; done'
        words = [str(w) for kv in values.items() for w in kv]
        self.run(["/bin/sh", "-c", script, "sh"] + words)

    def start(self, name, argv, env=None, stdout=None, cwd=None):
        """Starts a program in the background and returns its Process.

        stdout and stderr go to NODE-NAME.log in the run directory; with
        'stdout' only stderr does, and stdout to that file.
        """
        return self.lab.start(self.enter(argv), f"{self.name}-{name}", env,
                              stdout, cwd)

    def capture(self, iface, name=None, filter=""):
        """Starts dumpcap on an interface; returns (Process, path of the pcap).

        Returns when it captures; stop() the process before reading the file.
        """
        if not shutil.which("dumpcap"):
            raise Unable("dumpcap is missing (package wireshark-common)")
        name = name or f"capture-{iface}"
        path = self.lab.run_dir / f"{self.name}-{name}.pcap"
        argv = ["dumpcap", "-P", "-q", "-i", iface, "-w", path]
        p = self.start(name, argv + (["-f", filter] if filter else []))
        wait_for(lambda: path.exists() and path.stat().st_size >= 24 or
                 not p.alive(), 10, f"dumpcap on {self.name} {iface}", lab=self.lab)
        if not p.alive():
            raise LabError(f"dumpcap did not start\n{p.tail()}")
        return p, path

    def link_index(self, iface):
        try:
            return int(self.out(["cat", f"/sys/class/net/{iface}/ifindex"]))
        except LabError:
            return None


def run(argv, check=True, timeout=30, stdin=None, env=None):
    """Runs a program to its end; LabError with its words if it fails."""
    argv = [str(a) for a in argv]
    try:
        p = subprocess.run(argv, input=stdin, text=True, errors="replace",
                           timeout=timeout, env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           **({} if stdin is not None else
                              {"stdin": subprocess.DEVNULL}))
    except FileNotFoundError:
        raise Unable(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: no end in {timeout:g} s") from None
    if check and p.returncode:
        raise LabError(f"{' '.join(argv)}: status {p.returncode}\n"
                       f"{(stdin or '')[:800]}{p.stdout[-800:]}{p.stderr[-800:]}")
    return p


# --- the run ----------------------------------------------------------------

class Lab:
    """One run.  Leaving the `with` block, exit() and signals remove it all."""

    def __init__(self, name=None):
        global _serial
        if os.geteuid() != 0:
            raise Unable("root is needed for network namespaces")
        _serial += 1
        self.name = name or f"t{os.getpid()}-{_serial}"
        self.run_dir = BASE / self.name
        self.nodes = {}
        self.procs = []
        self.keep = False
        if self.run_dir.exists():
            raise LabError(f"{self.run_dir} exists: another run, or what is left of one "
                           "(make demo-down)")
        _guard()
        self.run_dir.mkdir(parents=True)
        self._note("owner", f"{os.getpid()} {start_time(os.getpid())}")
        _labs.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Removes all, or with keep = True only forgets it."""
        if self in _labs:
            _labs.remove(self)
            if self.keep:
                self._note("kept", "yes")
            else:
                _remove(self.run_dir, [p.popen for p in self.procs])

    def _note(self, file, line):
        with open(self.run_dir / file, "a") as f:
            f.write(line + "\n")

    def note_process(self, pid, name, kill=False):
        """Has a process ended with the run; 'kill': last, and by SIGKILL."""
        self._note("procs", f"{pid} {start_time(pid)} {name}{' kill' if kill else ''}")

    def node(self, name):
        """The node of that name, made when it is first asked for."""
        if name not in self.nodes:
            n = Node(self, name)
            self._note("netns", n.ns)
            run(["ip", "netns", "add", n.ns])
            self.nodes[name] = n
            # No address is ever doubted here, and none invented: tests would
            # have to wait for duplicate address detection otherwise.
            n.sysctl({"net/ipv6/conf/all/accept_dad": 0,
                      "net/ipv6/conf/default/accept_dad": 0,
                      "net/ipv6/conf/all/accept_ra": 0,
                      "net/ipv6/conf/default/accept_ra": 0})
            n.ip("link set lo up")
        return self.nodes[name]

    def link(self, a, if_a, b, if_b, mtu=1500):
        """A veth pair between two nodes, both ends up."""
        run(["ip", "link", "add", "name", if_a, "mtu", mtu, "netns", a.ns,
             "type", "veth", "peer", "name", if_b, "mtu", mtu, "netns", b.ns])
        a.ip(f"link set {if_a} up")
        b.ip(f"link set {if_b} up")

    def bridge(self, node, name, ports=(), mtu=1500):
        """A bridge that forwards at once and learns nothing about multicast."""
        node.ip(f"link add {name} mtu {mtu} type bridge stp_state 0 "
                "forward_delay 0 mcast_snooping 0",
                *[f"link set {p} master {name}" for p in ports],
                f"link set {name} up")

    def start(self, argv, name, env=None, stdout=None, cwd=None):
        """Starts a program outside of any node; see Node.start()."""
        log = self.run_dir / f"{name}.log"
        with open(log, "ab") as err, \
                open(stdout or log, "ab") as out:
            try:
                popen = subprocess.Popen(
                    [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out,
                    stderr=err, start_new_session=True, cwd=cwd,
                    env=None if env is None else {**os.environ, **env})
            except FileNotFoundError:
                raise Unable(f"{argv[0]} is not installed") from None
        p = Process(self, name, popen, log)
        favour(p.pid)
        self.procs.append(p)
        return p

    def log_tails(self):
        return "".join(p.tail() for p in self.procs)


# --- removal ----------------------------------------------------------------

def _lines(path):
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _remove(run_dir, popens=()):
    """Ends the processes and removes the namespaces and files of a run."""
    held = {s: signal.signal(s, signal.SIG_IGN)
            for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)} \
        if _in_main_thread() else {}
    try:
        words = [line.split() for line in _lines(run_dir / "procs")]
        procs = list({w[0]: (int(w[0]), w[1], len(w) > 3)
                      for w in words if len(w) > 2}.values())
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for pid, started, kill in reversed(procs):
                if sig == signal.SIGKILL or not kill:
                    _signal(pid, started, sig)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                for popen in popens:
                    popen.poll()
                procs = [p for p in procs if _alive(*p[:2])]
                if not [p for p in procs if sig == signal.SIGKILL or not p[2]]:
                    break
                time.sleep(0.02)
        for pid, _, _ in procs:
            print(f"lab: process {pid} of {run_dir.name} does not end", file=sys.stderr)
        for ns in _lines(run_dir / "netns"):
            if (NETNS_DIR / ns).exists():
                p = run(["ip", "netns", "del", ns], check=False)
                if p.returncode:
                    print(f"lab: {ns}: {p.stderr.strip()}", file=sys.stderr)
        shutil.rmtree(run_dir, ignore_errors=True)
        try:
            BASE.rmdir()
        except OSError:
            pass
    finally:
        for s, handler in held.items():
            signal.signal(s, handler)


def remove(name):
    """Removes a run by name, whoever made it; True if there was one."""
    if not (BASE / name).is_dir():
        return False
    _remove(BASE / name)
    return True


def owner_alive(run_dir):
    words = " ".join(_lines(run_dir / "owner")).split()
    if len(words) != 2:         # just being made, or torn in the making
        try:
            return time.time() - run_dir.stat().st_mtime < 60
        except OSError:
            return False
    return _alive(int(words[0]), words[1])


def remove_stale():
    """Removes the runs whose process died without doing so; returns names."""
    gone = []
    for run_dir in sorted(BASE.glob("*")):
        if run_dir.is_dir() and not owner_alive(run_dir) and \
                not (run_dir / "kept").exists():
            _remove(run_dir)
            gone.append(run_dir.name)
    return gone


def _in_main_thread():
    import threading
    return threading.current_thread() is threading.main_thread()


def _on_signal(signum, frame):
    sys.exit(128 + signum)


def _guard():
    """SIGTERM and SIGHUP end the program the way exit() does."""
    if _in_main_thread():
        for s in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(s) == signal.SIG_DFL:
                signal.signal(s, _on_signal)


@atexit.register
def _close_all():
    for lab in reversed(list(_labs)):
        lab.close()
