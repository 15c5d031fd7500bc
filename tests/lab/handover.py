# SPDX-License-Identifier: Apache-2.0
"""What must be true after a move, asked from the daemons themselves.

facts() says who believes what about an EID, missing_steps() what the record of
the move lacks, uplink_traffic() where the clients' packets really go.
"""

import time

from . import daemons, net, probes, topology

# Where the standard network's ITRs are seen: the RLOC of each
ITRS = {"xtr-c": topology.rlocs("xtr-c")[0], "xtr-d": topology.rlocs("xtr-d")[0]}

# What a complete record of a move has at the new xTR, and what it is in words.
# Those of the second list are wanted once for every ITR.
STEPS = (("arriving", "CPM arriving received"), ("arrived", "CPM arrived received"),
         ("acked", "Ack sent"), ("local", "EID local: route, neighbour, permit"),
         ("notify", "Notify sent to"), ("notify-acked", "Notify acked by"),
         ("requesters", "requesters told by"), ("register", "Map-Register sent to"),
         ("registered", "Map-Notify received from"))
ITR_STEPS = (("smr", "SMR sent to"), ("converged", "converged: ITR"))
# The same at the old one
OLD_STEPS = (("departing", "CPM departing received"), ("paused", "CPM paused received"),
             ("away", "EID away, to"), ("departed", "CPM departed received"))
WORDS = dict(STEPS + ITR_STEPS + OLD_STEPS +
             (("drained", "drained at"), ("given-up", "given up: ITR"),
              ("aborted", "CPM aborted received")))


def prefix(eid):
    """An address as xtrd prints its EID."""
    return eid if "/" in eid else f"{eid}/{128 if ':' in eid else 32}"


def steps_of(xtr, eid, since=0.0):
    """[(wall ms, step, peer)] of the newest move of an EID that an xTR knows."""
    record = xtr.move(prefix(eid))
    return [(s["at_ms"], s["step"], s.get("peer"))
            for s in (record["steps"] if record else ()) if s["at_ms"] >= since]


def missing_steps(new, old, eid, since=0.0, itrs=ITRS):
    """What the records of new and old xTR lack to be complete."""
    seen = steps_of(new, eid, since)
    have = {step for _, step, _ in seen}
    lack = [f"{step} at {new.node}" for step, _ in STEPS if step not in have]
    for itr, rloc in itrs.items():
        lack += [f"{step} {itr}" for step, _ in ITR_STEPS
                 if not any(s == step and p == rloc for _, s, p in seen)]
    have = {step for _, step, _ in steps_of(old, eid, since)}
    # The agent asks libvirt what job copies; the guest may have stopped before the
    # answer, and then 'paused' says it all.
    return lack + [f"{step} at {old.node}" for step, _ in OLD_STEPS
                   if step not in have and step != "departing"]


def facts(site, eid, new, old, itrs=ITRS):
    """(text, holds) of where everybody believes an EID to be."""
    eid = prefix(eid)
    address = eid.split("/")[0]
    want = sorted(topology.rlocs(new))
    registration = site["ms"].registration(eid)
    yield (f"Map-Server: {eid} is at {', '.join(want)}",
           bool(registration) and daemons.usable(registration["locators"]) == want and
           registration["registrant"] in want)
    row = site[new].eid(eid)
    yield (f"{new}: {eid} is local and registered",
           bool(row) and row["state"] == "local" and row["registered"])
    row = site[old].eid(eid)
    yield (f"{old}: {eid} is away at {new}, and not registered from here",
           bool(row) and row["state"] == "away" and
           set(daemons.usable(row["locators"])) <= set(want) and
           not site[old].show("registers", eid=eid))
    for itr in itrs:
        # An ITR has the locators of either family and uses what it can reach.
        have = site[itr].cached(eid)
        yield (f"{itr}: the map-cache has {eid} at {', '.join(have) or 'nothing'}",
               bool(have) and set(have) <= set(want))
    yield (f"host route of {address}: {new} has it on {topology.SEGMENT}, {old} not",
           site[new].host_route(address) == topology.SEGMENT and
           site[old].host_route(address) != topology.SEGMENT)


def wrong(site, eid, new, old, itrs=ITRS):
    """The facts that do not hold."""
    return [text for text, holds in facts(site, eid, new, old, itrs) if not holds]


def wait_agreed(site, eid, new, old, timeout=15, itrs=ITRS):
    """Until all facts hold; LabError names those that do not."""
    def fact():
        texts = wrong(site, eid, new, old, itrs)
        if texts:
            raise net.LabError("not so: " + "; ".join(texts))
        return True
    net.wait_for(fact, timeout, f"all agree that {eid} is at {new}", 0.1, site.lab)


def uplink_traffic(lab, address, seconds=1.0):
    """Packets from the clients to an address per data-centre uplink in a while."""
    watches = {n: probes.tap(lab.nodes[n], "uplink", "uplink0", address, lisp=True)
               for n in daemons.DATA_CENTRES}
    time.sleep(seconds)
    for w in watches.values():
        w.end()
    return {n: sum(s["count"] for s in w.result()["sources"].values())
            for n, w in watches.items()}
