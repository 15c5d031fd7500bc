# SPDX-License-Identifier: Apache-2.0
"""Every broken or hostile vector, sent to running daemons of every role.

A tunnel router with mobile EIDs and a Map-Server get them from a stranger and
from an address that is configured: each is counted, none changes anything.
"""

import json
import socket
from pathlib import Path

import pytest
from plane import plane

from tests.lab import cpm, net

VECTORS = Path(__file__).resolve().parents[1] / "golden" / "vectors" / "malformed"
CONTROL, DATA = 4342, 4341
TABLES = ("eids", "map-cache", "registrations", "registers", "requesters", "moves",
          "interfaces", "config")
PASSING = ("seen_ms", "data_ms", "refreshed_ms", "expires_s", "sent_ms", "confirmed_ms",
           "ttl_s", "used_s", "tries")      # what changes by itself
# Where a message goes, its sender, and the addresses
WAYS = [("xtr-a", "xtr-c", "192.0.2.1", "203.0.113.1"),
        ("xtr-a", "ms", "192.0.2.1", "192.0.2.129"),
        ("xtr-a", "xtr-d", "2001:db8:a::1", "2001:db8:d::1"),
        ("ms", "xtr-c", "192.0.2.129", "203.0.113.1"),
        ("ms", "xtr-a", "192.0.2.129", "192.0.2.1")]


def vectors():
    for path in sorted(VECTORS.glob("*.json")):
        v = json.loads(path.read_text())
        if v["expect_class"] == "drop" and not v["name"].startswith("tcp-"):
            yield v["name"], bytes.fromhex(path.with_suffix(".hex").read_text())


@pytest.fixture(scope="module")
def p():
    with plane() as p:
        yield p


def state(daemon):
    rows = {t: daemon.show(t) for t in TABLES}
    return {t: [{k: v for k, v in r.items() if k not in PASSING} for r in rows[t]]
            for t in TABLES}


def refused(daemon, prefix):
    return sum(r["value"] for r in daemon.show("counters")
               if r["name"].startswith(prefix) and not r["name"].endswith(".ok"))


@pytest.mark.parametrize("target, sender, to, local", WAYS)
def test_each_is_counted_and_changes_nothing(p, target, sender, to, local):
    daemon = p.site[target]
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    before, wrong = state(daemon), []
    with cpm.socket_in(p[sender], family, socket.SOCK_DGRAM) as s:
        s.bind((local, 0))
        for name, octets in vectors():
            data = name.startswith("data-")
            if data and target == "ms":
                continue        # it has no data plane
            prefix, port = ("data.drop.", DATA) if data else ("rx.", CONTROL)
            count = refused(daemon, prefix)
            s.sendto(octets, (to, port))
            try:
                net.wait_for(lambda: refused(daemon, prefix) == count + 1, 3, name)
            except net.LabError:
                wrong.append((name, refused(daemon, prefix) - count))
    assert not wrong
    assert daemon.process.alive()
    assert state(daemon) == before
