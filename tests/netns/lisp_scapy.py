# SPDX-License-Identifier: Apache-2.0
"""LISP messages as scapy layers, written from the RFCs' figures and docs/cpm.md.

RFC 9300 5 (data), RFC 9301 5 (control), RFC 8060 4.1 (instance-ID), 9437 4.

    message = control(udp_payload)      # MapRequest, MapReply ... Cpm, CpmAck
    message.eids[0].prefix              # "10.1.1.10/32", "[7]fd01::/64"
    whole(message, udp_payload)         # decodes to the last octet, and back

Addresses are text: None for AFI 0, "10.1.1.10", "[7]10.1.1.10" in an instance-ID
LCAF, a MAC, and "lcaf:" with hexadecimal octets for any other LCAF.  Nothing here
was taken from the C code, so that the two check each other.
"""

import ipaddress
import struct

from scapy.fields import (BitField, ByteField, ConditionalField, Field, FieldLenField,
                          FieldListField, IntField, LongField, PacketListField, ShortField,
                          StrFixedLenField, StrLenField, XIntField, XLongField)
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw

CONTROL_PORT, DATA_PORT = 4342, 4341
AFI_IPV4, AFI_IPV6, AFI_MAC, AFI_LCAF = 1, 2, 6, 16387
SIZES = {0: 0, AFI_IPV4: 4, AFI_IPV6: 16, AFI_MAC: 6}
LCAF_IID = 2
TYPES = {1: "Map-Request", 2: "Map-Reply", 3: "Map-Register", 4: "Map-Notify",
         5: "Map-Notify-Ack", 8: "ECM", 15: "CPM"}
CPM_SUBTYPE = 4000
CPM_OPS = {1: "CPM", 2: "Ack", 3: "Notify", 4: "Requesters"}
CPM_REASONS = {1: "arrived", 2: "departing", 3: "departed", 4: "aborted", 5: "present",
               6: "arriving", 7: "paused", 8: "absent"}
ACTIONS = {0: "no-action", 1: "natively-forward", 2: "send-map-request", 3: "drop",
           4: "drop-policy", 5: "drop-auth"}


# --- addresses --------------------------------------------------------------

def address_get(octets):
    """(text, the rest) of an AFI and its address."""
    afi, = struct.unpack_from("!H", octets)
    if afi == AFI_LCAF:
        kind, length = octets[4], struct.unpack_from("!H", octets, 6)[0]
        body, rest = octets[8:8 + length], octets[8 + length:]
        if len(body) != length:
            raise ValueError("LCAF is cut")
        if kind != LCAF_IID:
            return f"lcaf:{octets[2:8 + length].hex()}", rest
        inner, left = address_get(body[4:])
        if left or octets[2:4] != bytes(2) or octets[5]:
            raise ValueError("instance-ID LCAF: odd")
        return f"[{struct.unpack_from('!I', body)[0]}]{inner or ''}", rest
    size = SIZES[afi]
    value, rest = octets[2:2 + size], octets[2 + size:]
    if len(value) != size:
        raise ValueError("address is cut")
    if afi == 0:
        return None, rest
    return (":".join(f"{x:02x}" for x in value) if afi == AFI_MAC
            else str(ipaddress.ip_address(value))), rest


def address_put(text):
    if text is None:
        return bytes(2)
    if text.startswith("lcaf:"):
        return struct.pack("!H", AFI_LCAF) + bytes.fromhex(text[5:])
    if text.startswith("["):
        iid, _, inner = text[1:].partition("]")
        body = struct.pack("!I", int(iid)) + address_put(inner or None)
        return struct.pack("!HBBBBH", AFI_LCAF, 0, 0, LCAF_IID, 0, len(body)) + body
    if text.count(":") == 5 and "::" not in text and len(text) == 17:
        return struct.pack("!H", AFI_MAC) + bytes.fromhex(text.replace(":", ""))
    a = ipaddress.ip_address(text)
    return struct.pack("!H", AFI_IPV4 if a.version == 4 else AFI_IPV6) + a.packed


def afi_of(text):
    return struct.unpack_from("!H", address_put(text))[0]


class AddressField(Field):
    """AFI and address."""

    def __init__(self, name):
        super().__init__(name, None, "H")

    def addfield(self, pkt, s, val):
        return s + address_put(val)

    def getfield(self, pkt, s):
        text, rest = address_get(s)
        return rest, text

    def i2repr(self, pkt, x):
        return str(x)

    def i2len(self, pkt, x):
        return len(address_put(x))


# --- records ----------------------------------------------------------------

class Part(Packet):
    """What comes in a list: octets behind it belong to the next one."""

    def extract_padding(self, s):
        return b"", s


class Locator(Part):
    fields_desc = [
        ByteField("priority", 1), ByteField("weight", 100),
        ByteField("mpriority", 255), ByteField("mweight", 0),
        BitField("unused", 0, 13), BitField("L", 0, 1), BitField("p", 0, 1),
        BitField("R", 1, 1), AddressField("rloc"),
    ]


class MappingRecord(Part):
    fields_desc = [
        IntField("ttl", 1440), ByteField("count", 0), ByteField("bits", 32),
        BitField("action", 0, 3), BitField("A", 0, 1), BitField("reserved", 0, 12),
        BitField("rsvd", 0, 4), BitField("version", 0, 12), AddressField("eid"),
        PacketListField("locators", [], Locator, count_from=lambda p: p.count),
    ]

    @property
    def prefix(self):
        return f"{self.eid}/{self.bits}"


class EidRecord(Part):
    fields_desc = [BitField("N", 0, 1), BitField("reserved", 0, 7), ByteField("bits", 32),
                   AddressField("eid")]

    @property
    def prefix(self):
        return f"{self.eid}/{self.bits}"


# --- control messages -------------------------------------------------------

class MapRequest(Packet):
    name = "Map-Request"
    fields_desc = [
        BitField("type", 1, 4), BitField("A", 0, 1), BitField("M", 0, 1), BitField("P", 0, 1),
        BitField("S", 0, 1), BitField("p", 0, 1), BitField("s", 0, 1), BitField("R", 0, 1),
        BitField("I", 0, 1), BitField("rsvd", 0, 5), BitField("L", 0, 1), BitField("D", 0, 1),
        BitField("irc", 0, 5), ByteField("count", 1), XLongField("nonce", 0),
        AddressField("source_eid"),
        FieldListField("itr_rlocs", [], AddressField(""), count_from=lambda p: p.irc + 1),
        PacketListField("eids", [], EidRecord, count_from=lambda p: p.count),
        ConditionalField(PacketListField("records", [], MappingRecord,
                                         count_from=lambda p: 1), lambda p: p.M),
        ConditionalField(StrFixedLenField("xtr_id", bytes(16), 16), lambda p: p.I),
        ConditionalField(StrFixedLenField("site_id", bytes(8), 8), lambda p: p.I),
    ]


class MapReply(Packet):
    name = "Map-Reply"
    fields_desc = [
        BitField("type", 2, 4), BitField("P", 0, 1), BitField("E", 0, 1), BitField("S", 0, 1),
        BitField("reserved", 0, 17), ByteField("count", 0), XLongField("nonce", 0),
        PacketListField("records", [], MappingRecord, count_from=lambda p: p.count),
    ]


AUTHENTICATION = [
    XLongField("nonce", 0), ByteField("key_id", 0), ByteField("algorithm", 0),
    FieldLenField("auth_len", None, length_of="auth", fmt="H"),
    StrLenField("auth", b"", length_from=lambda p: p.auth_len),
]


class MapRegister(Packet):
    name = "Map-Register"
    fields_desc = [
        BitField("type", 3, 4), BitField("P", 0, 1), BitField("S", 0, 1), BitField("I", 0, 1),
        BitField("reserved", 0, 12), BitField("E", 0, 1), BitField("T", 0, 1),
        BitField("a", 0, 1), BitField("R", 0, 1), BitField("M", 0, 1), ByteField("count", 0),
        *AUTHENTICATION,
        PacketListField("records", [], MappingRecord, count_from=lambda p: p.count),
        ConditionalField(StrFixedLenField("xtr_id", bytes(16), 16), lambda p: p.I),
        ConditionalField(StrFixedLenField("site_id", bytes(8), 8), lambda p: p.I),
    ]


class MapNotify(Packet):
    name = "Map-Notify"
    fields_desc = [
        BitField("type", 4, 4), BitField("I", 0, 1), BitField("reserved", 0, 19),
        ByteField("count", 0), *AUTHENTICATION,
        PacketListField("records", [], MappingRecord, count_from=lambda p: p.count),
        ConditionalField(StrFixedLenField("xtr_id", bytes(16), 16), lambda p: p.I),
        ConditionalField(StrFixedLenField("site_id", bytes(8), 8), lambda p: p.I),
    ]


class MapNotifyAck(MapNotify):
    name = "Map-Notify-Ack"


class Ecm(Packet):
    """Its payload is an IP packet; the message in it is control(ecm.inner)."""
    name = "ECM"
    fields_desc = [
        BitField("type", 8, 4), BitField("S", 0, 1), BitField("D", 0, 1), BitField("E", 0, 1),
        BitField("M", 0, 1), BitField("unused", 0, 1), BitField("R", 0, 1),
        BitField("N", 0, 1), BitField("reserved", 0, 21),
    ]

    def guess_payload_class(self, payload):
        return ip_class(payload)

    @property
    def header(self):
        return self.payload

    @property
    def udp(self):
        return self.payload.payload

    @property
    def inner(self):
        return bytes(self.original)[4 + self.ip_len + 8:]

    @property
    def ip_len(self):
        return 4 * self.payload.ihl if self.payload.version == 4 else 40


# --- CPM, docs/cpm.md 3 -----------------------------------------------------

CPM_HEAD = [
    BitField("type", 15, 4), BitField("subtype", CPM_SUBTYPE, 12), BitField("version", 1, 4),
    BitField("op", 1, 4), BitField("A", 1, 1), BitField("D", 0, 1), BitField("flags", 0, 6),
    *AUTHENTICATION, StrFixedLenField("sender", bytes(16), 16),
]


class CpmPeer(Part):
    fields_desc = [ByteField("kind", 1), ByteField("flags", 0), AddressField("address")]


class Cpm(Packet):
    name = "CPM"
    fields_desc = [
        *CPM_HEAD, StrFixedLenField("vm", bytes(16), 16), LongField("generation", 0),
        LongField("event_ms", 0), XIntField("series", 0), ShortField("part", 1),
        ShortField("parts", 1), ByteField("reason", 1), ByteField("n_eids", 0),
        ShortField("n_peers", 0),
        PacketListField("eids", [], EidRecord, count_from=lambda p: p.n_eids),
        PacketListField("peers", [], CpmPeer, count_from=lambda p: p.n_peers),
    ]


class CpmAckEid(Part):
    fields_desc = [ByteField("status", 0), ByteField("bits", 32), AddressField("eid")]


class CpmAck(Packet):
    name = "CPM Ack"
    fields_desc = [
        *CPM_HEAD, XIntField("series", 0), ShortField("part", 1), ShortField("parts", 1),
        ByteField("status", 0), ByteField("reason", 0), ByteField("n_eids", 0),
        ByteField("reserved", 0), LongField("highest_nonce", 0),
        LongField("highest_generation", 0),
        PacketListField("eids", [], CpmAckEid, count_from=lambda p: p.n_eids),
    ]


# --- data -------------------------------------------------------------------

class DataHeader(Packet):
    name = "LISP data"
    fields_desc = [
        BitField("N", 0, 1), BitField("L", 0, 1), BitField("E", 0, 1), BitField("V", 0, 1),
        BitField("I", 0, 1), BitField("R", 0, 1), BitField("K", 0, 2), BitField("nonce", 0, 24),
        XIntField("iid_lsb", 0),
    ]

    def guess_payload_class(self, payload):
        return ip_class(payload)


def ip_class(payload):
    return {4: IP, 6: IPv6}.get(payload[0] >> 4, Raw) if payload else Raw


# --- all of it --------------------------------------------------------------

CLASSES = {1: MapRequest, 2: MapReply, 3: MapRegister, 4: MapNotify, 5: MapNotifyAck, 8: Ecm}


def control(octets):
    """The message in a UDP payload of port 4342."""
    kind = octets[0] >> 4
    if kind == 15:
        return (CpmAck if octets[2] & 15 == 2 else Cpm)(octets)
    return CLASSES[kind](octets)


def whole(message, octets):
    """Raises unless the layer reads all of the octets and writes the same ones."""
    if isinstance(message, (Ecm, DataHeader)):
        copy = message.copy()
        copy.remove_payload()
        octets = octets[:len(copy)]
        message = copy
    if message.payload:
        raise ValueError(f"{message.name}: {len(message.payload)} octets left over")
    again = message.copy()
    uncache(again)
    if bytes(again) != octets:
        raise ValueError(f"{message.name}: {octets.hex()} becomes {bytes(again).hex()}")


def uncache(packet):
    packet.raw_packet_cache = None
    for value in packet.fields.values():
        for part in value if isinstance(value, list) else ():
            if isinstance(part, Packet):
                uncache(part)
