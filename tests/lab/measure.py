# SPDX-License-Identifier: Apache-2.0
"""One migration under traffic: what each peer saw of it.

gap_ms    longest time between two echoes at the peer
pause_ms  QEMU's own downtime
extra_ms  from QEMU's RESUME to the peer's first packet in the target's tap, which
          is what the network adds; the guest's waking is not in it
unseen    packets that reached neither the source's tap before QEMU's STOP nor the
          target's: lost by the network, not by a guest that is slow to wake
"""

import json
import statistics
import time

from . import net, probes


class Report:
    """What one peer saw of one migration; `udp` is all that udp_probe said."""

    def __init__(self, peer, udp, pause_ms, extra_ms, unseen):
        self.peer, self.udp, self.pause_ms = peer, udp, pause_ms
        self.extra_ms, self.unseen = extra_ms, unseen

    @property
    def answers(self):
        """Did an echo come of what was sent at the very end?"""
        return self.udp["received"] > 0 and self.udp["tail_lost"] < self._tail

    _tail = 100

    def line(self):
        u = self.udp
        return (f"peer {self.peer}: sent={u['sent']} lost={u['lost']} "
                f"reordered={u['reordered']} gap_ms={u['gap_ms']:.1f} "
                f"pause_ms={_number(self.pause_ms)} extra_ms={_number(self.extra_ms)}")

    def row(self):
        return {"peer": self.peer, "pause_ms": self.pause_ms, "extra_ms": self.extra_ms,
                "unseen": self.unseen, "answers": self.answers, **self.udp}


def _number(value):
    return "none" if value is None else f"{value:.1f}"


def move(vm, target, peers, rate=1000, before=1.0, after=2.0, settled=None):
    """Migrates 'vm' under UDP of every peer; returns (Migration, [Report]).

    'peers' are nodes, each known by its first address.  'settled' is called with
    the Migration when it is over, while the traffic still runs.
    """
    taps = [probes.tap(h.node, "tap", "vnet*", vm.ip4, udp=True) for h in (vm.at, target)]
    streams = {p: probes.udp(p, "udp", vm.ip4, rate) for p in peers}
    time.sleep(before)
    try:
        migration = vm.migrate(target)
        if settled:
            settled(migration)
        time.sleep(after)
    finally:
        for s in streams.values():
            s.end()
        udp = {p: s.result() for p, s in streams.items()}
        seen_old, seen_new = [w.result()["sources"] for w in taps]
    reports = []
    for p in peers:
        left, times = (seen.get(address(p), {"times": []})["times"]
                       for seen in (seen_old, seen_new))
        first = min((t for t in times if t >= migration.resume), default=None)
        report = Report(p.name, udp[p], migration.pause_ms,
                        None if first is None else first - migration.resume,
                        udp[p]["sent"] - len([t for t in left if t < migration.stop]) -
                        len(times))
        report._tail = min(rate / 2, udp[p]["sent"])
        reports.append(report)
    return migration, reports


def address(node):
    """The first IPv4 address of a host's eth0."""
    infos = node.ip_json("-4", "addr", "show", "dev", "eth0")
    return infos[0]["addr_info"][0]["local"]


def answers(node, ip):
    """True if a few UDP echoes come back at once."""
    p = node.run([probes.probe("udp_probe"), "-r", "100", "-d", "0.1", ip, "7"])
    return json.loads(p.stdout)["received"] > 0


def wait_answers(node, ip, timeout=30):
    net.wait_for(lambda: answers(node, ip), timeout, f"{node} gets echoes from {ip}", 0.1)


def summary(rows):
    """{peer: {"gap_ms": (median, maximum), ...}} of many Report.row()s."""
    table = {}
    for peer in dict.fromkeys(r["peer"] for r in rows):
        mine = [r for r in rows if r["peer"] == peer]
        table[peer] = {
            key: (statistics.median(values), max(values)) if values else (None, None)
            for key in ("gap_ms", "pause_ms", "extra_ms", "lost", "unseen", "reordered")
            for values in [[r[key] for r in mine if r[key] is not None]]}
    return table


def print_summary(title, table):
    print(f"{title:16} {'gap_ms':>15} {'pause_ms':>15} {'extra_ms':>15} {'lost':>11} "
          f"{'unseen':>11}")
    for peer, row in table.items():
        cells = " ".join(f"{_number(row[k][0]):>7} {_number(row[k][1]):>7}"
                         for k in ("gap_ms", "pause_ms", "extra_ms"))
        counts = " ".join(f"{row[k][0]:>5g} {row[k][1]:>5g}" for k in ("lost", "unseen"))
        print(f"  {peer:14} {cells} {counts}")
