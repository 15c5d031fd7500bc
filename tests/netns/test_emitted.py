# SPDX-License-Identifier: Apache-2.0
"""Each message that xtrd emits, as others read it: tshark, and scapy by layers of
our own (lisp_scapy.py).  Both decode to the same values, field by field.

    vm 10.1.1.20, fd01:1::20 -- xtr-a ==core== xtr-c (IPv4 RLOC) -- peer-c
            (it moves to xtr-b) xtr-b ======== xtr-d (IPv6 RLOC) -- peer-d
                                      ms

KINDS names them all.  A kind that was not captured fails the test, and so does a
message that is of none: who teaches xtrd a new one adds it here.
"""

import re
import time
import uuid
from collections import defaultdict
from xml.etree import ElementTree

import lisp_scapy as lisp
import pytest
from plane import mac, ping, plane
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap, wrpcap

from tests.lab import cpm, daemons, net, topology, virt
from tests.lab.topology import PEERS

KINDS = {
    # How a lookup goes: from an xTR to the Map-Resolver, on to the ETR
    "ECM, IPv4 in IPv4", "ECM, IPv6 in IPv4", "ECM, IPv4 in IPv6", "ECM, IPv6 in IPv6",
    "ECM, Map-Server to ETR",
    "Map-Request, for a packet", "Map-Request, for a prefix", "Map-Request, for nobody",
    "Map-Request, SMR-invoked", "Map-Request, SMR",
    "Map-Request, probe", "Map-Request, subscription", "Map-Request, unsubscription",
    "Map-Reply, probed", "Map-Reply, ETR", "Map-Reply, proxy", "Map-Reply, negative",
    "Map-Register", "Map-Register, withdrawal",
    "Map-Notify, confirmation", "Map-Notify, subscribed", "Map-Notify, unsolicited",
    "Map-Notify-Ack, mobility", "Map-Notify-Ack, subscription",
    # Type 15
    "CPM Ack, to a hypervisor", "CPM Ack, to a site",
    "CPM Notify, arriving", "CPM Notify, arrived", "CPM Notify, absent",
    "CPM Requesters, arriving", "CPM Requesters, arrived",
    "data, IPv4 in IPv4", "data, IPv6 in IPv4", "data, IPv4 in IPv6", "data, IPv6 in IPv6",
}
WHERE = {"xtr-a": ("uplink0", "mgmt0"), "xtr-b": ("uplink0", "mgmt0"),
         "xtr-c": ("uplink0",), "xtr-d": ("uplink0",), "ms": ("uplink0",)}
EIDS = ["10.1.1.20", "fd01:1::20"]
KEY_ID = 31                     # of the subscriber xtr-c, RFC 9437
VM_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "vm"))
SHORT = "10.8.0.0/24"           # of xtr-a, with a TTL of a minute: refreshed after 54 s


# --- what scapy says --------------------------------------------------------

class Emitted:
    """A captured message: the node that sent it, its octets, its layers."""

    def __init__(self, node, path, number, frame):
        self.node, self.path, self.number = node, path, number
        self.ip = frame[IPv6] if IPv6 in frame and frame[Ether].type == 0x86dd else frame[IP]
        self.udp = self.ip[UDP]
        self.octets = bytes(self.udp.payload)[:self.udp.len - 8]
        self.data = self.udp.dport == lisp.DATA_PORT
        self.layer = lisp.DataHeader(self.octets) if self.data else lisp.control(self.octets)
        self.inner = lisp.control(self.layer.inner) if isinstance(self.layer, lisp.Ecm) else None

    @property
    def message(self):
        """What it says, out of the ECM."""
        return self.inner or self.layer

    def __str__(self):
        return f"{self.node}, {self.path.name} {self.number}: {self.layer.summary()}"


def nonces_of(messages):
    """Of all Map-Registers, and of all subscriptions."""
    return ({e.message.nonce for e in messages if isinstance(e.message, lisp.MapRegister)},
            {e.message.nonce for e in messages if isinstance(e.message, lisp.MapRequest) and
             e.message.eids[0].N})


def kinds_of(e, registers, subscriptions):
    """The names in KINDS of a message; what is in an ECM counts, too."""
    if e.data:
        return [f"data, IPv{e.layer.payload.version} in IPv{e.ip.version}"]
    out, m = [], e.message
    if e.inner:
        out.append("ECM, Map-Server to ETR" if e.node == "ms" else
                   f"ECM, IPv{e.layer.header.version} in IPv{e.ip.version}")
        if e.node == "ms":
            return out          # the Map-Request of another
    if isinstance(m, lisp.MapRequest):
        out.append("Map-Request, " + (
            "probe" if m.P else "SMR" if m.S else "SMR-invoked" if m.s else
            ("unsubscription" if m.itr_rlocs == [None] else "subscription") if m.eids[0].N else
            "of a proxy" if m.p else
            "for a packet" if m.source_eid else
            "for nobody" if m.eids[0].bits in (32, 128) else "for a prefix"))
    elif isinstance(m, lisp.MapReply):
        out.append("Map-Reply, " + ("probed" if m.P else "negative" if not m.records[0].count
                                    else "ETR" if m.records[0].A else "proxy"))
    elif isinstance(m, lisp.MapRegister):
        out.append("Map-Register, withdrawal" if m.records[0].ttl == 0 else "Map-Register")
    elif isinstance(m, lisp.MapNotifyAck):
        out.append("Map-Notify-Ack, " + ("subscription" if m.key_id == KEY_ID else "mobility"))
    elif isinstance(m, lisp.MapNotify):
        out.append("Map-Notify, " + (
            "confirmation" if m.nonce in registers else
            "subscribed" if m.nonce in subscriptions else "unsolicited"))
    elif isinstance(m, lisp.CpmAck):
        out.append("CPM Ack, to a " + ("hypervisor" if str(e.ip.dst).startswith("10.0.")
                                       else "site"))
    else:
        out.append(f"CPM {lisp.CPM_OPS[m.op]}, {lisp.CPM_REASONS[m.reason]}")
    return out


# --- the same as tshark names it --------------------------------------------

def address_fields(text, afi, v4, v6):
    """The AFI and the address behind it; an instance-ID LCAF is its parts."""
    if text is None:
        return [(afi, 0)]
    if text.startswith("["):
        iid, _, inner = text[1:].partition("]")
        return [(afi, 16387), ("lisp.lcaf.res1", 0), ("lisp.lcaf.flags", 0),
                ("lisp.lcaf.type", 2), ("lisp.lcaf.res2", 0),
                ("lisp.lcaf.length", len(lisp.address_put(text)) - 8), ("lisp.lcaf.iid", int(iid)),
                *address_fields(inner, "lisp.lcaf.iid.afi", "lisp.lcaf.iid.ipv4",
                                "lisp.lcaf.iid.ipv6")]
    return [(afi, lisp.afi_of(text)), (v6 if ":" in text else v4, text)]


def locator_fields(x):
    return [("lisp.loc.priority", x.priority), ("lisp.loc.weight", x.weight),
            ("lisp.loc.multicast_priority", x.mpriority),
            ("lisp.loc.multicast_weight", x.mweight), ("lisp.loc.flags.res", x.unused),
            ("lisp.loc.flags.local", x.L), ("lisp.loc.flags.probe", x.p),
            ("lisp.loc.flags.reach", x.R),
            *address_fields(x.rloc, "lisp.loc.afi", "lisp.loc.locator", "lisp.loc.locator")]


def mapping_fields(r):
    out = [("lisp.mapping.ttl", r.ttl), ("lisp.mapping.loccnt", r.count),
           ("lisp.mapping.eid.masklen", r.bits), ("lisp.mapping.act", r.action),
           ("lisp.mapping.auth", r.A), ("lisp.mapping.res1", r.reserved),
           ("lisp.mapping.res2", r.rsvd), ("lisp.mapping.ver", r.version)]
    out += address_fields(r.eid, "lisp.mapping.eid.afi", "lisp.mapping.eid.ipv4",
                          "lisp.mapping.eid.ipv6")
    return out + [f for x in r.locators for f in locator_fields(x)]


def records_fields(m):
    return [f for r in m.records for f in mapping_fields(r)]


def request_fields(m):
    # What tshark 4.0 calls reserved: the R, I, L and D bits, and N of a record.
    reserved = m.R << 8 | m.I << 7 | m.rsvd << 2 | m.L << 1 | m.D
    out = [("lisp.type", 1), ("lisp.mreq.flags.auth", m.A), ("lisp.mreq.flags.mrp", m.M),
           ("lisp.mreq.flags.probe", m.P), ("lisp.mreq.flags.smr", m.S),
           ("lisp.mreq.flags.pitr", m.p), ("lisp.mreq.flags.smri", m.s),
           ("lisp.mreq.res", reserved), ("lisp.irc", m.irc), ("lisp.records", m.count),
           ("lisp.nonce", m.nonce)]
    out += address_fields(m.source_eid, "lisp.mreq.srceid.afi", "lisp.mreq.srceid.ipv4",
                          "lisp.mreq.srceid_ipv6")
    for r in m.itr_rlocs:
        out += address_fields(r, "lisp.mreq.itr_rloc.afi", "lisp.mreq.itr_rloc_ipv4",
                              "lisp.mreq.itr_rloc_ipv6")
    if m.itr_rlocs == [None]:       # RFC 9437 4; tshark 4.0 reads no further
        return out
    for e in m.eids:
        out += [("lisp.mreq.record.res", e.N << 7 | e.reserved),
                ("lisp.mreq.record.prefix.length", e.bits),
                *address_fields(e.eid, "lisp.mreq.record.prefix.afi",
                                "lisp.mreq.record.prefix.ipv4", "lisp.mreq.record.prefix.ipv6")]
    return out


def reply_fields(m):
    return [("lisp.type", 2), ("lisp.mrep.flags.probe", m.P), ("lisp.mrep.flags.enlr", m.E),
            ("lisp.mrep.flags.sec", m.S), ("lisp.mrep.res", m.reserved),
            ("lisp.records", m.count), ("lisp.nonce", m.nonce), *records_fields(m)]


def authentication_fields(m):
    # tshark 4.0 knows the one Key ID of RFC 6833, 16 bits.
    return [("lisp.records", m.count), ("lisp.nonce", m.nonce),
            ("lisp.keyid", m.key_id << 8 | m.algorithm), ("lisp.authlen", m.auth_len),
            ("lisp.auth", m.auth.hex()), *records_fields(m)]


def ids_fields(m):
    return [("lisp.xtrid", m.xtr_id.hex()), ("lisp.siteid", m.site_id.hex())] if m.I else []


def register_fields(m):
    # E, T, a and R (bits 19 to 22) are reserved for tshark 4.0, bit 7 is its R.
    reserved = (m.reserved & 0x7ff) << 4 | m.E << 3 | m.T << 2 | m.a << 1 | m.R
    return [("lisp.type", 3), ("lisp.mreg.flags.pmr", m.P), ("lisp.mreg.flags.sec", m.S),
            ("lisp.mreg.flags.xtrid", m.I), ("lisp.mreg.flags.rtr", m.reserved >> 11),
            ("lisp.mreg.res", reserved), ("lisp.mreg.flags.wmn", m.M),
            *authentication_fields(m), *ids_fields(m)]


def notify_fields(m):
    return [("lisp.type", m.type), ("lisp.mnot.flags.xtrid", m.I),
            ("lisp.mnot.flags.rtr", m.reserved >> 18),
            ("lisp.mnot.res", m.reserved & 0x3ffff), *authentication_fields(m), *ids_fields(m)]


def ecm_fields(m):
    reserved = m.E << 25 | m.M << 24 | m.unused << 23 | m.R << 22 | m.N << 21 | m.reserved
    return [("lisp.type", 8), ("lisp.ecm.flags.sec", m.S), ("lisp.ecm.flags.ddt", m.D),
            ("lisp.ecm.res", reserved)]


def data_fields(m):
    # Of the two words tshark shows what the flags say that they hold.
    out = [("lisp-data.flags.nonce", m.N), ("lisp-data.flags.lsb", m.L),
           ("lisp-data.flags.enr", m.E), ("lisp-data.flags.mv", m.V),
           ("lisp-data.flags.iid", m.I), ("lisp-data.flags.res", m.R << 2 | m.K)]
    if m.N:
        out.append(("lisp-data.nonce", m.nonce))
    if m.I:
        out.append(("lisp-data.iid", m.iid_lsb >> 8))
    if m.L:
        out.append(("lisp-data.lsb", m.iid_lsb & 0xff if m.I else m.iid_lsb))
    return out


FIELDS = {lisp.MapRequest: request_fields, lisp.MapReply: reply_fields,
          lisp.MapRegister: register_fields, lisp.MapNotify: notify_fields,
          lisp.MapNotifyAck: notify_fields, lisp.Ecm: ecm_fields,
          lisp.DataHeader: data_fields,
          # Type 15 is unknown to tshark: it says so and shows no more.
          lisp.Cpm: lambda m: [("lisp.type", 15)], lisp.CpmAck: lambda m: [("lisp.type", 15)]}


def ip_fields(ip):
    """Addresses and UDP ports of a header, inner or outer."""
    version, udp = ("ipv6" if ip.version == 6 else "ip"), ip.payload
    out = [(f"{version}.src", str(ip.src)), (f"{version}.dst", str(ip.dst))]
    if isinstance(udp, UDP):
        out += [("udp.srcport", udp.sport), ("udp.dstport", udp.dport),
                ("udp.length", udp.len)]
    return out


def expected(e):
    out = ip_fields(e.ip) + FIELDS[type(e.layer)](e.layer)
    if e.inner:
        out += ip_fields(e.layer.header) + FIELDS[type(e.inner)](e.inner)
    elif e.data:
        out += ip_fields(e.layer.payload)[:2]
    return out


# --- what tshark says -------------------------------------------------------

NAMES = re.compile(r"lisp[.-].*|ip\.(src|dst)|ipv6\.(src|dst)|udp\.(srcport|dstport|length)")
# A field that only heads others, or says in other words what they say.
HEADS = {"lisp.mreq.flags", "lisp.mreq.srceid.string", "lisp.loc.flags", "lisp.lcaf.header",
         "lisp-data.flags"}
ADDRESSES = re.compile(r"(ipv?6?\.(src|dst)|.*[._]ipv[46]|lisp\.loc\.locator)$")


def value_of(field):
    show = field.get("show")
    if ADDRESSES.match(field.get("name")):
        return show
    if re.fullmatch(r"([0-9a-f]{2}:)+[0-9a-f]{2}", show):
        return show.replace(":", "")
    try:
        return int(show, 0)
    except ValueError:
        return show


def dissected(path):
    """What tshark makes of each frame: (its fields in order, its complaints)."""
    # RFC 6935: the outer checksum of a tunnel over IPv6 may be zero.
    out = net.run(["tshark", "-n", "-r", path, "-T", "pdml",
                   "-o", "udp.ignore_ipv6_zero_checksum:TRUE"], timeout=120).stdout
    for packet in ElementTree.fromstring(out).iter("packet"):
        fields, complaints, headers = [], [], 0
        for f in packet.iter():
            name = f.get("name", "")
            if name.startswith(("_ws.malformed", "_ws.short")) or ".expert" in name:
                complaints.append(f.get("showname") or name)
            headers += f.tag == "proto" and name in ("ip", "ipv6")
            if f.tag == "field" and NAMES.fullmatch(name) and name not in HEADS and \
                    f.get("show") and f.get("hide") != "yes":
                fields.append((name, value_of(f), headers))
        yield fields, complaints


def as_type_4(frame, e):
    """A Map-Notify-Ack as a Map-Notify: the same by RFC 9301 5.7 but for the type,
    which tshark 4.0 does not know."""
    octets = bytearray(bytes(frame))
    octets[bytes(frame).index(e.octets)] ^= 0x10
    return Ether(bytes(octets))


# --- what happens -----------------------------------------------------------

def configure(site):
    site["xtr-c"].conf["mapping-systems"][0]["map-servers"][0]["proxy-reply"] = True
    pubsub = {"key-id": KEY_ID, "key-file": site.keys("pubsub-c")}
    site["ms"].conf["map-server"]["pubsub"] = {"subscribers": [
        {"name": "c", "sources": topology.rlocs("xtr-c"), "rlocs": topology.rlocs("xtr-c"),
         **pubsub}]}
    site["xtr-c"].conf["mapping-systems"][0]["pubsub"] = {"map-servers": [
        {"address": topology.rlocs("ms")[0], **pubsub}]}
    site["xtr-d"].conf["reachability"] = {"probe": True, "probe-interval": "2s"}
    site["xtr-c"].conf["itr"] = {"cache-max": 16}       # the least
    site["xtr-a"].conf["eids"] = [{"prefix": SHORT, "mapping-system": daemons.SYSTEM,
                                   "ttl": "1m"}]
    next(s for s in site["ms"].conf["map-server"]["sites"]
         if s["name"] == daemons.SITES["xtr-a"])["prefixes"].append({"prefix": SHORT})


class Story:
    """All that makes xtrd say something, with captures on."""

    def __init__(self, p):
        self.p, self.lab, self.site = p, p.lab, p.site
        self.captures = [(n, i, *p[n].capture(i, f"emitted-{i}", "udp port 4341 or udp port 4342"))
                         for n, links in WHERE.items() for i in links]

    def say(self, hypervisor, reason, generation=None, **more):
        if generation is None:
            self.p.generation += 1
            generation = self.p.generation
        router, _, gateway, _ = topology.HYPERVISORS[hypervisor]
        agent = self.p.agents.setdefault(hypervisor, cpm.Agent(
            self.p[hypervisor], gateway, virt.HOST_IDS[hypervisor], self.site.keys(hypervisor),
            key_id=11))
        ack = agent.send(reason, generation, EIDS, vm=VM_ID, **more)
        assert ack.status in (cpm.DONE, cpm.NOTHING), f"{reason} to {router}: {ack}"
        return generation

    def answers(self, peer, to, timeout=15):
        net.wait_for(lambda: ping(self.p[peer], to, count=1)[0], timeout,
                     f"{to} answers {peer}", lab=self.lab)

    def run(self):
        p, peers = self.p, [f[1] for f in PEERS.values()]
        vm = p.vm("vm", 20, "xtr-a")
        own = self.say("hyp1", "present", mac=vm.vm[0])
        for peer in PEERS:
            for eid in EIDS:
                self.answers(peer, eid)
        for to in ("10.9.9.9", "fd01:9::9"):
            ping(p["peer-c"], to, count=1)
        ping(p["peer-d"], "10.8.0.8", count=1)
        # The move
        self.say("hyp2", "arriving", own, peers=peers, mac=vm.vm[0])
        self.say("hyp1", "departing", own, peers=peers)
        self.say("hyp1", "paused", own)
        topology.unplug(vm)
        topology.plug(self.lab, vm, p["hyp2"])
        moved = self.say("hyp2", "arrived", peers=peers, mac=vm.vm[0])
        for peer in PEERS:
            for eid in EIDS:
                self.answers(peer, eid)
        for xtr in ("xtr-c", "xtr-d"):
            net.wait_for(lambda x=xtr: set(self.site[x].cached("10.1.1.20/32")) <=
                         set(topology.rlocs("xtr-b")), 15, f"{xtr} knows of the move",
                         lab=self.lab)
        self.site.wait_registered("10.1.1.20/32", topology.rlocs("xtr-b"))
        self.say("hyp2", "absent", moved)
        net.wait_for(lambda: not self.site["ms"].registration("10.1.1.20/32"), 15,
                     "the VM is withdrawn", lab=self.lab)

    def emitted(self):
        """Ends the captures and reads them, in both ways."""
        out = []
        for node, iface, process, path in self.captures:
            process.stop()
            own, frames = mac(self.p[node], iface), list(rdpcap(str(path)))
            sent = [(i, Emitted(node, path, i + 1, f)) for i, f in enumerate(frames)
                    if f[Ether].src == own]
            for i, e in sent:
                if isinstance(e.layer, lisp.MapNotifyAck):
                    frames[i] = as_type_4(frames[i], e)
            seen = path.with_suffix(".tshark.pcap")
            wrpcap(str(seen), frames)
            said = list(dissected(seen))
            assert len(said) == len(frames)
            for i, e in sent:
                e.fields, e.complaints = said[i]
                out.append(e)
        return out

    def leave(self):
        """Until the cache of xtr-c is full of others, and it ends a subscription."""
        hosts = iter(range(100, 250))

        def fact():
            ping(self.p["peer-c"], f"10.1.1.{next(hosts)}", count=1)
            return self.site["xtr-c"].show("counters", name="unsubscribe.sent")
        net.wait_for(fact, 60, "xtr-c unsubscribes", 0, lab=self.lab)

    def refresh(self):
        """Until the mapping of SHORT, in use, has been asked for again."""
        def ttl():
            ping(self.p["peer-d"], "10.8.0.8", count=1)
            rows = self.site["xtr-d"].show("map-cache", eid=SHORT)
            return rows[0]["ttl_s"] if rows else 60
        low = net.wait_for(lambda: 60 - ttl() > 52, 70, f"{SHORT} is old", 0.5, lab=self.lab)
        assert low
        net.wait_for(lambda: ttl() > 52, 20, f"{SHORT} is refreshed", 0.5, lab=self.lab)


@pytest.fixture(scope="module")
def emitted():
    """The messages of each kind."""
    with plane(configure=configure) as p:
        story = Story(p)
        story.run()
        story.leave()
        story.refresh()
        time.sleep(0.5)         # dumpcap writes what it has
        messages = story.emitted()
    registers, subscriptions = nonces_of(messages)
    out = defaultdict(list)
    for e in messages:
        for kind in kinds_of(e, registers, subscriptions):
            out[kind].append(e)
    return out


def shown(e):
    """tshark's fields, as far as expected() has them."""
    # Behind the header of a data packet's payload, and of what an ICMP error
    # quotes, it is no longer about us.
    last = 2 if e.data or e.inner else 1
    fields = [(n, v) for n, v, header in e.fields if header <= last]
    if e.data:
        cut = len(ip_fields(e.ip)) + len(data_fields(e.layer)) + 2
        fields = fields[:cut]
    if isinstance(e.layer, lisp.MapNotifyAck):
        fields = [(n, 5 if n == "lisp.type" else v) for n, v in fields]
    return fields


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_both_read_the_same(emitted, kind):
    assert emitted[kind], f"no {kind} was captured"
    for e in emitted[kind]:
        assert shown(e) == expected(e), e
        # One ITR-RLOC without an address is an error to tshark 4.0.
        if not isinstance(e.message, lisp.MapRequest) or e.message.itr_rlocs != [None]:
            assert not e.complaints, e


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_to_the_last_octet(emitted, kind):
    for e in emitted[kind]:
        lisp.whole(e.layer, e.octets)
        if e.inner:
            lisp.whole(e.inner, e.layer.inner)


def test_no_other_kind(emitted):
    odd = {kind: str(list_[0]) for kind, list_ in emitted.items() if kind not in KINDS}
    assert not odd


def test_headers_around(emitted):
    """What RFC 9301 5 and 5.8, RFC 9300 5.3 say of ports and checksums."""
    for e in (e for messages in emitted.values() for e in messages):
        if e.data:
            assert e.udp.chksum == 0 and e.udp.sport >= 49152, e
            continue
        assert e.udp.chksum != 0, e
        assert lisp.CONTROL_PORT in (e.udp.sport, e.udp.dport), e
        if not e.inner:
            continue
        header, udp = e.layer.header, e.layer.udp
        assert udp.dport == lisp.CONTROL_PORT and udp.sport != lisp.DATA_PORT, e
        assert header.version == (6 if ":" in e.message.eids[0].eid else 4), e
        again = header.copy()
        del again.payload.chksum
        if again.version == 4:
            del again.chksum
        assert bytes(again) == bytes(header), f"inner checksums of {e}"


def test_reserved_bits_are_zero(emitted):
    for e in (e for messages in emitted.values() for e in messages):
        for layer in filter(None, (e.layer, e.inner)):
            for name in ("reserved", "rsvd", "unused", "flags"):
                assert not layer.fields.get(name), e
