# SPDX-License-Identifier: Apache-2.0
"""RLOCs that go away: probes, ICMP, routes and interfaces of the real kernel.

    vm 10.1.1.20 -- xtr-a ==== core ==uplink0== xtr-c -- peer-c 10.3.0.10
                     probes         ==uplink1==          10.3.0.0/24

xtr-c has two RLOCs: 203.0.113.1 (priority 1) and 203.0.113.5 (priority 2).  What
happens to the first one happens in core or in xtr-a; nobody tells xtrd.
"""

import json
import time

import pytest
from plane import captured, ping, plane
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether  # noqa: F401 - captures are Ethernet

from tests.lab import net, probes

PEER, PREFIX = "10.3.0.10", "10.3.0.0/24"
FIRST, SECOND = "203.0.113.1", "203.0.113.5"
INTERVAL = 2            # s, between probes; 10 % more or less
MISSES = 1 + 2 + 4      # s, until an RLOC that does not answer is down


def two_uplinks(site):
    site["xtr-c"].conf["site"]["rlocs"].append(
        {"address": SECOND, "interface": "uplink1", "priority": 2, "weight": 100})
    for s in site["ms"].conf["map-server"]["sites"]:
        if s["name"] == "client-c":
            s["sources"] = [FIRST, SECOND]
    site["xtr-a"].conf["reachability"] = {"probe": True, "probe-interval": INTERVAL}
    lab = site.lab
    core, c = lab.nodes["core"], lab.nodes["xtr-c"]
    lab.link(c, "uplink1", core, "xtr-c1")
    core.ip("addr add 203.0.113.6/30 dev xtr-c1")
    c.ip(f"addr add {SECOND}/30 dev uplink1",
         "route add 0.0.0.0/0 via 203.0.113.6 dev uplink1 metric 100")


@pytest.fixture(scope="module")
def p():
    with plane("ms", "xtr-a", "xtr-c", configure=two_uplinks) as p:
        p.vm1 = p.vm("vm1", 20, "xtr-a")
        p.cpm("hyp1", "present", p.vm1)
        net.wait_for(lambda: ping(p.vm1, PEER, count=1)[0], 10, "peer-c answers", lab=p.lab)
        yield p


def row(p, rloc=FIRST, xtr="xtr-a"):
    rows = p.site[xtr].show("locators", rloc=rloc)
    return rows[0] if rows else {"state": None, "why": None}


def is_state(p, state, why=None, rloc=FIRST, xtr="xtr-a"):
    r = row(p, rloc, xtr)
    return r["state"] == state and why in (None, r["why"])


def wait_state(p, state, why=None, timeout=5.0, **more):
    net.wait_for(lambda: is_state(p, state, why, **more), timeout,
                 f"{more.get('rloc', FIRST)} is {state} by {why}", lab=p.lab)


def rlocs_used(p):
    """Where the packets of five pings from the VM to the peer go."""
    with captured(p["core"], "xtr-a", "udp dst port 4341 and src host 192.0.2.1") as frames:
        received, text = ping(p.vm1, PEER, count=5)
    assert received == 5, text
    return {f[IP].dst for f in frames}


def reconfigure(p, xtr, **reachability):
    p.site[xtr].conf["reachability"] = reachability
    p.site[xtr].reload()


@pytest.fixture(autouse=True)
def healthy(p):
    """Each test begins with both RLOCs up, and probing."""
    reconfigure(p, "xtr-a", **{"probe": True, "probe-interval": INTERVAL})
    wait_state(p, "up", "probe", timeout=20)
    wait_state(p, "up", "probe", timeout=20, rloc=SECOND)


def test_probed(p):
    assert rlocs_used(p) == {FIRST}
    r = row(p)
    assert 0 < r["rtt_ms"] < 1000 and r["users"] == 1 and not r["own"]
    assert row(p, "192.0.2.1")["own"] and is_state(p, "up", "interface", rloc="192.0.2.1")
    with captured(p["core"], "xtr-a", f"udp port 4342 and host {FIRST}") as frames:
        time.sleep(2 * INTERVAL)
    probes = [f for f in frames if f[IP].dst == FIRST]
    answers = [f for f in frames if f[IP].src == FIRST]
    assert 1 <= len(probes) <= 3 and len(answers) == len(probes)
    octets = bytes(probes[0][UDP].payload)
    assert octets[0] == 0x12                            # Map-Request, P
    octets = bytes(answers[0][UDP].payload)
    assert octets[0] == 0x28 and octets[12 + 6] & 0x10  # Map-Reply, P; A


def test_path_is_dead(p):
    """What is lost on the way says nothing; only probes notice."""
    began = time.monotonic()
    p["core"].ip(f"route add blackhole {FIRST}/32")
    try:
        wait_state(p, "down", "probe", timeout=MISSES + INTERVAL + 5)
        assert MISSES - 0.5 < time.monotonic() - began
        assert rlocs_used(p) == {SECOND}
    finally:
        p["core"].ip(f"route del blackhole {FIRST}/32")
    wait_state(p, "up", "probe", timeout=20)            # first after 8 s
    assert rlocs_used(p) == {FIRST}


def test_probes_alone_are_lost(p):
    """The control port of the RLOC is deaf: its answer never leaves."""
    p["xtr-c"].ip("rule add pref 10 iif lo ipproto udp sport 4342 to 192.0.2.1 blackhole")
    try:
        wait_state(p, "down", "probe", timeout=MISSES + INTERVAL + 5)
        missed = row(p)["missed"]
        assert missed >= 3
        # Both have gone, so nothing is sent.
        wait_state(p, "down", "probe", timeout=MISSES + INTERVAL + 5, rloc=SECOND)
        before = p.counter("xtr-a", "data.drop.no-locator")
        assert ping(p.vm1, PEER, count=2)[0] == 0
        assert p.counter("xtr-a", "data.drop.no-locator") > before
    finally:
        p["xtr-c"].ip("rule del pref 10")
    wait_state(p, "up", "probe", timeout=30)


def test_icmp_unreachable(p):
    """A router on the way says so; a probe makes sure, also where probing is off."""
    reconfigure(p, "xtr-a", probe=False)
    hints = p.counter("xtr-a", "icmp.hint")
    p["core"].ip(f"route add unreachable {FIRST}/32")
    try:
        began = time.monotonic()
        ping(p.vm1, PEER, count=1)
        net.wait_for(lambda: p.counter("xtr-a", "icmp.hint") > hints, 3, "an ICMP error",
                     lab=p.lab)
        wait_state(p, "down", "icmp", timeout=MISSES + 5)
        assert time.monotonic() - began > MISSES - 0.5
        assert rlocs_used(p) == {SECOND}
    finally:
        p["core"].ip(f"route del unreachable {FIRST}/32")
    wait_state(p, "up", timeout=30)
    sent = row(p)["probes"]
    time.sleep(2 * INTERVAL)
    assert row(p)["probes"] == sent                     # it was asked once


def test_no_route(p):
    """Our own kernel has no route to it: at once, without a probe."""
    missed = p.counter("xtr-a", "probe.missed")
    p["xtr-a"].ip(f"route add unreachable {FIRST}/32")
    try:
        wait_state(p, "down", "route", timeout=2)
        assert rlocs_used(p) == {SECOND}
        assert p.counter("xtr-a", "probe.missed") <= missed + 1     # one may be out
    finally:
        p["xtr-a"].ip(f"route del unreachable {FIRST}/32")
    wait_state(p, "up", "probe", timeout=5)
    assert rlocs_used(p) == {FIRST}


def test_routes_not_heeded(p):
    reconfigure(p, "xtr-a", routes=False, probe=False)
    p["xtr-a"].ip(f"route add unreachable {FIRST}/32")
    try:
        time.sleep(1)
        assert not is_state(p, "down")
    finally:
        p["xtr-a"].ip(f"route del unreachable {FIRST}/32")


def r_bits(p):
    locators = p.site["ms"].registration(PREFIX)["locators"]
    return {x["rloc"]: x["reachable"] for x in locators}


def test_own_interface_down(p):
    """xtr-c says so to the Map-Server and to xtr-a, which changes at once."""
    assert r_bits(p) == {FIRST: True, SECOND: True}
    reconfigure(p, "xtr-a", probe=False)
    # An ITR that has sent data is solicited.
    assert rlocs_used(p) == {FIRST}
    p["xtr-c"].ip("link set uplink0 down")
    try:
        wait_state(p, "down", "interface", xtr="xtr-c", timeout=2)
        net.wait_for(lambda: r_bits(p) == {FIRST: False, SECOND: True}, 5,
                     "the Map-Server has R = 0", lab=p.lab)
        net.wait_for(lambda: p.site["xtr-a"].cached(PREFIX) == [SECOND], 5,
                     "xtr-a has the new mapping", lab=p.lab)
        assert rlocs_used(p) == {SECOND}
    finally:
        p["xtr-c"].ip("link set uplink0 up",
                      "route add 0.0.0.0/0 via 203.0.113.2 dev uplink0")
    wait_state(p, "up", "interface", xtr="xtr-c", timeout=5)
    net.wait_for(lambda: r_bits(p) == {FIRST: True, SECOND: True}, 30,
                 "the Map-Server has R = 1", lab=p.lab)
    net.wait_for(lambda: p.site["xtr-a"].cached(PREFIX) == [FIRST, SECOND], 10,
                 "xtr-a has the first one again", lab=p.lab)


def test_address_gone(p):
    """An interface without the address is no RLOC either."""
    p["xtr-c"].ip(f"addr del {SECOND}/30 dev uplink1")
    try:
        wait_state(p, "down", "interface", xtr="xtr-c", rloc=SECOND, timeout=2)
    finally:
        p["xtr-c"].ip(f"addr add {SECOND}/30 dev uplink1",
                      "route replace 0.0.0.0/0 via 203.0.113.6 dev uplink1 metric 100")
    wait_state(p, "up", "interface", xtr="xtr-c", rloc=SECOND, timeout=5)


def headers(p):
    """The first octets of the LISP headers in both directions."""
    with captured(p["core"], "xtr-a", "udp dst port 4341") as frames:
        received, text = ping(p.vm1, PEER, count=10)
    assert received == 10, text
    return [bytes(f[UDP].payload)[:8] for f in frames]


def test_signs_only_where_trusted(p):
    assert {h[0] for h in headers(p)} == {0}
    reconfigure(p, "xtr-a", trust="private", **{"probe-interval": INTERVAL})
    reconfigure(p, "xtr-c", trust="private")
    try:
        # The Map-Replies to the probes have said that echo-nonce can be done.
        time.sleep(2 * INTERVAL)
        found = headers(p)
        assert all(h[0] & 0x40 for h in found)                  # L, both ways
        # xtr-c has two RLOCs; the VM's mapping those of xtr-b, too.
        assert {h[7] for h in found} == {0x3, 0xf}
        requests = {h[1:4] for h in found if h[0] & 0xa0 == 0xa0}
        echoes = {h[1:4] for h in found if h[0] & 0xa0 == 0x80}
        assert requests and echoes and echoes <= requests
        net.wait_for(lambda: p.counter("xtr-a", "echo-nonce.works") or
                     p.counter("xtr-c", "echo-nonce.works"), 5, "an echo", lab=p.lab)
    finally:
        reconfigure(p, "xtr-c")
        reconfigure(p, "xtr-a", **{"probe": True, "probe-interval": INTERVAL})
    assert {h[0] for h in headers(p)} == {0}


def test_map_version_on_the_wire(p):
    """eids[].map-version in Map-Register, Map-Reply and, where on, data."""
    c = p.site["xtr-c"]
    c.conf["eids"][0]["map-version"] = 7
    reconfigure(p, "xtr-c", **{"map-version": True})
    reconfigure(p, "xtr-a", **{"map-version": True})
    try:
        out = p["xtr-c"].out([probes.program("xtrctl"), "-s", c.socket, "--json", "lig", PEER])
        assert json.loads(out)["rows"][0]["version"] == 7
        # xtr-a learns the version with the mapping, which it asks for anew.
        p.site["xtr-a"].process.stop()
        time.sleep(0.5)
        p.site["xtr-a"].start()
        p.cpm("hyp1", "present", p.vm1)

        def fact():
            ping(p.vm1, PEER, count=1)
            return any(h[0] == 0x10 and h[1:4] == bytes([0, 0, 7]) for h in headers(p))
        net.wait_for(fact, 15, "data with destination version 7", interval=0.5, lab=p.lab)
    finally:
        del c.conf["eids"][0]["map-version"]
        reconfigure(p, "xtr-c")
