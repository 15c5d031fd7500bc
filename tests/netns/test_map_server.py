# SPDX-License-Identifier: Apache-2.0
"""xtrd as Map-Server and Map-Resolver, its neighbours scripted or real.

    xtr-a (both families) -- core -- ms: xtrd
    xtr-c (IPv4 only)     --  |  --
    xtr-d (IPv6 only)     --  |  --

The scripted xTRs speak through control.py, which knows RFC 9301 and not our code.
"""

import ipaddress
import json
import time

import pytest
from control import (Peer, ecm, map_notify_ack, map_register, map_request, record)

from tests.lab import daemons, net, probes, topology

MS4, MS6 = "192.0.2.129", "2001:db8:ff::1"
A4, A6, B4, C4, D6 = ("192.0.2.1", "2001:db8:a::1", "198.51.100.1", "203.0.113.1",
                      "2001:db8:d::1")
ITR_PORT = 50123
NEGATIVE_HOLE, NEGATIVE_UNREGISTERED = 15, 1
NATIVELY_FORWARD, SEND_MAP_REQUEST = 1, 2

SITES = [
    {"name": "dc1", "sources": [A4, A6],
     "prefixes": [{"prefix": "10.1.0.0/16", "accept-more-specifics": True},
                  {"prefix": "10.7.1.0/24", "mobile": True, "accept-more-specifics": True},
                  {"prefix": "fd01::/32", "accept-more-specifics": True}]},
    {"name": "dc2", "sources": [B4],
     "prefixes": [{"prefix": "10.7.1.0/24", "mobile": True,
                   "accept-more-specifics": True}]},
    {"name": "short", "sources": [B4], "prefixes": [{"prefix": "10.9.0.0/24"}]},
]


class World:
    """The Map-Server, and what the scripted xTRs need."""

    def __init__(self, lab, ms, keys):
        self.lab, self.ms, self.nodes = lab, ms, lab.nodes
        self.keys = {s["name"]: open(keys(s["name"]), "rb").read().strip() for s in SITES}
        self.nonce = time.time_ns() >> 10

    def next_nonce(self):
        self.nonce += 1
        return self.nonce

    @staticmethod
    def xtr_id(site):
        """The same whichever RLOC is the source."""
        return site.encode().ljust(16, b".")

    def register(self, peer, site, records, to=MS4, **flags):
        """Sends a Map-Register; returns its Map-Notify, checked, or None."""
        nonce = self.next_nonce()
        peer.send(map_register(nonce, self.keys[site], records, xtr_id=self.xtr_id(site),
                               **flags), to)
        m = peer.receive()
        if m:
            assert (m.type, m.nonce) == (4, nonce)
            assert m.source == (to, 4342)
            assert m.verifies(self.keys[site])
        return m

    def ask(self, itr, eid, itr_rlocs=None, to=MS4, inner_source=None, **flags):
        """Sends a Map-Request in an ECM; returns its nonce and octets."""
        nonce = self.next_nonce()
        request = map_request(nonce, eid, itr_rlocs or [itr.local], **flags)
        destination = eid.split("/")[0]
        source = inner_source or ("fd01:3::9" if ":" in destination else "10.3.0.9")
        itr.send(ecm(request, source, destination, ITR_PORT), to)
        return nonce, request

    def resolve(self, node, local, eid, **options):
        """Asks from a node, whose ITR hears on ITR_PORT; the one record."""
        with Peer(self.nodes[node], local, ITR_PORT) as itr:
            nonce, _ = self.ask(itr, eid, **options)
            m = itr.receive()
        assert m, f"no Map-Reply for {eid}"
        assert (m.type, m.nonce) == (2, nonce)
        assert len(m.records) == 1
        return m.records[0]

    def rows(self, eid):
        return self.ms.show("registrations", eid=eid)


@pytest.fixture(scope="module")
def w():
    with net.Lab() as lab:
        topology.build(lab, hypervisors=False)
        keys = daemons.Keys(lab)
        conf = daemons.map_server_conf(keys)
        conf["map-server"] = {"sites": [
            {**s, "key-id": 1, "key-file": keys(s["name"])} for s in SITES]}
        ms = daemons.Xtr(lab.nodes["ms"], conf)
        capture, path = lab.nodes["ms"].capture("uplink0")
        ms.start()
        w = World(lab, ms, keys)
        # Times out while the other tests run; the last test looks.
        with Peer(lab.nodes["xtr-a"], A4) as a:
            w.short_lived = time.monotonic()
            assert w.register(a, "dc1", [record("10.1.99.0/24", [A4], ttl=1)], use_ttl=True)
        yield w
        capture.stop()
        # Of what the Map-Server sent tshark finds nothing malformed.
        ours = f"(ip.src == {MS4} || ipv6.src == {MS6})"
        out = net.run(["tshark", "-r", path, "-Y", f"lisp && {ours} && _ws.malformed"]).stdout
        assert out == ""


def test_register_and_notify(w):
    with Peer(w.nodes["xtr-a"], A4) as a:
        m = w.register(a, "dc1", [record("10.1.1.0/24", [A4, A6]),
                                  record("10.1.2.0/24", [A4])])
    assert [r.prefix for r in m.records] == ["10.1.1.0/24", "10.1.2.0/24"]
    assert m.records[0].rlocs == [A4, A6]
    row, = w.rows("10.1.1.0/24")
    assert daemons.usable(row["locators"]) == sorted([A4, A6])


def test_register_over_ipv6(w):
    with Peer(w.nodes["xtr-a"], A6) as a:
        m = w.register(a, "dc1", [record("fd01:0:1::/64", [A6])], to=MS6)
    assert m.records[0].prefix == "fd01:0:1::/64"


def test_answer_goes_to_the_port_it_came_from(w):
    with Peer(w.nodes["xtr-a"], A4, 40001) as a:
        assert w.register(a, "dc1", [record("10.1.3.0/24", [A4])])


def test_forged_registrations_change_nothing(w):
    good = [record("10.1.50.0/24", [A4])]
    with Peer(w.nodes["xtr-a"], A4) as a, Peer(w.nodes["xtr-c"], C4) as c:
        a.send(map_register(w.next_nonce(), b"wrong", good), MS4)
        a.send(map_register(w.next_nonce(), w.keys["dc1"], good, key_id=9), MS4)
        c.send(map_register(w.next_nonce(), w.keys["dc1"], good), MS4)  # not its source
        damaged = bytearray(map_register(w.next_nonce(), w.keys["dc1"], good))
        damaged[-1] ^= 1
        a.send(bytes(damaged), MS4)
        whole = map_register(w.next_nonce(), w.keys["dc1"], good)
        for n in range(len(whole)):
            a.send(whole[:n], MS4)
        assert a.receive(1) is None and c.receive(0.1) is None
    assert not w.rows("10.1.50.0/24")
    counters = {r["name"]: r["value"] for r in w.ms.show("counters")}
    for reason in ("auth", "key-unknown", "source"):
        assert counters.get(f"rx.Map-Register.{reason}", 0) >= 1, reason


def test_foreign_prefixes_are_refused_one_by_one(w):
    with Peer(w.nodes["xtr-a"], A4) as a:
        m = w.register(a, "dc1", [record("10.9.0.0/24", [A4]), record("10.1.51.0/24", [A4])])
    assert [r.prefix for r in m.records] == ["10.1.51.0/24"]
    assert not w.rows("10.9.0.0/24")


def test_replay_is_refused_and_a_copy_answered(w):
    with Peer(w.nodes["xtr-a"], A4) as a:
        first = map_register(w.next_nonce(), w.keys["dc1"], [record("10.1.4.0/24", [A4])])
        second = map_register(w.next_nonce(), w.keys["dc1"], [record("10.1.4.0/24", [A6])])
        a.send(first, MS4)
        assert a.receive()
        a.send(second, MS4)
        answer = a.receive()
        a.send(first, MS4)                      # thrown back later
        assert a.receive(0.5) is None
        a.send(second, MS4)                     # its Map-Notify was lost
        assert a.receive().octets == answer.octets
    assert daemons.usable(w.rows("10.1.4.0/24")[0]["locators"]) == [A6]


@pytest.mark.parametrize("node, itr, to", [("xtr-c", C4, MS4), ("xtr-d", D6, MS6)])
def test_proxy_reply(w, node, itr, to):
    with Peer(w.nodes["xtr-a"], A4) as a:
        assert w.register(a, "dc1", [record("10.1.5.0/24", [A4, (A6, 2, 50)], ttl=33)],
                          proxy=True)
    r = w.resolve(node, itr, "10.1.5.7/32", to=to)
    assert (r.prefix, r.ttl, r.authoritative) == ("10.1.5.0/24", 33, False)
    assert r.locators == [(A4, 1, 100, False, True), (A6, 2, 50, False, True)]


@pytest.mark.parametrize("eid", ["10.1.6.7/32", "fd01:0:6::7/128"])
@pytest.mark.parametrize("node, itr, to", [("xtr-c", C4, MS4), ("xtr-d", D6, MS6)])
@pytest.mark.parametrize("etr", [A4, A6])
def test_forward_in_every_mix_of_families(w, eid, node, itr, to, etr):
    """Inner header of the EID's family, outer ones as the RLOCs are."""
    prefix = str(ipaddress.ip_network(eid).supernet(new_prefix=64 if ":" in eid else 24))
    with Peer(w.nodes["xtr-a"], etr) as a:
        assert w.register(a, "dc1", [record(prefix, [etr])], to=MS6 if ":" in etr else MS4)
        with Peer(w.nodes[node], itr, ITR_PORT) as c:
            _, request = w.ask(c, eid, to=to)
            m = a.receive()
    assert m.type == 8
    assert m.source[1] == 4342
    assert m.inner == request                   # unchanged
    assert m.inner_source_port == ITR_PORT      # where the Map-Reply will go
    assert m.inner_destination == eid.split("/")[0]


def test_authoritative_question_goes_to_the_etr(w):
    with Peer(w.nodes["xtr-a"], A4) as a, Peer(w.nodes["xtr-c"], C4, ITR_PORT) as c:
        assert w.register(a, "dc1", [record("10.1.7.0/24", [A4])], proxy=True)
        w.ask(c, "10.1.7.1/32", authoritative=True)
        assert a.receive().type == 8


def hole(known, eid):
    """The shortest prefix around 'eid' that overlaps none of 'known'."""
    known = [ipaddress.ip_network(k) for k in known]
    for bits in range(33):
        p = ipaddress.ip_network(f"{eid}/{bits}", strict=False)
        if not any(p.overlaps(k) for k in known if k.version == p.version):
            return str(p)
    return None


@pytest.mark.parametrize("eid", ["8.8.8.8", "10.2.0.1", "10.7.2.1", "10.10.0.1", "192.0.2.9"])
def test_negative_of_an_unknown_eid(w, eid):
    configured = [p["prefix"] for s in SITES for p in s["prefixes"]]
    r = w.resolve("xtr-c", C4, f"{eid}/32")
    assert (r.prefix, r.ttl, r.action, r.locators) == \
        (hole(configured, eid), NEGATIVE_HOLE, NATIVELY_FORWARD, [])
    assert not r.authoritative


def test_negative_of_an_unregistered_eid(w):
    r = w.resolve("xtr-c", C4, "10.9.0.77/32")
    assert (r.prefix, r.ttl, r.action) == \
        ("10.9.0.0/24", NEGATIVE_UNREGISTERED, NATIVELY_FORWARD)
    # Of 10.1/16 parts are registered: the rest without them.
    r = w.resolve("xtr-c", C4, "10.1.200.1/32")
    registered = [x["eid"] for x in w.ms.show("registrations") if x["eid"].startswith("10.1.")]
    assert (r.prefix, r.action) == (hole(registered, "10.1.200.1"), NATIVELY_FORWARD)


def test_negative_of_a_mobile_eid(w):
    r = w.resolve("xtr-c", C4, "10.7.1.200/32")
    assert (r.prefix, r.ttl, r.action) == \
        ("10.7.1.200/32", NEGATIVE_UNREGISTERED, SEND_MAP_REQUEST)


def test_moved_eid_is_told_to_the_old_site(w):
    eid = "10.7.1.10/32"
    with Peer(w.nodes["xtr-a"], A4) as a, Peer(w.nodes["xtr-b"], B4) as b:
        assert w.register(a, "dc1", [record(eid, [A4, (B4, 255, 0)])])
        # Only priorities change.
        assert w.register(b, "dc2", [record(eid, [(A4, 255, 0), B4])])
        m = a.receive()
        assert m.type == 4 and m.source == (MS4, 4342)
        assert m.verifies(w.keys["dc1"])
        assert [x[:2] for x in m.records[0].locators] == [(A4, 255), (B4, 1)]
        # Again after 3 s, until acknowledged.
        again = a.receive(4)
        assert again.octets == m.octets
        a.send(map_notify_ack(m, w.keys["dc1"]), MS4)
        assert a.receive(4) is None
        # The late withdrawal of the old site changes nothing, and says what is.
        late = w.register(a, "dc1", [record(eid, [A4], ttl=0)])
        assert late.records[0].ttl == 1440
        assert [x[:2] for x in late.records[0].locators] == [(A4, 255), (B4, 1)]
        assert w.rows(eid)[0]["site"] == "dc2"
        # Of the new one it does.
        assert w.register(b, "dc2", [record(eid, [B4], ttl=0)]).records[0].ttl == 0
    assert not w.rows(eid)


def test_kill_and_restart(w):
    eid = "10.1.8.0/24"
    with Peer(w.nodes["xtr-a"], A4) as a:
        old = map_register(w.next_nonce(), w.keys["dc1"], [record(eid, [A6])],
                           xtr_id=w.xtr_id("dc1"))
        assert w.register(a, "dc1", [record(eid, [A4])], proxy=True)
        before = {r["eid"] for r in w.ms.show("registrations")}
        w.ms.kill()
        w.ms.start()
        assert {r["eid"] for r in w.ms.show("registrations")} >= before - {"10.1.99.0/24"}
        # Answered at once; what was old is old.
        assert w.resolve("xtr-c", C4, "10.1.8.9/32").rlocs == [A4]
        a.send(old, MS4)
        assert a.receive(0.5) is None
    assert w.resolve("xtr-c", C4, "10.1.8.10/32").rlocs == [A4]


def test_short_lived_registration_expires(w):
    """T bit, Record TTL of a minute: registered by the fixture."""
    left = w.short_lived + 58 - time.monotonic()
    if left > 0:
        assert w.rows("10.1.99.0/24")
        time.sleep(left)
    net.wait_for(lambda: not w.rows("10.1.99.0/24"), 6, "it expires", lab=w.lab)


@pytest.fixture(scope="module")
def real():
    """Three xTRs and the Map-Server, all of them xtrd.

    xtr-a answers itself; of the client sites, which have no family in common,
    only the Map-Server can answer the other one.
    """
    with net.Lab() as lab:
        topology.build(lab, hypervisors=False)
        site = daemons.Site(lab)
        for name in ("xtr-c", "xtr-d"):
            site[name].conf["mapping-systems"][0]["map-servers"][0]["proxy-reply"] = True
        site["xtr-a"].conf["eids"] = [{"prefix": "10.5.0.0/24", "mapping-system": "corp"}]
        for s in site["ms"].conf["map-server"]["sites"]:
            if s["name"] == "dc1":
                s["prefixes"].append({"prefix": "10.5.0.0/24"})
        site.start("ms", "xtr-a", "xtr-c", "xtr-d")
        site.wait_registered("10.3.0.0/24", [C4])
        site.wait_registered("10.4.0.0/24", [D6])
        site.wait_registered("10.5.0.0/24", [A4, A6])
        yield site


def lig(xtr, eid):
    """The one row that xtrctl prints; it asks from a socket of its own."""
    out = xtr.node.out([probes.program("xtrctl"), "-s", xtr.socket, "--json", "lig", eid])
    row, = json.loads(out)["rows"]
    return row["eid"], sorted(x["rloc"] for x in row["locators"]), row


@pytest.mark.parametrize("xtr", ["xtr-c", "xtr-d"])
@pytest.mark.parametrize("eid, prefix, rlocs", [
    ("10.5.0.1", "10.5.0.0/24", [A4, A6]),
    ("10.3.0.10", "10.3.0.0/24", [C4]),
    ("10.4.0.10", "10.4.0.0/24", [D6]),
])
def test_lig_in_every_family(real, xtr, eid, prefix, rlocs):
    assert lig(real[xtr], eid)[:2] == (prefix, sorted(rlocs))


def test_lig_of_what_is_nowhere(real):
    eid, rlocs, row = lig(real["xtr-c"], "10.1.1.77")
    assert (eid, rlocs, row["action"]) == ("10.1.1.77/32", [], "send-map-request")


def test_killed_xtr_registers_again(real):
    """Its registration stays; restarted, it goes on above its last nonce."""
    real["xtr-c"].kill()
    before = real["ms"].registration("10.3.0.0/24")["refreshed_ms"]
    real["xtr-c"].start()
    net.wait_for(lambda: real["ms"].registration("10.3.0.0/24")["refreshed_ms"] > before + 50,
                 10, "the restarted xTR registers", lab=real.lab)
