# SPDX-License-Identifier: Apache-2.0
"""vmagent sees whom a guest talks to: by BPF on its tap, or by packet socket.

libvirt's test driver says that the domain "test" has the tap testnet0 and the
MAC aa:bb:cc:dd:ee:ff, so a veth of that name is the tap and its other end the
guest:

    guest g0 10.1.1.10 ==== testnet0 host 10.1.1.1, peers 203.0.113.x
"""

import json
import socket
import time

import pytest

from tests.lab import net, probes

MAC = "aa:bb:cc:dd:ee:ff"
HOST_ID = "a1a2a3a4-a5a6-a7a8-a9aa-abacadaeafb0"
CONF = """\
xtrs: [ {{ name: x1, address: 127.0.0.1, key-id: 11, key-file: {dir}/key }} ]
host-id: {host_id}
libvirt: {{ uri: "test:///default" }}
static: [ {{ vm: test, eids: [ 10.1.1.10, "fd01:1::10" ] }} ]
peers: {{ source: {source}, max: 256 }}
state: {{ directory: {dir}/state }}
control: {{ socket: {dir}/agent.sock }}
"""


class Bench:
    """The namespaces, and an agent that can be killed and started again.

    Its programs run in one mount namespace of their own with a bpffs in it.
    """

    def __init__(self, lab, source):
        self.lab, self.source, self.agent = lab, source, None
        self.dir = lab.run_dir / "agent"
        self.dir.mkdir()
        self.host, self.guest = lab.node("host"), lab.node("guest")
        lab.link(self.host, "testnet0", self.guest, "g0")
        self.guest.ip(f"link set g0 address {MAC}",
                      "addr add 10.1.1.10/24 dev g0",
                      "addr add fd01:1::10/64 dev g0",
                      "route add default via 10.1.1.1",
                      "route add default via fd01:1::1")
        self.host.ip("addr add 10.1.1.1/24 dev testnet0",
                     "addr add fd01:1::1/64 dev testnet0",
                     *[f"addr add 203.0.113.{i}/32 dev lo" for i in range(1, 9)],
                     "addr add 2001:db8:5::5/128 dev lo")
        key = self.dir / "key"
        key.touch(mode=0o600)
        key.write_text("secretsecret\n")
        self.conf = self.dir / "vmagent.yaml"
        self.conf.write_text(CONF.format(dir=self.dir, host_id=HOST_ID, source=source))
        self.shell = self.host.start("mounts", [
            "unshare", "-m", "sh", "-c",
            "mount -t bpf bpf /sys/fs/bpf && echo mounted; exec sleep 3600"])
        net.wait_for(lambda: "mounted" in self.shell.text(), 5, "a bpffs", lab=lab)

    def start(self):
        self.agent = self.lab.start(
            ["nsenter", "-t", self.shell.pid, "-m", "-n",
             probes.program("vmagent"), "-f", self.conf, "-d", "debug"], "vmagent")
        net.wait_for(lambda: self.watched() == 1, 10, "testnet0 is watched", lab=self.lab)

    def agent_pid(self):
        return self.agent.pid           # nsenter becomes the agent

    def ask(self, what):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(str(self.dir / "agent.sock"))
            except OSError as e:
                raise net.LabError(str(e)) from None
            s.sendall(json.dumps({"v": 1, "cmd": "show", "what": what}).encode() + b"\n")
            reply = json.loads(s.makefile().readline())
        assert reply["ok"], reply
        return reply["rows"]

    def watched(self):
        counters = {r["name"]: r["value"] for r in self.ask("counters")}
        return counters.get("peers.vnics", 0)

    def peers(self):
        return [r["peer"] for r in self.ask("peers")]

    def ping(self, address, count=1):
        assert self.guest.ok(["ping", "-c", count, "-i", "0.05", "-W", "2", address])


@pytest.fixture(params=["bpf", "packet"])
def bench(request):
    with net.Lab() as lab:
        b = Bench(lab, request.param)
        b.start()
        source = b.ask("status")[0]["peers"]
        if source != request.param:
            raise net.Unable(f"{request.param} is not possible here: {source}")
        yield b


def test_both_directions_and_families(bench):
    bench.ping("203.0.113.1", 3)
    bench.ping("203.0.113.2")
    bench.ping("2001:db8:5::5", 2)
    peers = net.wait_for(lambda: len(bench.peers()) >= 3 and bench.peers(), 3, "three peers")
    assert sorted(peers) == ["2001:db8:5::5", "203.0.113.1", "203.0.113.2"]


def test_scan_displaces_no_peer(bench):
    """5,000 addresses that do not answer; two-way flows stay, and stay first."""
    real = [f"203.0.113.{i}" for i in range(1, 9)]
    for peer in real:
        bench.ping(peer, 2)
    net.wait_for(lambda: len(bench.peers()) >= 8, 3, "eight peers")
    scan = ("import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "for i in range(5000):\n"
            "    s.sendto(b'x', (f'198.18.{i >> 8}.{i & 255}', 9))\n")
    bench.guest.run(["/usr/bin/python3", "-c", scan])
    time.sleep(0.3)
    peers = bench.peers()
    assert set(peers[:8]) == set(real)
    assert len(peers) <= 2 * 256


def test_others_are_no_peers(bench):
    """Frames that a bridge floods to the tap, and those that name no peer."""
    bench.host.ip("neigh replace 10.1.1.99 lladdr 02:00:00:00:00:99 dev testnet0")
    bench.host.run(["ping", "-c1", "-W1", "10.1.1.99"], check=False)
    bench.guest.run(["ping", "-c1", "-W1", "-b", "10.1.1.255"], check=False)
    bench.guest.run(["ping", "-c1", "-W1", "224.0.0.1"], check=False)
    bench.ping("203.0.113.3")
    peers = net.wait_for(bench.peers, 3, "a peer")
    assert "203.0.113.3" in peers
    assert not [p for p in peers if p not in ("203.0.113.3", "10.1.1.1")]


def test_agent_killed(bench):
    """With pinned maps the next agent knows them; it sees new ones either way."""
    bench.ping("203.0.113.4", 2)
    net.wait_for(lambda: "203.0.113.4" in bench.peers(), 3, "a peer")
    bench.agent.kill()
    bench.ping("203.0.113.5", 2)    # while nobody looks
    bench.start()
    if bench.source == "bpf":
        assert {"203.0.113.4", "203.0.113.5"} <= set(bench.peers())
    bench.ping("203.0.113.6", 2)
    net.wait_for(lambda: "203.0.113.6" in bench.peers(), 3, "a new peer")


def test_tap_gone(bench):
    """The tap goes before libvirt says so: what it showed is still there."""
    bench.ping("203.0.113.7", 2)
    net.wait_for(lambda: "203.0.113.7" in bench.peers(), 3, "a peer")
    bench.host.ip("link del testnet0")
    assert "203.0.113.7" in bench.peers()


def test_cost(bench):
    """10,000 packets a second cost the agent little."""
    flood = ("import socket, time\n"
             "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             "end = time.monotonic() + 2\n"
             "n, begin = 0, time.monotonic()\n"
             "while time.monotonic() < end:\n"
             "    s.sendto(b'x' * 100, ('203.0.113.8', 9)); n += 1\n"
             "    ahead = n / 10000 - (time.monotonic() - begin)\n"
             "    if ahead > 0.002: time.sleep(ahead)\n"
             "print(n)\n")

    def cpu():
        stat = open(f"/proc/{bench.agent_pid()}/stat").read().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / 100

    before = cpu()
    sent = int(bench.guest.out(["/usr/bin/python3", "-c", flood]))
    used = cpu() - before
    print(f"{bench.source}: {sent} packets in 2 s, {used * 1000:.0f} ms of CPU")
    assert sent > 4000
    assert used < 0.3
