# SPDX-License-Identifier: Apache-2.0
"""A hypervisor's agent by hand: the CPM of docs/cpm.md 3, sent when a test says so.

    agent = cpm.Agent(node, "10.0.0.1", host_id, key_file, key_id=11)
    ack = agent.send("arrived", generation, ["10.1.1.20"], mac="52:54:00:01:01:20")
    assert ack.status == cpm.DONE and ack.highest_generation == generation

Written from the document alone, with struct and hmac, so that it and the C code
check each other.  Acks are authenticated; one that is not right does not count.
"""

import ctypes
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from . import net

PORT, SUBTYPE = 4342, 4000
REASONS = {"arrived": 1, "departing": 2, "departed": 3, "aborted": 4, "present": 5,
           "arriving": 6, "paused": 7, "absent": 8}
DONE, NOTHING, DIFFER, POLICY, RATE, MALFORMED, NONCE = range(7)
INTERNAL, STALE = 8, 9
KIND_PEER, KIND_MAC = 1, 6
AFI_IPV4, AFI_IPV6, AFI_MAC = 1, 2, 6
SALTS = {1: b"Change-Priority Authentication", 2: b"Change-Priority-Ack Authentication"}
CLONE_NEWNET = 0x40000000


def generation():
    """A new one; it is the wall clock in ms."""
    return int(net.now_ms())


# --- the octets -------------------------------------------------------------

def message_key(secret, algorithm, nonce, op):
    """What the MAC is made with: the secret, or derived from it (RFC 5869)."""
    if algorithm == 2:
        return secret
    extracted = hmac.new(SALTS[op], nonce + secret, hashlib.sha256).digest()
    return hmac.new(extracted, b"\1", hashlib.sha256).digest()


def mac_of(octets, secret, op):
    key = message_key(secret, octets[13], octets[4:12], op)
    clear = octets[:16] + bytes(16) + octets[32:]
    return hmac.new(key, clear, hashlib.sha256).digest()[:16]


def address(text):
    """AFI and octets."""
    a = ipaddress.ip_address(text)
    return struct.pack("!H", AFI_IPV4 if a.version == 4 else AFI_IPV6) + a.packed


def eid(text):
    length = ipaddress.ip_address(text).max_prefixlen
    return struct.pack("!BB", 0, length) + address(text)


def encode(secret, key_id, sender, reason, generation, eids, nonce, *, peers=(), mac=None,
           vm=None, algorithm=2, event_ms=None):
    """Op 1, one part, signed."""
    entries = [struct.pack("!BBH", KIND_MAC, 0, AFI_MAC) + bytes.fromhex(mac.replace(":", ""))] \
        if mac else []
    entries += [struct.pack("!BB", KIND_PEER, 0) + address(p) for p in peers]
    octets = struct.pack("!IQBBH16x", 15 << 28 | SUBTYPE << 16 | 1 << 12 | 1 << 8 | 0x80,
                         nonce, key_id, algorithm, 16)
    octets += uuid.UUID(sender).bytes + (uuid.UUID(vm).bytes if vm else bytes(16))
    octets += struct.pack("!QQIHHBBH", generation, int(event_ms or net.now_ms()),
                          nonce & 0xffffffff, 1, 1, REASONS[reason], len(eids), len(entries))
    octets += b"".join(map(eid, eids)) + b"".join(entries)
    return octets[:16] + mac_of(octets, secret, 1) + octets[32:]


@dataclass
class Ack:
    nonce: int
    sender: str
    status: int
    reason: int
    highest_nonce: int
    highest_generation: int
    eids: dict = field(default_factory=dict)        # address: its status
    tries: int = 1                  # how often the message was sent

    @property
    def done(self):
        """Also if it was done at an earlier try, whose Ack was lost."""
        return self.status == DONE or (self.status == NOTHING and self.tries > 1)


def decode_ack(octets, secret, key_id):
    """An Ack; ValueError says why it is none, or a forged one."""
    if len(octets) < 76:
        raise ValueError("too short")
    first, nonce, key, algorithm, length = struct.unpack_from("!IQBBH", octets)
    if first >> 28 != 15 or first >> 16 & 0xfff != SUBTYPE:
        raise ValueError("not a CPM")
    if (first >> 12 & 15, first >> 8 & 15) != (1, 2):
        raise ValueError("not an Ack of version 1")
    if key != key_id or algorithm not in (2, 3) or length != 16:
        raise ValueError("another key or algorithm")
    if not hmac.compare_digest(octets[16:32], mac_of(octets, secret, 2)):
        raise ValueError("MAC is wrong")
    status, reason, count = struct.unpack_from("!BBB", octets, 56)
    ack = Ack(nonce, str(uuid.UUID(bytes=octets[32:48])), status, reason,
              *struct.unpack_from("!QQ", octets, 60))
    at = 76
    for _ in range(count):
        one, _, afi = struct.unpack_from("!BBH", octets, at)
        size = {AFI_IPV4: 4, AFI_IPV6: 16}[afi]
        ack.eids[str(ipaddress.ip_address(octets[at + 4:at + 4 + size]))] = one
        at += 4 + size
    if at != len(octets):
        raise ValueError("length is wrong")
    return ack


# --- the sender -------------------------------------------------------------

def socket_in(node, family, kind=socket.SOCK_DGRAM):
    """A socket of this process in the namespace of a node."""
    made = []

    def turn():
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(net.NETNS_DIR / node.ns, os.O_RDONLY)
        try:
            if libc.setns(fd, CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), f"setns {node.ns}"))
            else:
                made.append(socket.socket(family, kind))
        finally:
            os.close(fd)

    # setns() is about one thread, and that one ends.
    t = threading.Thread(target=turn)
    t.start()
    t.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


class Agent:
    """One hypervisor towards one xTR."""

    def __init__(self, node, xtr, host_id, key_file, key_id, algorithm=2):
        self.xtr, self.host_id, self.key_id = xtr, host_id, key_id
        self.secret = Path(key_file).read_bytes().strip()
        self.algorithm = algorithm
        self.nonce = 0
        self.socket = socket_in(node, socket.AF_INET6 if ":" in xtr else socket.AF_INET)

    def close(self):
        self.socket.close()

    def next_nonce(self):
        self.nonce = max(self.nonce + 1, int(net.now_ms()))
        return self.nonce

    def message(self, reason, generation, eids, **more):
        more.setdefault("algorithm", self.algorithm)
        return encode(self.secret, self.key_id, self.host_id, reason, generation, eids,
                      self.next_nonce(), **more)

    def send(self, reason, generation, eids, timeout=15.0, **more):
        """Until it is acked; an Ack that wants a higher nonce gets one.

        With a third of all messages lost, nine tries in 5 s fail once in 200
        times, and a test of moves sends a dozen.
        """
        end = time.monotonic() + timeout
        while True:
            ack = self.transmit(self.message(reason, generation, eids, **more),
                                end - time.monotonic())
            if ack.status != NONCE:
                return ack
            self.nonce = max(self.nonce, ack.highest_nonce)

    def transmit(self, octets, timeout=5.0):
        """These octets, until they are acked: 50 ms, doubling up to 1 s."""
        end, wait = time.monotonic() + timeout, 0.05
        wanted = int.from_bytes(octets[4:12], "big")
        why, tries = "no answer", 0
        while time.monotonic() < end:
            self.socket.sendto(octets, (self.xtr, PORT))
            tries += 1
            again = min(end, time.monotonic() + wait)
            while time.monotonic() < again:
                self.socket.settimeout(max(0.001, again - time.monotonic()))
                try:
                    ack = decode_ack(self.socket.recv(2048), self.secret, self.key_id)
                except (TimeoutError, ConnectionError):
                    continue
                except ValueError as e:
                    why = str(e)
                    continue
                if ack.nonce == wanted:
                    ack.tries = tries
                    return ack
            wait = min(1.0, wait * 2)
        raise net.LabError(f"no Ack from {self.xtr} in {timeout:g} s: {why}")

    def ignored(self, octets, wait=0.5):
        """True if these octets get no Ack."""
        try:
            self.transmit(octets, wait)
            return False
        except net.LabError:
            return True
