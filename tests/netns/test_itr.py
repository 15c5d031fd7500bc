# SPDX-License-Identifier: Apache-2.0
"""xtrd as ITR; Map-Resolvers and ETRs are scripted, its hosts are real.

    peer-c -- xtr-c: xtrd (IPv4 only) -- core -- ms      first Map-Resolver
    peer-d -- xtr-d: xtrd (IPv6 only) --  |  --  xtr-a   second Map-Resolver
                                          |  --  xtr-b   ETR of 10.7.0.0/16, fd07::/16

control.py knows RFC 9301 and not our code.
"""

import contextlib
import ipaddress
import select
import socket
import struct
import time

import pytest
from control import CONTROL_PORT, Peer, address, read_address, record, socket_in

from tests.lab import daemons, net, topology

FIRST, FIRST6, SECOND = "192.0.2.129", "2001:db8:ff::1", "192.0.2.1"
C4, D6, B4, B6 = "203.0.113.1", "2001:db8:d::1", "198.51.100.1", "2001:db8:b::1"
DATA_PORT, HEADER = 4341, 8
UDP_NO_CHECK6_RX = 102
SEND_MAP_REQUEST, DROP = 2, 3
APART_S = 0.8       # of a second: a busy machine lets us read the first one late


# --- what control.py does not need ------------------------------------------

class Request:
    """A Map-Request that came in an ECM (RFC 9301 5.2)."""

    def __init__(self, message):
        octets = message.inner
        assert message.type == 8 and octets[0] >> 4 == 1
        word = struct.unpack_from("!I", octets)[0]
        self.message = message
        self.nonce = struct.unpack_from("!Q", octets, 4)[0]
        self.smr_invoked = bool(word & 1 << 22)
        self.source_eid = None
        at = 14
        if octets[12:14] != bytes(2):
            self.source_eid, at = read_address(octets, 12)
        self.itr_rlocs = []
        for _ in range((word >> 8 & 31) + 1):
            rloc, at = read_address(octets, at)
            self.itr_rlocs.append(rloc)
        eid, _ = read_address(octets, at + 2)
        self.eid = f"{eid}/{octets[at + 1]}"
        self.at = time.monotonic()


def map_reply(nonce, *records):
    return struct.pack("!IQ", 2 << 28 | len(records), nonce) + b"".join(records)


def negative(eid, action, ttl=1):
    n = ipaddress.ip_network(eid)
    return struct.pack("!IBBHH", ttl, 0, n.prefixlen, action << 13, 0) + address(n.network_address)


def smr(changed, receiver_eid, rloc, nonce=1):
    """S and D; the changed EID is the source, as OOR and others send it."""
    word = 1 << 28 | 1 << 24 | 1 << 13 | 1
    n = ipaddress.ip_network(receiver_eid)
    return (struct.pack("!IQ", word, nonce) + address(changed) + address(rloc) +
            struct.pack("!BB", 0, n.prefixlen) + address(n.network_address))


class Resolver(Peer):
    def request(self, timeout=3):
        """The next Map-Request, or None; Map-Registers are passed over."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            m = self.receive(left)
            if m and m.type == 8:
                return Request(m)
        return None

    def answer(self, request, *records):
        self.send(map_reply(request.nonce, *records), request.itr_rlocs[0])


class Etr:
    """UDP 4341 of a node: the inner packets that arrive encapsulated."""

    def __init__(self, node, *locals_):
        self.peers = [Peer(node, a, DATA_PORT) for a in locals_]
        for p in self.peers:
            if ":" in p.local:      # RFC 6936: the outer checksum is zero
                p.socket.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)

    def close(self):
        for p in self.peers:
            p.socket.close()

    def packets(self, n, timeout=2):
        """The payloads of the next 'n' UDP packets, in order of arrival."""
        out, end = [], time.monotonic() + timeout
        while len(out) < n and (left := end - time.monotonic()) > 0:
            for s in select.select([p.socket for p in self.peers], [], [], left)[0]:
                octets = s.recv(65536)[HEADER:]
                out.append(octets[28 if octets[0] >> 4 == 4 else 48:])
        return out


class World:
    def __init__(self, lab, keys):
        self.lab, self.nodes = lab, lab.nodes
        self.xtrs = {}
        for name, resolvers in (("xtr-c", [FIRST, SECOND]), ("xtr-d", [FIRST6])):
            conf = daemons.client_conf(name, keys)
            conf["mapping-systems"][0]["map-resolvers"] = resolvers
            conf["eids"].append({"prefix": topology.PREFIXES[name][1],
                                 "mapping-system": daemons.SYSTEM})
            self.xtrs[name] = daemons.Xtr(self.nodes[name], conf)
        self.first = Resolver(self.nodes["ms"], FIRST)
        self.first6 = Resolver(self.nodes["ms"], FIRST6)
        self.second = Resolver(self.nodes["xtr-a"], SECOND)
        self.etr = Etr(self.nodes["xtr-b"], B4, B6)

    def close(self):
        for s in (self.first, self.first6, self.second):
            s.socket.close()
        self.etr.close()

    def send(self, peer, to, *payloads):
        """UDP packets of a host, in order."""
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        s = socket_in(self.nodes[peer], lambda: socket.socket(family, socket.SOCK_DGRAM))
        with s:
            for p in payloads:
                s.sendto(p, (to, 9999))

    def drain(self):
        """Forgets what was sent and not looked at."""
        for s in (self.first, self.first6, self.second):
            while s.receive(0.01):
                pass
        self.etr.packets(100, 0.15)

    def resolved(self, eid, *records):
        """xtr-c has a mapping for it, because peer-c sent something there."""
        self.send("peer-c", eid.split("/")[0], b"x")
        request = self.first.request()
        self.first.answer(request, *(records or [record(eid, [B4], ttl=10)]))
        net.wait_for(lambda: self.cache(eid), 2, f"{eid} is cached")
        self.etr.packets(1)
        return request

    def cache(self, eid, xtr="xtr-c"):
        rows = self.xtrs[xtr].show("map-cache", eid=eid)
        return rows[0] if rows else None

    def counter(self, name, xtr="xtr-c"):
        rows = self.xtrs[xtr].show("counters", name=name)
        return rows[0]["value"] if rows else 0


@pytest.fixture(scope="module")
def world():
    with net.Lab() as lab:
        topology.build(lab, hypervisors=False)
        w = World(lab, daemons.Keys(lab))
        capture, path = lab.nodes["core"].capture("xtr-c", "control", "udp port 4342")
        for x in w.xtrs.values():
            x.start()
        # Times out while the other tests run; the last test looks.
        w.resolved("10.6.99.0/24", record("10.6.99.0/24", [B4], ttl=1))
        w.short_lived = time.monotonic()
        yield w
        w.close()
        capture.stop()
        out = net.run(["tshark", "-r", path, "-Y",
                       f"lisp && ip.src == {C4} && _ws.malformed"]).stdout
        assert out == ""


@pytest.fixture
def w(world):
    world.drain()
    return world


# --- tests ------------------------------------------------------------------

def test_first_packets_wait_and_keep_their_order(w):
    w.send("peer-c", "10.7.1.5", b"1", b"2", b"3")
    request = w.first.request()
    assert request.eid == "10.7.1.5/32"
    assert request.source_eid == "10.3.0.10"
    assert request.itr_rlocs == [C4]
    assert request.message.source == (C4, CONTROL_PORT)
    assert request.message.inner_destination == "10.7.1.5"
    assert request.message.inner_source == C4
    w.send("peer-c", "10.7.1.5", b"4")
    assert w.etr.packets(1, 0.2) == []
    w.first.answer(request, record("10.7.1.0/24", [B4], ttl=10))
    assert w.etr.packets(4) == [b"1", b"2", b"3", b"4"]
    # One question for all of that, and none for the next packet.
    w.send("peer-c", "10.7.1.6", b"5")
    assert w.etr.packets(1) == [b"5"]
    assert w.first.request(0.3) is None


def test_unanswered_packets_do_not_wait_for_ever(w):
    w.send("peer-c", "10.7.2.5", b"1")
    first = w.first.request()
    second = w.second.request()
    time.sleep(0.2)
    w.second.answer(second, record("10.7.2.0/24", [B4], ttl=10))
    assert w.etr.packets(1, 0.4) == []
    assert first.nonce != second.nonce
    # The answer came all the same.
    assert w.cache("10.7.2.0/24")
    w.send("peer-c", "10.7.2.5", b"2")
    assert w.etr.packets(1) == [b"2"]


def test_fail_over_between_resolvers(w):
    # Whoever answered last is asked first: make that ms.
    w.send("peer-c", "10.7.3.1", b"x")
    w.first.answer(w.first.request(), record("10.7.3.1/32", [B4], ttl=10))
    net.wait_for(lambda: w.cache("10.7.3.1/32"), 2, "cached")
    w.drain()
    w.send("peer-c", "10.7.3.5", b"x")
    one = w.first.request(0.5)
    two = w.second.request()
    three = w.first.request()
    assert one and two and three
    assert APART_S < two.at - one.at < 3, "once a second and no more"
    assert APART_S < three.at - two.at < 3
    assert len({one.nonce, two.nonce, three.nonce}) == 3
    # An answer to an earlier sending counts; and ms is first again, as it said it.
    w.first.answer(one, record("10.7.3.5/32", [B4], ttl=10))
    net.wait_for(lambda: w.cache("10.7.3.5/32"), 2, "cached")
    w.drain()
    w.send("peer-c", "10.7.3.6", b"x")
    assert w.first.request(0.5)
    # The other one answers: it is asked first from now on.
    w.second.answer(w.second.request(), record("10.7.3.6/32", [B4], ttl=10))
    net.wait_for(lambda: w.cache("10.7.3.6/32"), 2, "cached")
    w.drain()
    w.send("peer-c", "10.7.3.7", b"x")
    again = w.second.request(0.5)
    assert again
    assert w.first.request(), "the dead one does not stay first"
    w.first.answer(again, record("10.7.3.7/32", [B4], ttl=10))
    # Back to ms for the tests that follow.
    w.drain()
    w.send("peer-c", "10.7.3.8", b"x")
    w.first.answer(w.first.request(), record("10.7.3.8/32", [B4], ttl=10))
    net.wait_for(lambda: w.cache("10.7.3.8/32"), 2, "cached")


def test_forged_answers_are_refused(w):
    w.send("peer-c", "10.7.4.5", b"1")
    request = w.first.request()
    # Nobody asked; not what was asked; nothing in it.
    w.second.send(map_reply(request.nonce ^ 1, record("10.7.4.0/24", ["192.0.2.66"])), C4)
    w.second.send(map_reply(request.nonce, record("10.8.0.0/16", ["192.0.2.66"])), C4)
    w.second.send(map_reply(request.nonce), C4)
    whole = map_reply(request.nonce, record("10.7.4.0/24", ["192.0.2.66"]))
    for n in range(len(whole)):
        w.second.send(whole[:n], C4)
    time.sleep(0.2)
    assert not w.cache("10.7.4.0/24") and not w.cache("10.8.0.0/16")
    w.first.answer(request, record("10.7.4.0/24", [B4], ttl=10),
                   record("10.3.0.0/24", ["192.0.2.66"]))      # our own EIDs
    # The first packet waits for a second at most, the second one not at all.
    net.wait_for(lambda: w.cache("10.7.4.0/24"), 2, "cached")
    w.send("peer-c", "10.7.4.5", b"2")
    assert w.etr.packets(2)[-1:] == [b"2"]
    assert not w.cache("10.3.0.0/24")
    # A copy of an answer is an answer to nothing.
    w.second.send(map_reply(request.nonce, record("10.7.4.0/24", ["192.0.2.66"])), C4)
    time.sleep(0.2)
    assert daemons.usable(w.cache("10.7.4.0/24")["locators"]) == [B4]
    for reason in ("nonce", "policy", "truncated"):
        assert w.counter(f"rx.Map-Reply.{reason}") >= 1, reason


def test_smr_is_obeyed(w):
    w.resolved("10.7.5.0/24")
    with Peer(w.nodes["xtr-b"], B4) as etr:
        etr.send(smr("10.7.5.5", "10.3.0.10/32", B4), C4)
        request = w.first.request()
        # By way of the mapping system, for the host.
        assert request.smr_invoked and request.eid == "10.7.5.5/32"
        w.send("peer-c", "10.7.5.5", b"old")
        assert w.etr.packets(1) == [b"old"], "the old mapping serves until the answer"
        w.first.answer(request, record("10.7.5.5/32", [B6, "198.51.100.1"], ttl=10))
        net.wait_for(lambda: w.cache("10.7.5.5/32"), 2, "the host is cached")
        assert w.cache("10.7.5.0/24")

        # Another one inside the second is served when it is over ...
        etr.send(smr("10.7.5.5", "10.3.0.10/32", B4), C4)
        again = w.first.request()
        assert again.smr_invoked
        assert APART_S < again.at - request.at < 3
        # ... and one while that question is open, after its answer.
        etr.send(smr("10.7.5.5", "10.3.0.10/32", B4), C4)
        assert w.first.request(0.3) is None
        w.first.answer(again, record("10.7.5.5/32", [B4], ttl=10))
        once_more = w.first.request()
        assert once_more.smr_invoked
        assert APART_S < once_more.at - again.at < 3
        w.first.answer(once_more, record("10.7.5.5/32", [B4], ttl=10))
        assert w.first.request(1.5) is None


def test_smr_that_does_not_concern_us(w):
    ignored = w.counter("smr.ignored")
    with Peer(w.nodes["xtr-b"], B4) as etr:
        etr.send(smr("10.99.0.1", "10.3.0.10/32", B4), C4)
        etr.send(smr("10.3.0.10", "10.3.0.10/32", B4), C4)
    assert w.first.request(1) is None
    assert w.counter("smr.ignored") == ignored + 2


def test_stranger_cannot_make_us_ask_at_will(w):
    """One in 3 s per RLOC that no mapping names; none is forgotten."""
    w.resolved("10.7.6.0/24")
    with Peer(w.nodes["xtr-a"], SECOND, 40000) as stranger:
        for i in range(3):
            stranger.send(smr(f"10.7.6.{i}", "10.3.0.10/32", SECOND), C4)
        times = []
        for _ in range(3):
            request = w.first.request(5)
            assert request and request.smr_invoked
            times.append(request.at)
            w.first.answer(request, record(request.eid, [B4], ttl=10))
    assert all(2.9 < b - a < 6 for a, b in zip(times, times[1:])), times


def test_negative_answers(w):
    w.resolved("10.7.7.0/24", negative("10.7.7.0/24", DROP))
    dropped = w.counter("data.drop.negative")
    w.send("peer-c", "10.7.7.7", b"1")
    assert w.first.request(1.2) is None
    assert w.etr.packets(1, 0.1) == []
    assert w.counter("data.drop.negative") > dropped


def test_send_map_request(w):
    w.send("peer-c", "10.7.8.8", b"1")
    one = w.first.request()
    w.first.answer(one, negative("10.7.8.8/32", SEND_MAP_REQUEST))
    net.wait_for(lambda: w.cache("10.7.8.8/32"), 2, "cached")
    # The EID appears a moment later: the next packet finds it.
    w.send("peer-c", "10.7.8.8", b"2")
    two = w.first.request()
    assert APART_S < two.at - one.at < 3
    w.first.answer(two, record("10.7.8.8/32", [B4], ttl=10))
    assert w.etr.packets(1) == [b"2"]


@pytest.mark.parametrize("to", ["10.7.9.9", "fd07::9"])
@pytest.mark.parametrize("peer, itr, etr", [("peer-c", C4, B4), ("peer-d", D6, B6)])
def test_every_mix_of_families(w, peer, itr, etr, to):
    """EID and RLOC families are independent; the inner header is the EID's."""
    resolver = w.first if itr == C4 else w.first6
    w.send(peer, to, b"hello")
    request = resolver.request()
    v6 = ":" in to
    assert request.eid == f"{to}/{128 if v6 else 32}"
    assert request.itr_rlocs == [itr]
    assert request.message.inner_destination == to
    # An RLOC of the EID's family, else the source EID.
    facts = topology.PEERS[peer]
    own = itr if v6 == (":" in itr) else facts[3 if v6 else 1]
    assert request.message.inner_source == own
    resolver.answer(request, record(request.eid, [etr], ttl=10))
    assert w.etr.packets(1) == [b"hello"]


def test_locator_of_a_family_we_lack(w):
    w.send("peer-c", "10.7.10.1", b"1")
    w.first.answer(w.first.request(), record("10.7.10.0/24", [(B6, 1, 100), (B4, 9, 100)],
                                             ttl=10))
    assert w.etr.packets(1) == [b"1"]


def test_weights(w):
    """Two locators, 3:1; each flow keeps its own."""
    w.resolved("10.7.11.0/24", record("10.7.11.0/24", [(B4, 1, 75), (SECOND, 1, 25)], ttl=10))
    with contextlib.closing(Etr(w.nodes["xtr-a"], SECOND)) as other:
        for i in range(120):
            w.send("peer-c", f"10.7.11.{i + 1}", bytes([i]))
        there = {p[0] for p in other.packets(120, 1.5)}
        here = {p[0] for p in w.etr.packets(120, 1.5)}
        assert here | there == set(range(120)) and not here & there
        assert 10 <= len(there) <= 55


def test_cache_survives_kill(w):
    w.resolved("10.7.12.0/24")
    xtr = w.xtrs["xtr-c"]
    xtr.kill()
    xtr.start()
    assert daemons.usable(w.cache("10.7.12.0/24")["locators"]) == [B4]
    w.drain()
    w.send("peer-c", "10.7.12.1", b"1")
    assert w.etr.packets(1) == [b"1"]
    # What it slept through is found out: it asks again, soon.
    request = w.first.request(6)
    assert request.eid == "10.7.12.0/24"
    assert not request.smr_invoked
    w.first.answer(request, record("10.7.0.0/16", [B4], ttl=10))
    net.wait_for(lambda: w.cache("10.7.0.0/16"), 2, "the shorter prefix is cached")
    # RFC 9301 5.5: it replaces what it covers.
    assert not w.cache("10.7.12.0/24")


def test_ttl_expires(w):
    # One minute, and it was not used in the last of it: no refresh.
    time.sleep(max(0, 61 - (time.monotonic() - w.short_lived)))
    assert not w.cache("10.6.99.0/24")
