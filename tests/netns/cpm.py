#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hypervisor's agent in one command: sends a CPM and waits for its Ack.

    cpm.py --to 10.0.0.1 --host-id UUID --key FILE --reason arrived \
           --generation 1800000000000 --mac 52:54:00:01:01:20 10.1.1.20 fd01:1::20

Written from docs/cpm.md 3 without looking at the C code, so that the two check
each other.  Prints the Ack's status; exit status 0 if that is 0 or 1.
"""

import argparse
import hashlib
import hmac
import ipaddress
import socket
import struct
import sys
import time
import uuid

REASONS = {"arrived": 1, "departing": 2, "departed": 3, "aborted": 4, "present": 5,
           "arriving": 6, "paused": 7, "absent": 8}
AFI = {4: 1, 6: 2}
KIND_MAC = 6


def message(host_id, key, key_id, reason, generation, eids, mac=None, vm_id=None):
    """The octets of an op 1 with one part, signed with HMAC-SHA-256-128."""
    nonce = time.time_ns() // 1_000_000
    peers = b""
    if mac:
        peers = struct.pack("!BBH", KIND_MAC, 0, 6) + bytes.fromhex(mac.replace(":", ""))
    body = struct.pack("!IQBBH16x", 15 << 28 | 4000 << 16 | 1 << 12 | 1 << 8 | 0x80,
                       nonce, key_id, 2, 16)
    body += uuid.UUID(host_id).bytes + (uuid.UUID(vm_id).bytes if vm_id else bytes(16))
    body += struct.pack("!QQIHHBBH", generation, nonce, nonce & 0xffffffff, 1, 1,
                        REASONS[reason], len(eids), 1 if mac else 0)
    for e in map(ipaddress.ip_address, eids):
        body += struct.pack("!BBH", 0, e.max_prefixlen, AFI[e.version]) + e.packed
    body += peers
    mac16 = hmac.new(key, body, hashlib.sha256).digest()[:16]
    return body[:16] + mac16 + body[32:]


def send(to, octets, tries=20, wait=0.2):
    """Sends until acked; returns the Ack's status."""
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET,
                       socket.SOCK_DGRAM) as s:
        s.settimeout(wait)
        for _ in range(tries):
            s.sendto(octets, (to, 4342))
            try:
                ack = s.recv(2048)
            except (TimeoutError, ConnectionError):
                continue
            if ack[4:12] == octets[4:12]:
                return ack[56]
    raise SystemExit("no Ack")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--to", required=True)
    p.add_argument("--host-id", required=True)
    p.add_argument("--key", required=True)
    p.add_argument("--key-id", type=int, default=11)
    p.add_argument("--reason", choices=REASONS, required=True)
    p.add_argument("--generation", type=int, required=True)
    p.add_argument("--mac")
    p.add_argument("eids", nargs="+")
    a = p.parse_args()
    with open(a.key, "rb") as f:
        key = f.read().strip()
    status = send(a.to, message(a.host_id, key, a.key_id, a.reason, a.generation,
                                a.eids, a.mac))
    print(status)
    return 0 if status in (0, 1) else 1


if __name__ == "__main__":
    sys.exit(main())
