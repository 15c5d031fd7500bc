# SPDX-License-Identifier: Apache-2.0
"""Real live migrations: libvirt, QEMU, vmagent and xtrd on the standard network.

One laboratory for all tests of this file; the guest is wherever the test before
has left it, and its next migration goes to the other hypervisor.
"""

import signal
import time

import pytest

from tests.lab import daemons, guest, handover, measure, net, probes, topology, virt
from tests.lab.topology import PEERS, rlocs, router_of

RATE = 200              # packets/s of each client
SLOW = ("--bandwidth", "1")     # MiB/s: copying takes long enough to interfere


class Stage:
    """The network, both hypervisors with their agents, and the guest."""

    def __init__(self, lab, g):
        self.lab = lab
        topology.build(lab)
        self.site = daemons.Site(lab)
        self.site.start()
        self.hypervisors = virt.start(lab)
        self.site.start_agents(self.hypervisors)
        self.peers = [lab.nodes[n] for n in PEERS]
        self.vm = virt.Vm(g)
        self.eid = handover.prefix(self.vm.ip4)

    def ready(self):
        """The guest runs somewhere, all know where; where it was lost, anew."""
        self.vm.at = next((h for h in self.hypervisors if self.vm.state(h) == "running"), None)
        if not self.vm.at:
            self.vm.create(self.hypervisors[0])
            net.wait_for(self.vm.booted, 90, "the guest is up", 0.1, self.lab)
        here = router_of(self.vm.at.name)
        self.site.wait_registered(self.eid, rlocs(here))
        for p in self.peers:
            measure.wait_answers(p, self.vm.ip4)
        # Nothing of the test before is under way.
        net.wait_for(self.at_rest, 15, "the agents are at rest", 0.1, self.lab)

    def at_rest(self):
        states = {h.name: self.agent_state(h) for h in self.hypervisors}
        return states[self.vm.at.name] == "here" and states[self.target.name] != "arriving"

    @property
    def source(self):
        return self.vm.at

    @property
    def target(self):
        return next(h for h in self.hypervisors if h is not self.vm.at)

    @property
    def routers(self):
        """(old, new) of the next migration."""
        return router_of(self.source.name), router_of(self.target.name)

    def agent_state(self, hypervisor):
        rows = self.site.agents[hypervisor.name].ctl("show", "vms", "--all")
        return next((r["state"] for r in rows if r["vm"] == self.vm.name), "absent")

    def streams(self):
        return [probes.udp(p, "udp", self.vm.ip4, RATE) for p in self.peers]

    def copying(self, *options):
        """A migration that has begun to copy, slowly."""
        m = self.vm.begin(self.target, *SLOW, *options)
        old = self.site[self.routers[0]]
        net.wait_for(lambda: old.state(self.eid) == "departing", 15,
                     f"{old.node} hears that copying has begun", 0.02, self.lab)
        return m

    def hurry(self):
        """Copies at full speed from now on."""
        self.source.virsh("migrate-setspeed", self.vm.name, "1000")

    def agreed(self, old, new, timeout=30):
        handover.wait_agreed(self.site, self.eid, new, old, timeout)
        for p in self.peers:
            measure.wait_answers(p, self.vm.ip4)

    def registered(self):
        row = self.site["ms"].registration(self.eid)
        return row["registrant"], row["registered_ms"]


@pytest.fixture(scope="module")
def stage():
    virt.check()
    for name in ("xtrd", "vmagent", "xtrctl"):
        probes.program(name)
    g = guest.build()
    with net.Lab() as lab:
        yield Stage(lab, g)


@pytest.fixture
def s(stage):
    stage.ready()
    return stage


def test_there_and_back(s):
    sessions = [probes.tcp(p, "tcp", s.vm.ip4) for p in s.peers]
    for _ in range(2):
        old, new = s.routers
        migration, reports = measure.move(
            s.vm, s.target, s.peers, RATE, settled=lambda m, o=old, n=new: s.agreed(o, n))
        net.wait_for(lambda: not handover.missing_steps(
            s.site[new], s.site[old], s.eid, migration.called), 5,
            "the record of the move is complete", 0.1, s.lab)
        for r in reports:
            assert r.answers, r.line()
            assert r.extra_ms < 1000, r.line()
        assert s.agent_state(s.source) == "here"
    traffic = handover.uplink_traffic(s.lab, s.vm.ip4, 0.5)
    assert traffic[router_of(s.target.name)] == 0 < traffic[router_of(s.source.name)]
    for w in sessions:
        seen = w.result()
        assert seen["ok"] and seen["bytes_received"], seen


def test_agent_knows_the_peers(s):
    """Those who talk to the guest are in the agent's list, and come along."""
    wanted = {measure.address(p) for p in s.peers}
    streams = s.streams()

    def known(h):
        rows = s.site.agents[h.name].ctl("show", "peers")
        return wanted <= {r["peer"] for r in rows}
    net.wait_for(lambda: known(s.source), 30, "the agent knows both peers", 0.2, s.lab)
    for w in streams:
        w.result()


def test_postcopy(s):
    """The guest runs at the target before its memory is there."""
    old, new = s.routers
    m = s.copying("--postcopy", "--postcopy-bandwidth", "30")
    s.source.virsh("migrate-postcopy", s.vm.name)
    m.end()
    s.agreed(old, new)
    events = s.source.events    # end() made this the target of before
    assert events.find("libvirt", "Resumed Post-copy", m.called)
    done = events.find("libvirt", "Resumed Migrated", m.called)
    arrived = [t for t, step, _ in handover.steps_of(s.site[new], s.eid, m.called)
               if step == "arrived"]
    assert len(arrived) == 1 and arrived[0] < done


def test_suspended_guest(s):
    """Its user has stopped it; it arrives as it was, and nobody holds packets."""
    old, new = s.routers
    s.source.virsh("suspend", s.vm.name)
    m = s.vm.begin(s.target)
    assert not m.fails()
    s.vm.at = m.target
    net.wait_for(lambda: s.site[new].state(s.eid) == "local", 10, f"{new} has it", 0.1, s.lab)
    s.source.virsh("resume", s.vm.name)
    s.agreed(old, new)


def nothing_moved(s, before, streams):
    """After a migration that failed before the switch-over."""
    old, new = s.routers
    net.wait_for(s.at_rest, 20, "the agents have taken it back", 0.1, s.lab)
    net.wait_for(lambda: s.site[old].state(s.eid) == "local", 5, f"{old} has it", 0.1, s.lab)
    net.wait_for(lambda: not (s.site[new].eid(s.eid) or {}).get("incoming"), 5,
                 f"{new} has forgotten it", 0.1, s.lab)
    assert s.registered() == before
    assert s.site[new].host_route(s.vm.ip4) != topology.SEGMENT
    for w in streams:
        seen = w.result()
        assert seen["received"] and seen["tail_lost"] == 0, seen
        assert seen["gap_ms"] < 1000, seen
    assert s.vm.state(s.source) == "running" and s.vm.state(s.target) is None


def test_abort_while_copying(s):
    before, streams = s.registered(), s.streams()
    m = s.copying()
    s.source.virsh("domjobabort", s.vm.name)
    assert m.fails()
    nothing_moved(s, before, streams)


def test_destination_qemu_killed(s):
    before, streams = s.registered(), s.streams()
    m = s.copying()
    net.run(["kill", "-9", s.target.qemu_pid(s.vm.name)])
    assert m.fails()
    nothing_moved(s, before, streams)


def test_destination_libvirtd_killed_while_copying(s):
    before, streams = s.registered(), s.streams()
    m = s.copying()
    s.target.restart_libvirtd(signal.SIGKILL)
    assert m.fails()
    nothing_moved(s, before, streams)


def test_libvirtd_restart(s):
    """The guest runs on; nobody withdraws it, and its next move is as any."""
    before, streams = s.registered(), s.streams()
    for h in s.hypervisors:
        h.restart_libvirtd(signal.SIGKILL)
    time.sleep(1)
    assert s.registered() == before
    old, new = s.routers
    for w in streams:
        assert w.result()["lost"] == 0
    assert s.at_rest()
    s.vm.migrate(s.target)
    s.agreed(old, new)


def test_source_libvirtd_ends_while_copying(s):
    """It finishes the migration and says nothing about it."""
    old, new = s.routers
    target = s.target
    m = s.copying()
    s.hurry()
    s.source.restart_libvirtd(signal.SIGTERM)
    m.fails()
    net.wait_for(lambda: s.vm.state(target) == "running", 30, "it runs at the target", 0.2)
    s.vm.at = target
    s.agreed(old, new)


@pytest.mark.parametrize("which", ["source", "target"])
def test_agent_killed_while_copying(s, which):
    old, new = s.routers
    agent = s.site.agents[getattr(s, which).name]
    m = s.copying()
    agent.kill()
    agent.start()
    s.hurry()
    m.end()
    s.agreed(old, new)
    assert s.agent_state(s.source) == "here"


@pytest.mark.parametrize("which", ["source", "target"])
def test_agent_down_during_the_switch_over(s, which):
    """It hears no event at all, and puts it right when it starts."""
    old, new = s.routers
    agent = s.site.agents[getattr(s, which).name]
    m = s.copying()
    agent.kill()
    s.hurry()
    m.end()
    agent.start()
    s.agreed(old, new)
    net.wait_for(s.at_rest, 15, "the agents are at rest", 0.1, s.lab)


@pytest.mark.parametrize("which", ["old", "new"])
def test_xtr_killed_during_a_move(s, which):
    old, new = s.routers
    xtr = s.site[old if which == "old" else new]
    m = s.copying()
    xtr.kill()
    s.hurry()
    m.end()
    xtr.start()
    s.agreed(old, new)
    assert handover.uplink_traffic(s.lab, s.vm.ip4, 0.3)[old] == 0


def test_map_server_down_during_a_move(s):
    old, new = s.routers
    s.site["ms"].kill()
    try:
        s.vm.migrate(s.target)
        # What the clients send goes by the old site.
        for p in s.peers:
            measure.wait_answers(p, s.vm.ip4, 5)
    finally:
        s.site["ms"].start()
    streams = s.streams()       # an ITR asks when it has something to send
    s.agreed(old, new)
    time.sleep(0.6)
    for w in streams:
        assert w.result()["tail_lost"] == 0


def test_destroyed(s):
    """Runs last: the guest ends, and its registration with it."""
    old = s.routers[0]
    s.vm.destroy()
    net.wait_for(lambda: not s.site["ms"].registration(s.eid), 10, "it is withdrawn", 0.1, s.lab)
    assert s.site[old].state(s.eid) == "absent"
    assert s.site[old].host_route(s.vm.ip4) != topology.SEGMENT
