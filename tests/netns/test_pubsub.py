# SPDX-License-Identifier: Apache-2.0
"""PubSub (RFC 9437): two xtrd with each other, and each with a scripted peer.

    peer-c -- xtr-c: xtrd (IPv4 only), subscribes -- core -- ms: xtrd, publishes
    peer-d -- xtr-d: xtrd (IPv6 only), subscribes --  |  --  xtr-a, xtr-b: scripted

control.py knows RFC 9301 and not our code; what is of RFC 9437 is here.
"""

import collections
import struct
import time

import pytest
from control import (Peer, map_notify_ack, map_register, read_address, record, signed)

from tests.lab import daemons, net, topology

MS4 = "192.0.2.129"
A4, B4, B6, C4, D6 = ("192.0.2.1", "198.51.100.1", "2001:db8:b::1", "203.0.113.1",
                      "2001:db8:d::1")
VM, KEY_ID = "10.1.1.10", 31
VM_EID = f"{VM}/32"
I_BIT, N_BIT = 1 << 20, 0x80
XTR_ID_D = bytes.fromhex("0123456789abcdef0123456789abcdef")


class Request:
    """A Map-Request out of an ECM, RFC 9437 4."""

    def __init__(self, message):
        octets = message.inner
        assert message.type == 8 and octets[0] >> 4 == 1
        word, self.nonce = struct.unpack_from("!IQ", octets)
        at = 14 if octets[12:14] == bytes(2) else read_address(octets, 12)[1]
        self.itr_rlocs = []
        for _ in range((word >> 8 & 31) + 1):
            if octets[at:at + 2] == bytes(2):
                at += 2
                continue
            rloc, at = read_address(octets, at)
            self.itr_rlocs.append(rloc)
        self.notify = bool(octets[at] & N_BIT)
        eid, end = read_address(octets, at + 2)
        self.eid = f"{eid}/{octets[at + 1]}"
        self.has_id = bool(word & I_BIT)
        self.xtr_id, self.site_id = octets[end:end + 16], octets[end + 16:]


class MapServer(Peer):
    """A scripted one."""

    def request(self, timeout=4):
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            m = self.receive(left)
            if m and m.type == 8:
                return Request(m)
        return None

    def reply(self, request, *records):
        self.send(struct.pack("!IQ", 2 << 28 | len(records), request.nonce) +
                  b"".join(records), request.itr_rlocs[0])

    def notify(self, to, nonce, key, *records):
        """Sends a Map-Notify; the Map-Notify-Ack, or None."""
        self.send(signed(4 << 28 | len(records), nonce, key, KEY_ID, b"".join(records)), to)
        while (m := self.receive(0.7)):
            if m.type == 8:
                continue        # it asks again
            assert (m.type, m.nonce) == (5, nonce)
            assert m.verifies(key)
            return m
        return None


class World:
    def __init__(self, lab):
        self.lab, self.nodes = lab, lab.nodes
        self.site = daemons.Site(lab)
        keys = self.site.keys
        self.ms, self.c, self.d = (self.site[n] for n in ("ms", "xtr-c", "xtr-d"))
        self.ms.conf["map-server"]["pubsub"] = {"subscribers": [
            {"name": "c", "rlocs": [C4], "sources": [C4], "key-id": KEY_ID,
             "key-file": keys("pubsub-c")}]}
        self.c.conf["mapping-systems"][0]["pubsub"] = {"map-servers": [
            {"address": MS4, "key-id": KEY_ID, "key-file": keys("pubsub-c")}]}
        self.d.conf["site"]["xtr-id"] = XTR_ID_D.hex()
        self.d.conf["mapping-systems"][0].update({
            "map-resolvers": [B6],
            "pubsub": {"map-servers": [{"address": B6, "key-id": KEY_ID,
                                        "key-file": keys("pubsub-d")}]}})
        self.key = {n: open(keys(n), "rb").read().strip() for n in
                    ("pubsub-c", "pubsub-d", *(f"{daemons.SITES[x]}-{daemons.SYSTEM}"
                                               for x in ("xtr-a", "xtr-b")))}
        self.nonce = time.time_ns() >> 10

    def register(self, name, ttl=1440):
        """A scripted xTR has the VM, or with TTL 0 has it no more."""
        local = {"xtr-a": A4, "xtr-b": B4}[name]
        self.nonce += 1
        key = self.key[f"{daemons.SITES[name]}-{daemons.SYSTEM}"]
        with Peer(self.nodes[name], local) as p:
            p.send(map_register(self.nonce, key, [record(VM_EID, [local], ttl)],
                                xtr_id=name.encode().ljust(16, b".")), MS4)
            assert p.receive().nonce == self.nonce
            # Who had it before is told so, again and again.
            while (m := p.receive(0.1)):
                p.send(map_notify_ack(m, key), MS4)

    def packet(self, host, to):
        self.nodes[host].run(["ping", "-n", "-c", "1", "-W", "0.2", to], check=False)

    def subscription(self, daemon, eid):
        rows = [r for r in daemon.show("subscriptions", eid=eid) if r["eid"] == eid]
        return rows[0]["state"] if rows else None


@pytest.fixture(scope="module")
def w():
    with net.Lab() as lab:
        topology.build(lab, hypervisors=False)
        w = World(lab)
        w.site.start("ms", "xtr-c", "xtr-d")
        yield w


def wait(fact, what, lab, timeout=3):
    net.wait_for(fact, timeout, what, lab=lab)


def fields(path, *names, show="lisp"):
    """What tshark reads of every LISP message: lists of these fields' texts."""
    argv = ["tshark", "-r", path, "-Y", show, "-T", "fields"]
    for n in names:
        argv += ["-e", n]
    return [line.split("\t") for line in net.run(argv).stdout.splitlines()]


def test_pushed(w):
    w.register("xtr-a")
    capture, path = w.nodes["ms"].capture("uplink0", "pushed", "udp port 4342")
    w.packet("peer-c", VM)
    wait(lambda: w.c.cached(VM_EID) == [A4], "the mapping", w.lab)
    assert w.subscription(w.c, VM_EID) == "active"
    wait(lambda: w.subscription(w.ms, VM_EID) == "active", "the Ack", w.lab)
    # It moves: no SMR, no Map-Request, a Map-Notify.
    w.register("xtr-b")
    wait(lambda: w.c.cached(VM_EID) == [B4], "the publication", w.lab)
    w.register("xtr-a")
    wait(lambda: w.c.cached(VM_EID) == [A4], "the publication", w.lab)
    # And ends.
    w.register("xtr-a", ttl=0)
    wait(lambda: w.c.cached(VM_EID) == [], "the end", w.lab)
    assert w.subscription(w.c, VM_EID) == "ended"
    wait(lambda: w.subscription(w.ms, VM_EID) == "ended", "the Ack", w.lab)
    time.sleep(0.3)     # dumpcap writes what it has
    capture.stop()

    of_c = f"lisp && ip.addr == {C4}"
    assert fields(path, "frame.number", show=of_c + " && _ws.malformed") == []
    # One Map-Request; confirmation and publications under rising nonces.
    assert len(fields(path, "lisp.nonce", show=of_c + " && lisp.type == 1")) == 1
    types = collections.Counter(
        x for row in fields(path, "lisp.type", show=of_c) for x in row[0].split(","))
    assert types["4"] == 4 and types["5"] == 4
    nonces = [int(r[0], 0) for r in fields(path, "lisp.nonce", show=of_c + " && lisp.type == 4")]
    assert nonces == [(nonces[0] + i) % 2**64 for i in range(4)]
    asked = fields(path, "lisp.nonce", show=of_c + " && lisp.type == 1")[0][0]
    assert int(asked.split(",")[-1], 0) == nonces[0]


def test_restart(w):
    """Pushed to the subscription of its former life."""
    w.register("xtr-a")
    w.packet("peer-c", VM)
    wait(lambda: w.c.cached(VM_EID) == [A4], "the mapping", w.lab)
    assert w.subscription(w.c, VM_EID) == "active"
    w.c.stop()
    w.c.start()
    assert w.subscription(w.c, VM_EID) == "active"
    w.register("xtr-b")
    wait(lambda: w.c.cached(VM_EID) == [B4], "the publication after the restart", w.lab)


def test_map_server_without(w):
    """A Map-Reply only: used as ever, and not asked in vain at each miss."""
    with MapServer(w.nodes["xtr-b"], B6) as ms:
        w.packet("peer-d", "10.7.0.1")
        q = ms.request()
        assert q.eid == "10.7.0.1/32" and q.itr_rlocs == [D6]
        assert q.notify and q.has_id
        assert q.xtr_id == XTR_ID_D and q.site_id == bytes(8)
        ms.reply(q, record("10.7.0.0/24", [B6]))
        wait(lambda: w.d.cached("10.7.0.0/24") == [B6], "the mapping", w.lab)
        assert w.d.show("subscriptions") == []
        w.packet("peer-d", "10.8.0.1")
        q = ms.request()
        assert q.eid == "10.8.0.1/32" and not q.notify and not q.has_id
        ms.reply(q, record("10.8.0.0/24", [B6]))
        wait(lambda: w.d.cached("10.8.0.0/24") == [B6], "the mapping", w.lab)


def test_scripted_publisher(w):
    """Which Map-Notifies of others xtrd believes and acknowledges."""
    key = w.key["pubsub-d"]
    w.d.reload()                # which forgets who had no PubSub
    with MapServer(w.nodes["xtr-b"], B6) as ms:
        w.packet("peer-d", "10.9.0.1")
        q = ms.request()
        assert q.notify
        first = record("10.9.0.0/24", [B6])
        assert ms.notify(D6, q.nonce, b"another key entirely", first) is None
        assert w.d.cached("10.9.0.0/24") == []
        assert ms.notify(D6, q.nonce, key, first)
        assert w.d.cached("10.9.0.0/24") == [B6]
        assert w.subscription(w.d, "10.9.0.0/24") == "active"
        # Published; once more, as our Ack was lost; then an old one.
        nonce = (q.nonce + 1) % 2**64 or 1
        second = record("10.9.0.0/24", ["2001:db8:a::1"])
        assert ms.notify(D6, nonce, key, second)
        assert w.d.cached("10.9.0.0/24") == ["2001:db8:a::1"]
        assert ms.notify(D6, nonce, key, second)
        assert ms.notify(D6, q.nonce, key, first) is None
        assert w.d.cached("10.9.0.0/24") == ["2001:db8:a::1"]
        # Of what it has not subscribed to.
        assert ms.notify(D6, nonce + 5, key, record("10.10.0.0/24", [B6])) is None
        assert w.d.cached("10.10.0.0/24") == []
