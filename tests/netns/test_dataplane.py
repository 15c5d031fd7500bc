# SPDX-License-Identifier: Apache-2.0
"""xtrd's tun data plane on the standard network (tests/lab/topology.py).

    vm 10.1.1.20, fd01:1::20 -- xtr-a ==core== xtr-c (IPv4 RLOC) -- peer-c
                                        ====== xtr-d (IPv6 RLOC) -- peer-d
                                        ====== xtr-b (both)

`core` knows no EID: whatever crosses it in clear is a leak, and is seen there.
"""

import time

import pytest
from plane import EID_SPACE, captured, inject, mac, ping, plane
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.lab import net, probes
from tests.lab.topology import PEERS

VM4, VM6 = "10.1.1.20", "fd01:1::20"


@pytest.fixture(scope="module")
def p():
    with plane() as p:
        p.vm1 = p.vm("vm1", 20, "xtr-a")
        p.cpm("hyp1", "present", p.vm1)
        for peer in PEERS:
            for to in (VM4, VM6):
                net.wait_for(lambda: ping(p[peer], to, count=1)[0], 10,
                             f"{to} answers {peer}", lab=p.lab)
        yield p


def outer(frame):
    """(outer IP, UDP, LISP header, inner packet) of a data packet."""
    ip = frame[IPv6] if IPv6 in frame else frame[IP]
    udp = frame[UDP]
    payload = bytes(udp.payload)
    inner = payload[8:]
    return ip, udp, payload[:8], (IP if inner[0] >> 4 == 4 else IPv6)(inner)


def encapsulated(frames):
    return [outer(f) for f in frames if UDP in f and f[UDP].dport == 4341]


def in_clear(frames):
    """Frames whose own IP header has an EID in it."""
    found = []
    for f in frames:
        ip = f.getlayer(IP) if f.haslayer(IP) else f.getlayer(IPv6)
        if ip and any(str(a).startswith(EID_SPACE) for a in (ip.src, ip.dst)):
            found.append(f)
    return found


@pytest.mark.parametrize("peer, rlocs", [
    ("peer-c", ("203.0.113.1", "192.0.2.1")),
    ("peer-d", ("2001:db8:d::1", "2001:db8:a::1")),
])
@pytest.mark.parametrize("to", [VM4, VM6])
def test_four_family_combinations(p, peer, rlocs, to):
    with captured(p["core"], "xtr-a") as frames:
        received, text = ping(p[peer], to, count=5)
    assert received == 5, text
    data = encapsulated(frames)
    assert {(ip.src, ip.dst) for ip, _, _, _ in data} == {rlocs, rlocs[::-1]}
    assert len(data) == 10 and not in_clear(frames)
    for ip, udp, header, inner in data:
        assert header == bytes(8)               # N = L = E = V = I = 0
        assert udp.chksum == 0                  # RFC 9300 5.3
        assert udp.sport >= 49152
        assert udp.len == len(inner) + 16
        assert inner.version == (4 if to == VM4 else 6)
        if ip.version == 4:
            assert ip.flags == "DF"


@pytest.mark.parametrize("to", [VM4, VM6])
@pytest.mark.parametrize("tos", [0x00, 0xb8, 0x02, 0x01])
def test_tos_and_ttl(p, to, tos):
    """Outer = inner; on the way the outer loses one hop, and the inner follows."""
    with captured(p["core"], "xtr-c") as frames, captured(p["vm1"], "eth0") as at_vm:
        received, text = ping(p["peer-c"], to, "-Q", hex(tos), "-t", "33", count=1)
    assert received == 1, text

    def fields(ip):
        return (ip.ttl, ip.tos) if ip.version == 4 else (ip.hlim, ip.tc)

    ip, _, _, inner = [d for d in encapsulated(frames) if d[0].src == "203.0.113.1"][0]
    assert fields(inner) == (32, tos)           # xtr-c routed it
    assert fields(ip) == (32, tos)
    arrived = [f for f in at_vm if Ether in f and f[Ether].src == "02:00:5e:00:01:01"]
    arrived = [f[IP] if IP in f else f[IPv6] for f in arrived if IP in f or IPv6 in f]
    arrived = [a for a in arrived if a.dst == to]
    assert fields(arrived[0]) == (30, tos)      # core, xtr-a


@pytest.mark.parametrize("inner, arrives", [(0, None), (1, 3), (2, 3), (3, 3)])
def test_congestion_experienced(p, inner, arrives):
    """CE outside, by a router on the way: RFC 6040 4.2."""
    before = p.counter("xtr-a", "data.drop.ecn")
    packet = (Ether(dst=mac(p["xtr-a"], "uplink0"))
              / IP(src="203.0.113.1", dst="192.0.2.1", tos=3, ttl=9)
              / UDP(sport=55555, dport=4341, chksum=0) / Raw(bytes(8))
              / IP(src="10.3.0.10", dst=VM4, tos=inner) / UDP(dport=9) / Raw(b"ecn"))
    with captured(p["vm1"], "eth0", "udp port 9") as frames:
        inject(p["core"], "xtr-a", packet)
    if arrives is None:
        assert not frames
        assert p.counter("xtr-a", "data.drop.ecn") == before + 1
    else:
        assert [(f[IP].tos, f[IP].ttl) for f in frames] == [(arrives, 8)]


@pytest.mark.parametrize("what, header, inner, counter", [
    ("encrypted", bytes([1] + [0] * 7), ("10.3.0.10", VM4), "malformed"),
    ("unknown instance", bytes([8, 0, 0, 0, 0, 3, 232, 0]), ("10.3.0.10", VM4),
     "not-a-local-eid"),
    ("not our EID", bytes(8), ("10.3.0.10", "10.1.1.99"), "not-a-local-eid"),
    ("our EID as source", bytes(8), (VM4, VM4), "source"),
    ("loopback as source", bytes(8), ("127.0.0.1", VM4), "source"),
    ("short", bytes(5), None, "malformed"),
])
def test_refused(p, what, header, inner, counter):
    counter = f"data.drop.{counter}"
    before = p.counter("xtr-a", counter)
    packet = (Ether(dst=mac(p["xtr-a"], "uplink0")) / IP(src="203.0.113.1", dst="192.0.2.1")
              / UDP(sport=50000, dport=4341) / Raw(header))
    if inner:
        packet /= IP(src=inner[0], dst=inner[1]) / UDP(dport=9)
    with captured(p["vm1"], "eth0", "udp port 9") as frames:
        inject(p["core"], "xtr-a", packet)
    assert not frames, what
    assert p.counter("xtr-a", counter) == before + 1, what


@pytest.mark.parametrize("xtr, to", [("xtr-a", "192.0.2.1"), ("xtr-d", "2001:db8:d::1")])
@pytest.mark.parametrize("port, counter", [(4341, "data.drop.malformed"),
                                           (4342, "rx.Map-Request.truncated")])
def test_a_wrong_udp_checksum_is_dropped(p, xtr, to, port, counter):
    """RFC 9300 5.3, RFC 9301 5: by the kernel, xtrd never sees it."""
    ip = (IPv6(src="2001:db8:b::1", dst=to) if ":" in to
          else IP(src="203.0.113.1", dst=to))
    good = (Ether(dst=mac(p[xtr], "uplink0")) / ip / UDP(sport=50000, dport=port)
            / Raw(b"\x10\0\0"))
    bad = Ether(bytes(good))
    bad[UDP].chksum ^= 0x0101
    before = p.counter(xtr, counter)
    inject(p["core"], xtr, bad, bad, good)
    net.wait_for(lambda: p.counter(xtr, counter) > before, 3, counter, lab=p.lab)
    assert p.counter(xtr, counter) == before + 1


def test_a_flow_keeps_its_port_and_flows_differ(p):
    with captured(p["core"], "xtr-a", "udp port 4341") as frames:
        streams = [probes.udp(p["peer-c"], f"flow{i}", VM4, rate=50) for i in range(8)]
        time.sleep(1)
        for s in streams:
            assert s.result()["lost"] == 0
    ports = {}
    for ip, udp, _, inner in encapsulated(frames):
        ports.setdefault((inner.src, inner.dst, inner[UDP].sport, inner[UDP].dport),
                         set()).add(udp.sport)
    assert len(ports) == 16                     # eight flows, there and back
    assert all(len(used) == 1 for used in ports.values())
    assert len(set.union(*ports.values())) > 12


@pytest.mark.parametrize("to, size, words", [
    ("10.3.0.10", 1444 - 27, "mtu = 1444"),
    ("fd01:3::10", 1444 - 47, "mtu=1444"),
])
def test_path_mtu(p, to, size, words):
    """One octet too long for the tunnel: the VM is told; the rest passes."""
    received, text = ping(p["vm1"], to, "-M", "do", "-s", size, count=2)
    assert received == 0 and words in text.replace("MTU=", "mtu="), text
    received, text = ping(p["vm1"], to, "-M", "do", "-s", size - 1)
    assert received == 3, text


def test_large_datagrams_arrive_in_fragments(p):
    for peer, to in (("peer-c", "10.3.0.10"), ("peer-d", "10.4.0.10")):
        received, text = ping(p["vm1"], to, "-M", "dont", "-s", 4000)
        assert received == 3, f"{peer}: {text}"


@pytest.mark.parametrize("peer", list(PEERS))
def test_tcp_is_byte_exact(p, peer):
    result = probes.tcp(p[peer], "tcp", VM4, rate=20_000_000)
    time.sleep(2)
    seen = result.result()
    assert seen["ok"] and seen["bytes_received"] == seen["bytes_sent"] > 5_000_000, seen


def test_a_host_of_ours_hears_why(p):
    """Nobody has 10.3.0.77's neighbour prefix: a negative mapping."""
    for to in ("10.9.9.9", "fd01:9::9"):
        def told():
            received, text = ping(p["vm1"], to, count=2)
            assert received == 0
            return "nreachable" in text or "No route" in text
        net.wait_for(told, 5, f"vm1 hears that {to} is unreachable", lab=p.lab)


@pytest.fixture(scope="module")
def dead(p):
    """An EID whose VM does not answer any more."""
    vm = p.vm("dead", 30, "xtr-a")
    p.cpm("hyp1", "present", vm)
    time.sleep(0.2)
    vm.ip("link set eth0 down")
    p["xtr-a"].ip("neigh del 10.1.1.30 dev br-vms", "neigh del fd01:1::30 dev br-vms")
    return vm


@pytest.mark.parametrize("peer", list(PEERS))
def test_a_dead_vm_is_told_through_the_tunnel(p, dead, peer):
    """The kernel's own ICMP errors about a delivered packet do not leak, either."""
    with captured(p["core"], "xtr-a") as frames:
        for to in dead.vm[1:]:
            text = ping(p[peer], to, "-W", "4", count=2, interval=1)[1]
            assert "nreachable" in text, text
    assert not in_clear(frames), in_clear(frames)[0].summary()
    gateways = {str(i.src) for _, _, _, i in encapsulated(frames)}
    assert {"10.1.1.1", "fd01:1::1"} <= gateways


def test_the_router_itself_still_talks(p):
    """Own addresses are not EIDs: the underlay, the gateway, its neighbours."""
    assert ping(p["xtr-a"], "203.0.113.1")[0] == 3
    assert ping(p["xtr-a"], "2001:db8:d::1")[0] == 3
    assert ping(p["vm1"], "10.1.1.1")[0] == 3
    assert ping(p["xtr-a"], VM4)[0] == 3
    assert ping(p["xtr-c"], VM4, "-I", "10.3.0.1")[0] == 3  # as an EID of its site


# --- without the process ----------------------------------------------------

def device(node):
    rows = node.ip_json("link", "show")
    return next((r for r in rows if r["ifname"] == "lisp0"), None)


def ours(node):
    """What xtrd installed, as `ip` says it."""
    found = []
    for family in ("-4", "-6"):
        found += [("rule", r["priority"], r.get("src"), r.get("table"))
                  for r in node.ip_json(family, "rule") if r["priority"] in (4341, 4342)]
        found += [("route", r["dst"], r.get("dev"), r.get("type"), r.get("metric"),
                   r.get("table"))
                  for r in node.ip_json(family, "route", "show", "table", "all")
                  if str(r.get("protocol")) == "76"]
    return sorted(map(repr, found))


def test_nothing_leaks_after_kill(p):
    a, before = p["xtr-a"], ours(p["xtr-a"])
    index = a.link_index("lisp0")
    assert ping(p["vm1"], "10.3.0.10")[0] == 3
    with captured(p["core"], "xtr-a") as frames:
        streams = [probes.udp(p["vm1"], f"to-{i}", to, rate=100)
                   for i, to in enumerate(("10.3.0.10", "fd01:3::10", "10.99.0.1"))]
        time.sleep(0.5)
        p.site["xtr-a"].kill()
        time.sleep(1.5)
        for s in streams:
            s.end()
        time.sleep(0.5)
    assert len(encapsulated(frames)) > 40       # it did forward before
    assert not in_clear(frames), in_clear(frames)[0].summary()
    assert ours(a) == before
    assert device(a)
    p.site["xtr-a"].start()
    assert a.link_index("lisp0") == index       # adopted, not made anew
    assert ours(a) == before
    net.wait_for(lambda: ping(p["vm1"], "10.3.0.10", count=1)[0], 5,
                 "forwarding after the restart", lab=p.lab)


def test_nothing_leaks_without_the_device(p):
    a = p["xtr-a"]
    p.site["xtr-a"].kill()
    a.ip("link del lisp0")
    with captured(p["core"], "xtr-a") as frames:
        for to in ("10.3.0.10", "fd01:3::10"):
            received, text = ping(p["vm1"], to)
            assert received == 0
            assert "nreachable" in text or "No route" in text, text
        assert ping(p["peer-c"], VM4)[0] == 0
    assert not in_clear(frames), in_clear(frames)[0].summary()
    p.site["xtr-a"].start()
    for to in ("10.3.0.10", "fd01:3::10"):
        net.wait_for(lambda: ping(p["vm1"], to, count=1)[0], 5,
                     f"{to} after the restart", lab=p.lab)


def test_a_removed_device_is_made_again(p):
    a = p["xtr-a"]
    with captured(p["core"], "xtr-a") as frames:
        a.ip("link del lisp0")
        ping(p["vm1"], "10.3.0.10")
        for to in ("10.3.0.10", "fd01:3::10"):
            net.wait_for(lambda: ping(p["vm1"], to, count=1)[0], 5,
                         f"{to} through the new device", lab=p.lab)
    assert not in_clear(frames), in_clear(frames)[0].summary()
    assert p.counter("xtr-a", "kernel.errors") < 20   # no busy loop


def cleanup(p, name):
    xtr = p.site[name]
    return p[name].run([probes.program("xtrd"), "-f", xtr.file, "--cleanup"], check=False)


def test_cleanup_leaves_a_running_one_alone(p):
    before = ours(p["xtr-a"])
    result = cleanup(p, "xtr-a")
    assert result.returncode != 0
    assert "another process has it" in result.stderr
    assert ours(p["xtr-a"]) == before
    assert ping(p["vm1"], "10.3.0.10")[0] == 3


def test_cleanup_leaves_nothing(p):
    a = p["xtr-a"]
    p.site["xtr-a"].stop()
    assert device(a) and ours(a)                # an ordinary end leaves them, too
    result = cleanup(p, "xtr-a")
    assert result.returncode == 0, result.stderr
    assert not device(a)
    assert ours(a) == []
    addresses = [x["local"] for r in a.ip_json("addr", "show", "dev", "br-vms")
                 for x in r["addr_info"]]
    assert not {"10.1.1.1", "fd01:1::1", "fe80::1"} & set(addresses)
    assert "lladdr" not in a.out(["ip", "neigh", "show", "dev", "br-vms", "proto", "76"])
    assert cleanup(p, "xtr-a").returncode == 0  # twice
    p.site["xtr-a"].start()
    net.wait_for(lambda: ping(p["peer-d"], VM6, count=1)[0], 10, "all is back", lab=p.lab)


# --- an EID space instead of policy rules -----------------------------------

def test_eid_space(p):
    d = p["xtr-d"]
    p.site["xtr-d"].stop()
    p.site["xtr-d"].conf["itr"] = {"eid-space": ["10.0.0.0/8", "fd01::/16"]}
    p.site["xtr-d"].start()
    assert not [o for o in ours(d) if "rule" in o or "'default'" in o]
    for to in ("10.0.0.0/8", "fd01::/16"):
        routes = [o for o in ours(d) if to in o]
        assert any("lisp0" in o for o in routes)
        assert any("unreachable" in o for o in routes)
    for to in (VM4, VM6):
        net.wait_for(lambda: ping(p["peer-d"], to, count=1)[0], 5,
                     f"{to} answers", lab=p.lab)
    # The underlay is not in it.
    assert ping(p["xtr-d"], "2001:db8:a::1")[0] == 3
    with captured(p["core"], "xtr-d") as frames:
        p.site["xtr-d"].kill()
        assert ping(p["peer-d"], VM4)[0] == 0
        d.ip("link del lisp0")
        assert ping(p["peer-d"], VM4)[0] == 0
    assert not in_clear(frames)
    p.site["xtr-d"].conf.pop("itr")
    p.site["xtr-d"].start()
    assert not [o for o in ours(d) if "10.0.0.0/8" in o]
    assert [o for o in ours(d) if "rule" in o]
