# SPDX-License-Identifier: Apache-2.0
"""Proxy tunnel routers: LISP sites and the rest of the world, RFC 6832.

    outside 198.18.0.10 ---+
            2001:db8:99::10|
                         core === px   xtrd: PITR and PETR, 192.0.2.5, 2001:db8:e::1
                           |
                           +===== xtr-c (IPv4 RLOC) -- peer-c 10.3.0.10, fd01:3::10
                           +===== xtr-d (IPv6 RLOC) -- peer-d 10.4.0.10, fd01:4::10

`core` has a route for the EID aggregates, to px, as the Internet has to a PITR.
`outside` knows nothing of LISP.
"""

import struct
import time

import pytest
from control import Message
from plane import captured, inject, mac, ping, plane
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.lab import daemons, net, probes, topology

OUT4, OUT6 = "198.18.0.10", "2001:db8:99::10"
PX4, PX6 = "192.0.2.5", "2001:db8:e::1"
SPACE4, SPACE6 = "10.0.0.0/8", "fd01::/16"
EID_SPACE = ("10.", "fd01:")
PITR_BIT = 1 << 23                  # p, RFC 9301 5.2


def build_proxy(site):
    """Adds px and outside; peer-c's site uses the PETR."""
    lab = site.lab
    core, px, outside = lab.node("core"), lab.node("px"), lab.node("outside")
    topology.forwarding(px)
    lab.link(px, "uplink0", core, "px")
    px.ip(f"addr add {PX4}/30 dev uplink0", f"addr add {PX6}/64 dev uplink0",
          "route add 0.0.0.0/0 via 192.0.2.6 dev uplink0",
          "route add ::/0 via 2001:db8:e::fe dev uplink0")
    core.ip("addr add 192.0.2.6/30 dev px", "addr add 2001:db8:e::fe/64 dev px",
            f"route add {SPACE4} via {PX4}", f"route add {SPACE6} via {PX6}")
    lab.link(outside, "eth0", core, "outside")
    outside.ip(f"addr add {OUT4}/24 dev eth0", f"addr add {OUT6}/64 dev eth0",
               "route add 0.0.0.0/0 via 198.18.0.1", "route add ::/0 via 2001:db8:99::1")
    core.ip("addr add 198.18.0.1/24 dev outside", "addr add 2001:db8:99::1/64 dev outside")
    outside.start("echo", [probes.probe("guestd")])
    site["px"] = daemons.Xtr(px, {
        "site": {"name": "proxy", "rlocs": [{"address": PX4}, {"address": PX6}]},
        "mapping-systems": [{"name": daemons.SYSTEM,
                             "map-resolvers": [topology.rlocs("ms")[0]]}],
        "proxy": {"pitr": True, "petr": True, "eid-space": [SPACE4, SPACE6]},
        "dataplane": {"kind": "tun", "device": "lisp0"},
    })
    site["xtr-c"].conf["itr"] = {"use-petr": [{"address": PX4}]}


@pytest.fixture(scope="module")
def p():
    with plane("ms", "xtr-c", "xtr-d", "px", configure=build_proxy) as p:
        p.site.wait_registered("10.3.0.0/24")
        p.site.wait_registered("10.4.0.0/24")
        yield p


def ip_of(frame):
    return frame.getlayer(IP) if frame.haslayer(IP) else frame.getlayer(IPv6)


def in_clear(frames):
    return [f for f in frames if (ip := ip_of(f)) and
            any(str(a).startswith(EID_SPACE) for a in (ip.src, ip.dst))]


def counters(p, *names):
    return [p.counter("px", n) for n in names]


@pytest.mark.parametrize("to", ["10.3.0.10", "fd01:3::10"])
def test_from_outside_and_back(p, to):
    """In through the PITR, back through the PETR; the site's link has no EID in clear.

    fd01:3::10 does so over an IPv4 underlay.
    """
    before = counters(p, "data.encapsulated", "data.petr")
    with captured(p["core"], "xtr-c") as at_site, captured(p["core"], "outside") as at_host:
        received, text = ping(p["outside"], to, count=5)
    assert received == 5, text
    assert not in_clear(at_site), in_clear(at_site)[0].summary()
    assert len([f for f in at_host if ip_of(f) and ip_of(f).src == to]) >= 5
    data = [f for f in at_site if UDP in f and f[UDP].dport == 4341]
    assert {(f[IP].src, f[IP].dst) for f in data} == {(PX4, "203.0.113.1"), ("203.0.113.1", PX4)}
    after = counters(p, "data.encapsulated", "data.petr")
    assert [a - b for a, b in zip(after, before)] == [5, 5]


@pytest.mark.parametrize("to", [OUT4, OUT6])
def test_from_a_site_through_the_petr(p, to):
    received, text = ping(p["peer-c"], to, count=3)
    assert received == 3, text
    assert p.counter("xtr-c", "data.to-petr") >= 3
    assert p.counter("xtr-c", "data.native") == 0


def test_tcp_through_both_proxies(p):
    stream = probes.tcp(p["peer-c"], "tcp", OUT4, rate=2_000_000)
    time.sleep(1)
    seen = stream.result()
    assert seen["ok"] and seen["bytes_received"] == seen["bytes_sent"] > 500_000, seen


def test_the_hops_are_those_of_routers(p):
    """core, px, [tunnel], xtr-c there; xtr-c, [tunnel], px, core back."""
    text = ping(p["outside"], "10.3.0.10", "-t", "9", count=1)[1]
    assert "ttl=60" in text, text
    # TTL over behind the PETR: its kernel says so, through the PITR.
    text = ping(p["peer-c"], OUT4, "-t", "3", count=1)[1]
    assert "Time to live exceeded" in text, text


def test_the_pitr_asks_with_its_bit_and_registers_nothing(p):
    with captured(p["core"], "px", "udp port 4342") as frames:
        ping(p["outside"], "10.4.0.10", count=1)
    asked = [Message(bytes(f[UDP].payload), None) for f in frames
             if ip_of(f).src == PX4 and bytes(f[UDP].payload)[0] >> 4 == 8]
    assert asked
    for m in asked:
        assert struct.unpack_from("!I", m.inner)[0] & PITR_BIT
        assert m.inner[12:14] == bytes(2)       # no Source-EID
    assert not [f for f in frames if ip_of(f).src == PX4 and
                bytes(f[UDP].payload)[0] >> 4 == 3]
    assert {r["registrant"] for r in p.site["ms"].show("registrations")} <= \
        {a for n in ("xtr-c", "xtr-d") for a in topology.rlocs(n)}


def test_an_unknown_eid_is_unreachable_and_does_not_loop(p):
    before = counters(p, "data.drop.negative", "data.encapsulated", "data.native")
    text = ping(p["outside"], "10.77.0.1", count=2, interval=0.5)[1]
    assert "nreachable" in text, text
    after = counters(p, "data.drop.negative", "data.encapsulated", "data.native")
    assert [a - b for a, b in zip(after, before)] == [2, 0, 0]


@pytest.mark.parametrize("source, to, counter", [
    ("198.18.0.66", OUT4, "data.drop.petr-source"),     # nobody's client
    ("192.0.2.1", OUT4, "data.drop.petr-source"),
    ("2001:db8:66::1", OUT6, "data.drop.petr-source"),
    ("10.4.0.10", "10.3.0.10", "data.drop.not-a-local-eid"),
    ("10.4.0.10", PX4, "data.drop.not-a-local-eid"),    # px itself
])
def test_not_an_open_relay(p, source, to, counter):
    before = p.counter("px", counter)
    inner = (IPv6 if ":" in source else IP)(src=source, dst=to)
    packet = (Ether(dst=mac(p["px"], "uplink0")) / IP(src="203.0.113.1", dst=PX4)
              / UDP(sport=50000, dport=4341, chksum=0) / Raw(bytes(8))
              / inner / UDP(dport=9) / Raw(b"relay"))
    with captured(p["core"], "px") as frames:
        inject(p["core"], "px", packet)
    assert p.counter("px", counter) == before + 1
    assert not [f for f in frames if ip_of(f) and ip_of(f).src == source]


def test_without_a_petr_it_stays_inside(p):
    with captured(p["core"], "xtr-d") as frames:
        def told():
            received, text = ping(p["peer-d"], OUT4, count=1)
            assert received == 0
            return "nreachable" in text
        net.wait_for(told, 5, f"peer-d hears that {OUT4} is unreachable", lab=p.lab)
    assert not in_clear(frames)


def test_a_reload_brings_the_petr_and_takes_it(p):
    """Over IPv6: an IPv4 packet of a site without IPv4 RLOC."""
    d = p.site["xtr-d"]
    d.conf["itr"] = {"use-petr": [{"address": PX6}]}
    d.reload()
    received, text = ping(p["peer-d"], OUT4)
    assert received == 3, text
    received, text = ping(p["outside"], "fd01:4::10")
    assert received == 3, text
    d.conf.pop("itr")
    d.reload()
    assert ping(p["peer-d"], OUT4)[0] == 0


def test_a_reload_ends_the_roles(p):
    px = p.site["px"]
    proxy = px.conf.pop("proxy")
    px.reload()
    assert SPACE4 not in p["px"].out(["ip", "route"])
    before = p.counter("px", "data.drop.not-a-local-eid")
    assert ping(p["peer-c"], OUT4, count=2)[0] == 0
    assert p.counter("px", "data.drop.not-a-local-eid") == before + 2
    px.conf["proxy"] = proxy
    px.reload()
    assert f"{SPACE4} dev lisp0" in p["px"].out(["ip", "route"])
    received, text = ping(p["peer-c"], OUT4)
    assert received == 3, text
