# SPDX-License-Identifier: Apache-2.0
"""LISP control messages and sockets in a node, written from RFC 9301.

Nothing here was taken from the C code, so that the two check each other.

    with Peer(node, "192.0.2.1") as xtr:       # UDP 4342 on that address
        xtr.send(map_register(nonce, key, [record("10.1.0.0/16", ["192.0.2.1"])]), to)
        m = xtr.receive()
"""

import ctypes
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import threading

CONTROL_PORT = 4342
AFI = {4: 1, 6: 2}
CLONE_NEWNET = 0x40000000


# --- messages ---------------------------------------------------------------

def address(text):
    a = ipaddress.ip_address(text)
    return struct.pack("!H", AFI[a.version]) + a.packed


def record(eid, rlocs=(), ttl=1440):
    """A mapping record; rlocs: "address" or ("address", priority, weight)."""
    net = ipaddress.ip_network(eid)
    out = struct.pack("!IBBHH", ttl, len(rlocs), net.prefixlen, 0x1000, 0)
    out += address(net.network_address)
    for r in rlocs:
        text, priority, weight = (r, 1, 100) if isinstance(r, str) else r
        out += struct.pack("!BBBBH", priority, weight, 255, 0, 5) + address(text)
    return out


def signed(first_word, nonce, key, key_id, body):
    """Types 3, 4, 5 with HMAC-SHA-256-128, RFC 9301 5.6."""
    head = struct.pack("!IQBBH", first_word, nonce, key_id, 2, 16)
    mac = hmac.new(key, head + bytes(16) + body, hashlib.sha256).digest()[:16]
    return head + mac + body


def map_register(nonce, key, records, key_id=1, proxy=False, use_ttl=False, xtr_id=None):
    word = (3 << 28 | proxy << 27 | (xtr_id is not None) << 25 | use_ttl << 11 |
            1 << 8 | len(records))
    body = b"".join(records)
    if xtr_id is not None:
        body += xtr_id + bytes(8)
    return signed(word, nonce, key, key_id, body)


def map_notify_ack(notify, key, key_id=1):
    """What acknowledges a Map-Notify: its nonce, its records."""
    return signed(5 << 28 | notify.octets[3], notify.nonce, key, key_id,
                  notify.octets[32:])


def map_request(nonce, eid, itr_rlocs, authoritative=False):
    net = ipaddress.ip_network(eid)
    out = struct.pack("!IQH", 1 << 28 | authoritative << 27 | (len(itr_rlocs) - 1) << 8 | 1,
                      nonce, 0)
    for r in itr_rlocs:
        out += address(r)
    return out + struct.pack("!BB", 0, net.prefixlen) + address(net.network_address)


def checksum(octets):
    total = sum(struct.unpack(f"!{(len(octets) + 1) // 2}H", octets + bytes(len(octets) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ecm(payload, source, destination, source_port):
    """RFC 9301 5.8: inner headers of one family."""
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    length = 8 + len(payload)
    pseudo = src.packed + dst.packed + (
        struct.pack("!BBH", 0, 17, length) if src.version == 4 else struct.pack("!II", length, 17))
    udp = struct.pack("!HHHH", source_port, CONTROL_PORT, length, 0)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload) or 0xffff)
    if src.version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + src.packed + dst.packed
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, length, 17, 64) + src.packed + dst.packed
    return struct.pack("!I", 8 << 28) + ip + udp + payload


class Record:
    """(prefix, ttl, action, authoritative, [(rloc, priority, weight, L, R)])"""

    def __init__(self, octets, at):
        self.ttl, n, bits, flags, _ = struct.unpack_from("!IBBHH", octets, at)
        self.action, self.authoritative = flags >> 13, bool(flags & 0x1000)
        a, at = read_address(octets, at + 10)
        self.prefix = f"{a}/{bits}"
        self.locators = []
        for _ in range(n):
            priority, weight, _, _, flags = struct.unpack_from("!BBBBH", octets, at)
            a, at = read_address(octets, at + 6)
            self.locators.append((a, priority, weight, bool(flags & 4), bool(flags & 1)))
        self.end = at

    @property
    def rlocs(self):
        return [x[0] for x in self.locators]


def read_address(octets, at):
    afi = struct.unpack_from("!H", octets, at)[0]
    size = {1: 4, 2: 16}[afi]
    return str(ipaddress.ip_address(octets[at + 2:at + 2 + size])), at + 2 + size


class Message:
    """What was received: type, nonce, records; an ECM is taken off (outer, inner)."""

    def __init__(self, octets, source):
        self.octets, self.source = octets, source
        self.type = octets[0] >> 4
        self.nonce = struct.unpack_from("!Q", octets, 4)[0]
        self.inner = self.records = None
        if self.type == 8:
            version = octets[4] >> 4
            at = 24 if version == 4 else 44
            self.inner = octets[at + 8:]
            self.inner_source_port = struct.unpack_from("!H", octets, at)[0]
            start, size = (16, 4) if version == 4 else (12, 16)
            self.inner_source = str(ipaddress.ip_address(octets[start:start + size]))
            self.inner_destination = str(
                ipaddress.ip_address(octets[start + size:start + 2 * size]))
        elif self.type in (2, 3, 4, 5):
            at = 12 if self.type == 2 else 16 + struct.unpack_from("!H", octets, 14)[0]
            self.records = []
            for _ in range(octets[3]):
                r = Record(octets, at)
                self.records.append(r)
                at = r.end

    def verifies(self, key):
        zeroed = self.octets[:16] + bytes(16) + self.octets[32:]
        return hmac.new(key, zeroed, hashlib.sha256).digest()[:16] == self.octets[16:32]


# --- sockets ----------------------------------------------------------------

def socket_in(node, make):
    """The socket that 'make' makes in the namespace of 'node'.

    A thread of its own enters it: a socket stays where it was made.
    """
    out = []

    def enter():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{node.ns}", "rb") as ns:
            if libc.setns(ns.fileno(), CLONE_NEWNET):
                out.append(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
                return
            try:
                out.append(make())
            except OSError as e:
                out.append(e)

    t = threading.Thread(target=enter)
    t.start()
    t.join()
    if isinstance(out[0], OSError):
        raise out[0]
    return out[0]


class Peer:
    """A UDP socket of a node on an address and port."""

    def __init__(self, node, local, port=CONTROL_PORT):
        def make():
            s = socket.socket(socket.AF_INET6 if ":" in local else socket.AF_INET,
                              socket.SOCK_DGRAM)
            s.bind((local, port))
            return s

        self.local = local
        self.socket = socket_in(node, make)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, octets, to):
        self.socket.sendto(octets, (to, CONTROL_PORT))

    def receive(self, timeout=2):
        """The next Message, or None."""
        self.socket.settimeout(timeout)
        try:
            octets, source = self.socket.recvfrom(65536)
        except (TimeoutError, BlockingIOError):
            return None
        return Message(octets, source[:2])
