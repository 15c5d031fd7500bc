# SPDX-License-Identifier: Apache-2.0
"""A VM changes its data centre: real xtrd on the standard network, no hypervisor.

    nb-a, vm 10.1.1.20, fd01:1::20 -- xtr-a ==core== xtr-c (IPv4 RLOC) -- peer-c
                (vm moves here)       xtr-b ======== xtr-d (IPv6 RLOC) -- peer-d
                                      ms    ====

The VM is a namespace that is plugged from one segment into the other.  What its
hypervisors say is said here, message by message, by tests/lab/cpm.py.
"""

import contextlib
import json
import time
import uuid

import pytest
from plane import ping, plane

from tests.lab import cpm, daemons, handover, net, probes, topology
from tests.lab.probes import ROOT
from tests.lab.topology import HYPERVISORS, PEERS, SEGMENT

VM4, VM6 = "10.1.1.20", "fd01:1::20"
NEIGHBOUR4 = "10.1.1.30"
VM_ID, NEIGHBOUR_ID = (str(uuid.uuid5(uuid.NAMESPACE_DNS, n)) for n in ("vm", "nb"))
CORRESPONDENTS = [facts[1] for facts in PEERS.values()]
RATE = 200                              # packets/s of each client
VECTORS = ROOT / "tests/golden/vectors/ok"


class Stage:
    """The network, the agents of both hypervisors, and the VM on one of them."""

    def __init__(self, p):
        self.lab, self.site, self.nodes = p.lab, p.site, p.lab.nodes
        self.agents = {h: cpm.Agent(self.nodes[h], facts[2], daemons.virt.HOST_IDS[h],
                                    self.site.keys(h), key_id=11)
                       for h, facts in HYPERVISORS.items()}
        self.generation = cpm.generation()
        self.captures = [self.nodes[n].capture("uplink0", "control", "udp port 4342")
                         for n in ("ms", "xtr-a", "xtr-b")]
        self.vm, self.eids = p.vm("vm", 20, "hyp1"), [VM4, VM6]
        self.at = "hyp1"
        self.neighbour = p.vm("nb-a", 30, "hyp1")
        self.say("hyp1", "present", self.new(), eids=[NEIGHBOUR4], vm=NEIGHBOUR_ID,
                 mac=self.neighbour.vm[0])

    def new(self):
        """A new generation."""
        self.generation = max(self.generation + 1, cpm.generation())
        return self.generation

    def say(self, hypervisor, reason, generation, eids=None, vm=VM_ID, **more):
        """A CPM; its Ack must say that it was done."""
        if reason in ("arrived", "arriving", "present"):
            more.setdefault("mac", self.vm.vm[0])
        ack = self.agents[hypervisor].send(reason, generation, eids or self.eids, vm=vm, **more)
        assert ack.done, f"{reason} to {hypervisor}: {ack}"
        return ack

    def plug(self, hypervisor):
        topology.unplug(self.vm)
        topology.plug(self.lab, self.vm, self.nodes[hypervisor])
        self.at = hypervisor

    # The handover, in two parts, so that something can happen in between

    def leave(self, target):
        """All up to the guest's stop at the source; returns its generation."""
        own = self.generation
        self.say(target, "arriving", own, peers=CORRESPONDENTS)
        self.say(self.at, "departing", own, peers=CORRESPONDENTS)
        self.say(self.at, "paused", own)
        return own

    def arrive(self, target, own):
        """The rest; returns the seconds that the guest stood still."""
        source, start = self.at, time.monotonic()
        self.plug(target)
        self.say(target, "arrived", self.new(), peers=CORRESPONDENTS)
        stood = time.monotonic() - start
        late = self.agents[source].send("departed", own, self.eids, vm=VM_ID)
        # The Notify may have been there before, or that of one EID.
        assert late.done or set(late.eids.values()) <= {cpm.DONE, cpm.NOTHING, cpm.STALE}, late
        return stood

    def move(self, target):
        return self.arrive(target, self.leave(target))

    def home(self):
        """The VM runs at hyp1, and everybody knows; however it was before."""
        if self.at != "hyp1":
            self.plug("hyp1")
        self.say("hyp1", "present", self.new())

        def fact():
            for eid in self.eids:
                for peer in PEERS:
                    ping(self.nodes[peer], eid, count=1)
                for text in handover.wrong(self.site, eid, "xtr-a", "xtr-b"):
                    if not text.startswith("xtr-b"):
                        raise net.LabError(f"not so: {text}")
            return True
        net.wait_for(fact, 20, "the VM is at home", 0.1, self.lab)

    def wait_reaches(self, peer, eid=VM4, timeout=10):
        net.wait_for(lambda: ping(self.nodes[peer], eid, count=1)[0], timeout,
                     f"{eid} answers {peer}", lab=self.lab)

    def agreed(self, new, old, timeout=15, itrs=handover.ITRS):
        for eid in self.eids:
            handover.wait_agreed(self.site, eid, new, old, timeout, itrs)

    def counter(self, xtr, name):
        rows = self.site[xtr].show("counters", name=name)
        return rows[0]["value"] if rows else 0

    def streams(self):
        return {p: probes.udp(self.nodes[p], "udp", VM4, RATE) for p in PEERS}


@pytest.fixture(scope="module")
def stage():
    with plane() as p:
        yield Stage(p)


@pytest.fixture
def s(stage):
    stage.home()
    return stage


def vector(name):
    return bytes.fromhex((VECTORS / f"{name}.hex").read_text())


def test_sender_agrees_with_the_vectors():
    fields = json.loads((VECTORS / "cpm-01-arrived.json").read_text())["fields"]
    nonce, generation = (int(fields[f], 16) for f in ("nonce", "generation"))
    octets = cpm.encode(b"hv2-xtrB-cpm-secret", 1, fields["sender_id"], "arrived", generation,
                        ["10.2.0.20"], nonce, peers=["10.1.0.10", "10.3.0.30"],
                        vm=fields["vm_id"], event_ms=fields["event_ms"])
    assert octets == vector("cpm-01-arrived")
    ack = cpm.decode_ack(vector("cpm-10-ack-ok"), b"hv2-xtrB-cpm-secret", 1)
    assert (ack.status, ack.highest_generation) == (0, generation)
    with pytest.raises(ValueError, match="MAC"):
        cpm.decode_ack(vector("cpm-10-ack-ok"), b"another", 1)


def test_present(s):
    a = s.site["xtr-a"]
    for eid in s.eids:
        row = a.eid(handover.prefix(eid))
        assert (row["state"], row["generation"]) == ("local", s.generation)
        assert row["owner_name"] == "hyp1" and row["vm"] == VM_ID
        assert a.host_route(eid) == SEGMENT
        registration = s.site["ms"].registration(handover.prefix(eid))
        assert registration["site"] == "dc1"
        # cpm-mode priority: the other site is listed, and not to be used.
        assert {x["rloc"]: x["priority"] for x in registration["locators"]} == {
            **dict.fromkeys(topology.rlocs("xtr-a"), 1),
            **dict.fromkeys(topology.rlocs("xtr-b"), 255)}
    assert handover.uplink_traffic(s.lab, VM4, 0.3) == {"xtr-a": 0, "xtr-b": 0}


def test_move(s):
    since = net.now_ms()
    streams = s.streams()
    sessions = {p: probes.tcp(s.nodes[p], "tcp", VM4) for p in PEERS}
    time.sleep(0.5)
    stood = s.move("hyp2")
    s.agreed("xtr-b", "xtr-a")
    for eid in s.eids:
        net.wait_for(lambda e=eid: not handover.missing_steps(
            s.site["xtr-b"], s.site["xtr-a"], e, since), 5, "the record is complete")
    traffic = handover.uplink_traffic(s.lab, VM4)
    assert traffic["xtr-a"] == 0 and traffic["xtr-b"] > RATE
    for p, w in streams.items():
        seen = w.result()
        assert seen["tail_lost"] == 0 and seen["received"], (p, seen)
        assert seen["gap_ms"] < stood * 1000 + 500, (p, stood, seen)
    for p, w in sessions.items():
        seen = w.result()
        assert seen["ok"] and seen["bytes_received"], (p, seen)
    for p in PEERS:
        assert ping(s.nodes[p], VM6)[0] == 3
    # Both records are about the same move, under the same name.
    eid = handover.prefix(VM4)
    new, old = s.site["xtr-b"].move(eid), s.site["xtr-a"].move(eid)
    assert new["id"] == old["id"] and new["generation"] == s.generation
    assert new["state"] == old["state"] == "finished"
    assert (new["from"], old["from"]) == ("dc1", "dc1")


def test_move_and_back_within_away_time(s):
    s.move("hyp2")
    s.agreed("xtr-b", "xtr-a")
    s.move("hyp1")
    s.agreed("xtr-a", "xtr-b")
    for p in PEERS:
        for eid in s.eids:
            assert ping(s.nodes[p], eid)[0] == 3
    assert not s.site["xtr-a"].eid(handover.prefix(VM4))["away_until_ms"]


def test_neighbours_of_a_moved_vm_reach_it(s):
    """A neighbour has the VM's own MAC in its table when the VM goes."""
    nb = s.neighbour
    assert ping(nb, VM4)[0] == 3
    assert s.vm.vm[0] in nb.out(["ip", "neigh", "show", VM4])
    s.move("hyp2")
    s.wait_reaches("nb-a", timeout=3)
    assert topology.GATEWAY_MAC in nb.out(["ip", "neigh", "show", VM4])
    assert ping(s.vm, NEIGHBOUR4)[0] == 3
    s.agreed("xtr-b", "xtr-a")
    s.move("hyp1")
    s.wait_reaches("nb-a", timeout=3)
    assert s.vm.vm[0] in nb.out(["ip", "neigh", "show", VM4])


def test_old_site_passes_on_what_is_late(s):
    """xtr-c hears no Map-Request, so it learns of nothing."""
    rule = ["FORWARD", "-o", "xtr-c", "-p", "udp", "--dport", "4342", "-m", "u32",
            "--u32", "0>>22&0x3C@8>>28=1", "-j", "DROP"]
    core = s.nodes["core"]
    core.run(["iptables", "-I", *rule])
    try:
        before = s.counter("xtr-a", "data.reencapsulated")
        s.move("hyp2")
        s.agreed("xtr-b", "xtr-a", itrs=["xtr-d"])
        assert ping(s.nodes["peer-c"], VM4, count=20)[0] == 20
        assert s.site["xtr-c"].cached(handover.prefix(VM4)) == topology.rlocs("xtr-a")
        assert s.counter("xtr-a", "data.reencapsulated") >= before + 20
    finally:
        core.run(["iptables", "-D", *rule])
    # From now on the old site's SMR reaches the sender of the late packet.
    def converged():
        ping(s.nodes["peer-c"], VM4, count=1)
        return s.site["xtr-c"].cached(handover.prefix(VM4)) == topology.rlocs("xtr-b")
    net.wait_for(converged, 15, "xtr-c learns it from the old site", 0.5)


def test_abort_in_the_switch_over(s):
    before = s.site["ms"].registration(handover.prefix(VM4))
    own = s.leave("hyp2")
    assert s.site["xtr-a"].state(handover.prefix(VM4)) == "held"
    assert s.site["xtr-b"].eid(handover.prefix(VM4))["incoming"]
    s.say("hyp1", "aborted", own)
    s.say("hyp2", "aborted", 0)
    for p in PEERS:
        assert ping(s.nodes[p], VM4)[0] == 3
    assert s.site["xtr-a"].state(handover.prefix(VM4)) == "local"
    row = s.site["xtr-b"].eid(handover.prefix(VM4))
    assert row["state"] in ("absent", "away") and not row["incoming"]
    after = s.site["ms"].registration(handover.prefix(VM4))
    assert after["registrant"] == before["registrant"]
    assert after["registered_ms"] == before["registered_ms"]
    assert s.site["xtr-b"].host_route(VM4) != SEGMENT


def test_nothing_attracts_traffic_before_it_arrived(s):
    s.say("hyp2", "arriving", s.generation, peers=CORRESPONDENTS)
    streams = s.streams()
    traffic = handover.uplink_traffic(s.lab, VM4, 0.5)
    for w in streams.values():
        assert w.result()["lost"] == 0
    assert traffic["xtr-b"] == 0 and traffic["xtr-a"] > 0
    assert s.site["xtr-b"].host_route(VM4) != SEGMENT
    s.say("hyp2", "aborted", 0)


def test_absent_withdraws(s):
    s.say("hyp1", "absent", s.generation)
    for eid in map(handover.prefix, s.eids):
        net.wait_for(lambda e=eid: not s.site["ms"].registration(e), 10,
                     f"{eid} is withdrawn", lab=s.lab)
        assert s.site["xtr-a"].state(eid) == "absent"
        for itr in handover.ITRS:
            net.wait_for(lambda e=eid, i=itr: not s.site[i].cached(e), 10,
                         f"{itr} has forgotten {eid}", lab=s.lab)
    for eid in s.eids:
        assert s.site["xtr-a"].host_route(eid) != SEGMENT
    assert not ping(s.nodes["peer-c"], VM4, count=1)[0]


@contextlib.contextmanager
def lossy(nodes, share):
    """Loses a share of all control messages, of every kind, on every link."""
    rule = ["INPUT", "-p", "udp", "-m", "multiport", "--ports", "4342", "-m", "statistic",
            "--mode", "random", "--probability", share, "-j", "DROP"]
    lines = [(nodes[n], program) for program in ("iptables", "ip6tables")
             for n in (*daemons.DATA_CENTRES, *handover.ITRS, *HYPERVISORS, "ms")]
    for node, program in lines:
        node.run([program, "-I", *rule])
    try:
        yield
    finally:
        for node, program in lines:
            node.run([program, "-D", *rule])


def test_a_third_of_all_messages_lost(s):
    """Each move begins before the one before has converged."""
    streams = s.streams()
    with lossy(s.nodes, 0.33):
        s.move("hyp2")
        s.move("hyp1")
        s.move("hyp2")
        time.sleep(1)
    # Whoever gave up meanwhile asks again when there is something to send.
    def agreed():
        answers = [ping(s.nodes[p], eid, count=1)[0] for p in PEERS for eid in s.eids]
        return all(answers) and not any(handover.wrong(s.site, e, "xtr-b", "xtr-a") for e in s.eids)
    net.wait_for(agreed, 45, "all agree after the loss", 0.2, s.lab)
    time.sleep(0.6)
    for w in streams.values():
        seen = w.result()
        assert seen["received"] and seen["tail_lost"] == 0, seen


@pytest.mark.parametrize("victim", ["xtr-a", "xtr-b"])
@pytest.mark.parametrize("when", ["paused", "arrived"])
def test_crash_and_restart_of_an_xtr(s, victim, when):
    """kill -9 of the old or the new xTR, before and after the guest switched."""
    own = s.leave("hyp2")
    if when == "paused":
        s.site[victim].kill()
        s.site[victim].start()
        s.arrive("hyp2", own)
    else:
        # What was acked must outlive the crash; nothing else is sure yet.
        if victim == "xtr-a":
            s.site[victim].kill()
            s.plug("hyp2")
            s.say("hyp2", "arrived", s.new(), peers=CORRESPONDENTS)
        else:
            s.plug("hyp2")
            s.say("hyp2", "arrived", s.new(), peers=CORRESPONDENTS)
            s.site[victim].kill()
        time.sleep(0.5)
        s.site[victim].start()
    s.agreed("xtr-b", "xtr-a", 30)
    for p in PEERS:
        for eid in s.eids:
            s.wait_reaches(p, eid)
    traffic = handover.uplink_traffic(s.lab, VM4, 0.2)
    assert traffic["xtr-a"] == 0


def test_map_server_away_during_a_move(s):
    s.site["ms"].kill()
    try:
        s.move("hyp2")
        # Nobody can ask: what comes late goes by the old site.
        for p in PEERS:
            s.wait_reaches(p, timeout=5)
    finally:
        s.site["ms"].start()
    streams = s.streams()       # an ITR asks when it has something to send
    s.agreed("xtr-b", "xtr-a", 30)
    time.sleep(0.6)
    for w in streams.values():
        assert w.result()["tail_lost"] == 0


# --- what is refused --------------------------------------------------------

def state(s):
    """All that a refused message must leave alone."""
    rows = [s.site["xtr-a"].eid(handover.prefix(e)) for e in s.eids]
    return [{k: r[k] for k in ("state", "generation", "owner", "vm", "incoming")} for r in rows]


@pytest.mark.parametrize("what, status", [
    ("older generation", cpm.STALE), ("generation far ahead", cpm.MALFORMED),
    ("EID of nobody's prefix", cpm.POLICY), ("another VM", cpm.POLICY)])
def test_refused_with_a_status(s, what, status):
    agent, before = s.agents["hyp1"], state(s)
    mac = s.vm.vm[0]
    if what == "older generation":
        ack = agent.send("present", s.generation - 1, s.eids, vm=VM_ID, mac=mac)
        assert ack.highest_generation == s.generation
    elif what == "generation far ahead":
        ack = agent.send("present", cpm.generation() + 90_000_000, s.eids, vm=VM_ID, mac=mac)
    elif what == "another VM":
        ack = agent.send("present", s.new(), s.eids, vm=NEIGHBOUR_ID, mac=mac)
    else:
        ack = agent.send("present", s.new(), ["10.9.9.9"], vm=VM_ID, mac=mac)
        assert s.site["xtr-a"].eid("10.9.9.9/32") is None
    assert ack.status == status
    assert state(s) == before


@pytest.mark.parametrize("what, reason", [
    ("wrong key", "auth"), ("unknown hypervisor", "key-unknown"), ("truncated", "truncated"),
    ("from elsewhere", "source")])
def test_refused_without_an_answer(s, what, reason):
    agent, before = s.agents["hyp1"], state(s)
    octets = agent.message("absent", s.generation, s.eids, vm=VM_ID)
    counted = {r["name"]: r["value"] for r in s.site["xtr-a"].show("counters")}
    if what == "wrong key":
        octets = octets[:-1] + bytes([octets[-1] ^ 1])
    elif what == "unknown hypervisor":
        octets = cpm.encode(agent.secret, 11, str(uuid.uuid4()), "absent", s.generation,
                            s.eids, agent.next_nonce(), vm=VM_ID)
    elif what == "truncated":
        octets = octets[:40]
    elif what == "from elsewhere":
        agent = cpm.Agent(s.nodes["xtr-b"], topology.rlocs("xtr-a")[0], agent.host_id,
                          s.site.keys("hyp1"), key_id=11)
    assert agent.ignored(octets)
    assert state(s) == before
    changed = [r["name"] for r in s.site["xtr-a"].show("counters")
               if r["name"].startswith("rx.") and r["value"] > counted.get(r["name"], 0) and
               not r["name"].endswith(".ok")]
    assert len(changed) == 1 and reason in changed[0], changed


def test_replay_changes_nothing(s):
    agent = s.agents["hyp1"]
    octets = agent.message("departing", s.generation, s.eids, vm=VM_ID)
    assert agent.transmit(octets).status == cpm.DONE
    s.say("hyp1", "aborted", s.generation)
    assert agent.transmit(octets).status == cpm.NOTHING
    assert s.site["xtr-a"].state(handover.prefix(VM4)) == "local"


# --- the wire ---------------------------------------------------------------

def test_tshark_decodes_the_control_traffic(stage):
    """All of it until here, at three nodes; runs last."""
    types = set()
    for process, path in stage.captures:
        process.stop()
        out = net.run(["tshark", "-r", path, "-T", "fields", "-e", "frame.number",
                       "-e", "lisp.type", "-e", "_ws.malformed", "-e", "_ws.expert.message",
                       "-Y", "udp.port == 4342"], timeout=120).stdout
        for line in out.splitlines():
            number, words, malformed, expert = (line.split("\t") + [""] * 3)[:4]
            kinds = {int(w, 0) for w in words.split(",") if w}
            types |= kinds
            # tshark 4.0 knows neither Map-Notify-Ack nor vendor types.
            if not kinds & {5, 15}:
                assert not malformed, (path.name, number, words, expert)
    assert {1, 2, 3, 4, 8} <= types
