# SPDX-License-Identifier: Apache-2.0
"""Two xTRs in a site, one of which dies: keepalived has the gateway address.

                          +-- mgmt0 -- xtr-a  -- uplink0 --+
    VMs -- br-vms (hyp1) -+                                core -- xtr-c -- peer-c
                          +-- mgmt0 -- xtr-a2 -- uplink0 --+    -- xtr-d -- peer-d
                                                                -- xtr-b (the other site)

Both have br-vms on one layer 2 with the virtual machines; the agent of hyp1
speaks to both.  A death is that of a machine: all links at once, and kill -9.
"""

import contextlib
import copy
import json
import os
import shutil
import signal
import time

import pytest
from plane import captured, inject, mac, ping, plane
from scapy.layers.inet6 import ICMPv6ND_NA
from scapy.layers.l2 import ARP, Ether
from test_segment import question

from tests.lab import cpm, daemons, net, probes, topology
from tests.lab.topology import GATEWAY_MAC, SEGMENT

GATEWAY4, GATEWAY6 = "10.1.1.1", "fd01:1::1"
RLOCS = {"xtr-a": ["192.0.2.1", "2001:db8:a::1"], "xtr-a2": ["192.0.2.5", "2001:db8:a2::1"]}
PAIR = tuple(RLOCS)
MGMT = {"xtr-a": "10.0.0.1", "xtr-a2": "10.0.2.1"}
VRRP = {"xtr-a": ("172.30.1.2", 150), "xtr-a2": ("172.30.1.3", 100)}
VM4, VM6, FAR4, FAR6 = "10.1.1.20", "fd01:1::20", "10.1.1.22", "fd01:1::22"

KEEPALIVED = """
global_defs {{
    vrrp_version 3
    dynamic_interfaces
    script_user root
    enable_script_security
}}
vrrp_script xtrd {{
    script "{xtrctl} -s {socket} show resolvers"
    interval 1
    timeout 1
    fall 1
    rise 2
}}
vrrp_instance gateway {{
    state BACKUP
    nopreempt
    interface br-vms
    virtual_router_id 51
    priority {priority}
    advert_int 0.2
    use_vmac gw0 02:00:5e:00:01:01
    vmac_xmit_base
    virtual_ipaddress {{
        10.1.1.1/32
    }}
    virtual_ipaddress_excluded {{
        fe80::1/64 dev gw0
        fd01:1::1/128 dev gw0
    }}
    track_script {{
        xtrd
    }}
}}
"""


class Machine:
    """One of the two: links, xtrd, keepalived."""

    def __init__(self, p, name):
        self.p, self.name, self.node, self.xtr = p, name, p[name], p.site[name]
        self.dir = p.lab.run_dir

    def keepalived(self):
        conf = self.dir / f"{self.name}-keepalived.conf"
        conf.write_text(KEEPALIVED.format(
            xtrctl=probes.program("xtrctl"), socket=self.xtr.socket,
            priority=VRRP[self.name][1]))
        self.pids = [self.dir / f"{self.name}-{x}.pid" for x in ("vrrp", "keepalived")]
        if not shutil.which("keepalived"):
            raise net.Unable("keepalived is missing")
        self.process = self.node.start("keepalived", [
            "keepalived", "-n", "-l", "-D", "-P", "-R", "-f", conf,
            "-p", self.pids[1], "-r", self.pids[0]])

    def is_gateway(self):
        rows = [r for r in self.xtr.show("interfaces") if r["kind"] == "segment"]
        return {r["gateway"] for r in rows} == {True}

    def die(self):
        self.xtr.process.signal(signal.SIGKILL)
        for path in self.pids:      # the child first: it would say farewell
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGKILL)
                path.unlink()
        self.node.ip(*[f"link set {i} down" for i in ("uplink0", "seg0", "mgmt0")])
        for process in (self.xtr.process, self.process):
            process.popen.wait(10)

    def boot(self):
        """As after a power cycle: no device, no macvlan; the store is kept."""
        for device in ("gw0", "lisp0"):
            self.node.ok(["ip", "link", "del", device])
        attach(self.p.lab, self.name)
        self.xtr.start()
        self.keepalived()


def attach(lab, name):
    """Links up, addresses and routes of a node of the pair."""
    node = lab.nodes[name]
    v4, v6 = RLOCS[name]
    gw4 = f"192.0.2.{int(v4.rsplit('.', 1)[1]) + 1}"
    gw6 = v6.removesuffix("1") + "fe"
    node.ip(*[f"link set {i} up" for i in ("uplink0", "seg0", "mgmt0")],
            f"addr replace {v4}/30 dev uplink0", f"addr replace {v6}/64 dev uplink0",
            f"addr replace {MGMT[name]}/24 dev mgmt0",
            f"route replace 0.0.0.0/0 via {gw4} dev uplink0",
            f"route replace ::/0 via {gw6} dev uplink0",
            f"addr replace {VRRP[name][0]}/24 dev {SEGMENT}")


def build_pair(site):
    lab = site.lab
    core, hyp, a2 = lab.node("core"), lab.node("hyp1"), lab.node("xtr-a2")
    topology.forwarding(a2)
    lab.link(a2, "uplink0", core, "xtr-a2")
    core.ip("addr add 192.0.2.6/30 dev xtr-a2", "addr add 2001:db8:a2::fe/64 dev xtr-a2")
    lab.link(hyp, "eth1", a2, "mgmt0")
    hyp.ip("addr add 10.0.2.11/24 dev eth1")
    lab.link(hyp, "seg1", a2, "seg0")
    hyp.ip(f"link set seg1 master {SEGMENT}")
    lab.bridge(a2, SEGMENT, ["seg0"])
    for name in PAIR:
        attach(lab, name)

    one = site["xtr-a"].conf
    for prefix in one["mobility"]["prefixes"]:
        prefix["gateway-by"] = "vrrp"
    two = copy.deepcopy(one)
    two["mobility"]["hypervisors"][0]["addresses"] = ["10.0.2.11"]
    two["site"]["rlocs"] = [{**r, "address": a}
                            for r, a in zip(one["site"]["rlocs"], RLOCS["xtr-a2"])]
    for conf, other in ((one, "xtr-a2"), (two, "xtr-a")):
        conf["site"]["partners"] = [{"rlocs": [{"address": a} for a in RLOCS[other]]}]
    site["xtr-a2"] = daemons.Xtr(a2, two)
    site["xtr-b"].conf["mobility"]["sites"][0]["xtrs"].append(
        {"rloc": RLOCS["xtr-a2"][0], "rlocs": RLOCS["xtr-a2"][1:]})
    for s in site["ms"].conf["map-server"]["sites"]:
        if s["name"] == "dc1":
            s["sources"] += RLOCS["xtr-a2"]


def tell_both(p, reason, vm, generation=None, only=PAIR):
    """What the agent of hyp1 says to every xTR of its site."""
    if generation is None:
        p.generation += 1
        generation = p.generation
    for name in only:
        if name not in p.pair_agents:
            p.pair_agents[name] = cpm.Agent(
                p["hyp1"], MGMT[name], daemons.virt.HOST_IDS["hyp1"],
                p.site.keys("hyp1"), key_id=11)
        ack = p.pair_agents[name].send(reason, generation, list(vm.vm[1:]), mac=vm.vm[0])
        assert ack.status in (cpm.DONE, cpm.NOTHING), (name, ack)


@pytest.fixture(scope="module")
def p():
    with plane("ms", "xtr-b", "xtr-c", "xtr-d", "xtr-a", "xtr-a2", configure=build_pair) as p:
        p.pair_agents = {}
        p.machines = {name: Machine(p, name) for name in PAIR}
        for m in p.machines.values():
            m.keepalived()
        net.wait_for(lambda: gateway(p), 20, "one of them is the gateway", lab=p.lab)
        p.vm1, p.near = p.vm("vm1", 20, "hyp1"), p.vm("near", 21, "hyp1")
        p.far = p.vm("far", 22, "xtr-b")
        tell_both(p, "present", p.vm1)
        tell_both(p, "present", p.near)
        p.cpm("hyp2", "present", p.far)
        wait_set(p, VM4)
        yield p


def gateway(p):
    """The one that is the gateway, or None."""
    names = [n for n, m in p.machines.items() if m.xtr.process.alive() and m.is_gateway()]
    assert len(names) < 2, names
    return names[0] if names else None


def other(name):
    return PAIR[1 - PAIR.index(name)]


def all_rlocs(*names):
    return sorted(a for n in names or PAIR for a in RLOCS[n])


def wait_set(p, eid, *names, timeout=20):
    """Until the Map-Server has these xTRs' RLOCs of an EID, and only those."""
    p.site.wait_registered(f"{eid}/{128 if ':' in eid else 32}", all_rlocs(*names), timeout)


def wait_cached(p, names=PAIR, timeout=10):
    """Until the two ITRs use these xTRs' RLOCs of their family, and only those."""
    for xtr, eid, family in (("xtr-c", f"{VM4}/32", 0), ("xtr-d", f"{VM6}/128", 1)):
        wanted = sorted(RLOCS[n][family] for n in names)

        def fact(xtr=xtr, eid=eid, family=family, wanted=wanted):
            cached = p.site[xtr].cached(eid)
            return [a for a in cached if (":" in a) == family] == wanted
        net.wait_for(fact, timeout, f"{xtr} uses {wanted} for {eid}", lab=p.lab)


def test_both_register_the_same_set(p):
    for eid in (VM4, VM6):
        wait_set(p, eid)
        sets = [p.site[n].eid(f"{eid}/{128 if ':' in eid else 32}")["locators"] for n in PAIR]
        assert sets[0] == sets[1]
        assert daemons.usable(sets[0]) == all_rlocs()
    # They take turns, and nobody hears of a move.
    assert p.counter("ms", "map-server.moved") == 0
    for n in PAIR:
        assert p.counter(n, "cpm.alarm") == 0


def test_one_answers_on_the_segment(p):
    for address in (GATEWAY4, GATEWAY6, FAR4, FAR6, "10.1.1.99", "fd01:1::99"):
        answers = question(p.near, address)
        assert len(answers) == 1, (address, [f.summary() for f in answers])
        assert answers[0][Ether].src == GATEWAY_MAC, address
    for address in (VM4, VM6):              # answers for itself
        assert [f[Ether].src for f in question(p.near, address)] == [p.vm1.vm[0]]
    me = gateway(p)
    assert p.site[me].host_route(VM4) == "gw0"
    assert p.site[other(me)].host_route(VM4) == SEGMENT
    assert p.site[me].host_route(VM6) == "gw0"


def test_both_carry_traffic(p):
    """Sixteen flows from outside; out goes what the gateway sends."""
    before = {n: p.counter(n, "data.decapsulated") for n in PAIR}
    streams = [probes.udp(p["peer-c"], f"flow{i}", VM4, rate=50) for i in range(16)]
    time.sleep(1.5)
    for s in streams:
        result = s.result()
        assert result["lost"] == 0 and result["duplicated"] == 0, result
    carried = {n: p.counter(n, "data.decapsulated") - before[n] for n in PAIR}
    assert all(c > 50 for c in carried.values()), carried
    for peer, to in (("near", FAR4), ("near", FAR6), ("far", VM4), ("far", VM6)):
        node = p.near if peer == "near" else p.far
        received, text = ping(node, to)
        assert received == 3, text
    # Nobody learnt another MAC for the gateway.
    rows = p.vm1.ip_json("neigh", "show", "to", GATEWAY4, "dev", "eth0")
    assert rows and rows[0]["lladdr"] == GATEWAY_MAC


def flows(p):
    return {f"{peer}{i}": probes.udp(p[peer], f"death{i}", to, rate=200)
            for i in range(8)
            for peer, to in [(("peer-c", VM4), ("peer-d", VM6))[i % 2]]}, \
        probes.tcp(p["peer-c"], "tcp", VM4, rate=500_000)


def report(p, what, streams, tcp, began):
    """Prints what was lost; returns the results."""
    results = {n: s.result() for n, s in streams.items()}
    session = tcp.result(40)
    lost = {n: r["lost"] for n, r in results.items()}
    gaps = [round(r["gap_ms"]) for r in results.values()]
    print(f"{what}: of 8 flows at 200/s lost {lost}, longest gaps {gaps} ms, "
          f"TCP stalled {session.get('stall_ms', 0):.0f} ms")
    (p.lab.run_dir.parent / "two-xtrs.json").write_text(json.dumps(
        {"what": what, "lost": lost, "gaps_ms": gaps}))
    assert session["ok"] and session["bytes_received"] == session["bytes_sent"], session
    for n, r in results.items():
        assert r["tail_lost"] == 0, (n, r)
        assert r["gap_ms"] < 6000, (n, r)
    return results


@pytest.mark.parametrize("which", ["gateway", "standby"])
def test_death_and_return(p, which):
    me = gateway(p)
    victim = me if which == "gateway" else other(me)
    survivor = other(victim)
    streams, tcp = flows(p)
    time.sleep(2)
    died = net.now_ms()
    p.machines[victim].die()
    net.wait_for(lambda: p.machines[survivor].is_gateway(), 10, "the other is the gateway",
                 lab=p.lab)
    taken = net.now_ms()
    for eid in (VM4, VM6):
        wait_set(p, eid, survivor)
    registered = net.now_ms()
    wait_cached(p, [survivor])
    learnt = net.now_ms()
    print(f"{which} {victim} died: gateway after {taken - died:.0f} ms, record after "
          f"{registered - died:.0f} ms, ITRs after {learnt - died:.0f} ms")
    assert registered - died < 4000
    time.sleep(1.5)
    report(p, f"death of the {which}", streams, tcp, died)
    assert p.counter(survivor, "cpm.alarm") == 0

    streams, tcp = flows(p)
    time.sleep(0.5)
    p.machines[victim].boot()
    for eid in (VM4, VM6):
        wait_set(p, eid)
    wait_cached(p)
    time.sleep(1.5)
    results = report(p, "return", streams, tcp, 0)
    assert sum(r["lost"] for r in results.values()) == 0
    assert gateway(p) == survivor               # nopreempt


def test_only_the_process_dies(p):
    """keepalived's script sees it; the record follows at once."""
    me = gateway(p)
    streams, tcp = flows(p)
    time.sleep(2)
    p.site[me].kill()
    wait_set(p, VM4, other(me))
    net.wait_for(lambda: p.machines[other(me)].is_gateway(), 10, "the gateway moved",
                 lab=p.lab)
    wait_cached(p, [other(me)])
    time.sleep(1.5)
    report(p, "death of the process", streams, tcp, 0)
    p.site[me].start()
    wait_set(p, VM4)
    # ITRs that heard "port unreachable" probe it ever more rarely.
    wait_cached(p, timeout=60)


def test_what_came_meanwhile_is_passed_on(p):
    """A VM that one of them has not heard of: it asks its partner, not nobody."""
    me = gateway(p)
    vm = p.vm("late", 40, "hyp1")
    tell_both(p, "present", vm, only=[me])
    wait_set(p, vm.vm[1])
    before = p.counter(other(me), "data.to-partner")
    streams = [probes.udp(p["peer-c"], f"late{i}", vm.vm[1], rate=50) for i in range(8)]
    time.sleep(1.5)
    for s in streams:
        result = s.result()
        assert result["lost"] == 0, result
    assert p.counter(other(me), "data.to-partner") > before


def test_a_vm_moves_away_and_back(p):
    """Each of them yields for itself; no Map-Notify of a partner is a move."""
    alarms = {n: p.counter(n, "cpm.alarm") for n in PAIR}
    p.cpm("hyp2", "arrived", p.vm1)
    for n in PAIR:
        net.wait_for(lambda n=n: p.site[n].state(f"{VM4}/32") == "away", 5, f"{n} yields",
                     lab=p.lab)
        assert p.site[n].host_route(VM4) is None
    time.sleep(0.8)                             # three announcements
    assert [f[Ether].src for f in question(p.near, VM4)
            if ARP in f and f[ARP].hwsrc == GATEWAY_MAC] == [GATEWAY_MAC]
    tell_both(p, "arrived", p.vm1)
    for n in PAIR:
        assert p.site[n].state(f"{VM4}/32") == "local"
    wait_set(p, VM4)
    net.wait_for(lambda: ping(p["peer-c"], VM4, count=1)[0], 10, "it answers", lab=p.lab)
    assert {n: p.counter(n, "cpm.alarm") for n in PAIR} == alarms


def test_a_reload_forgets_nothing(p):
    """A partner that is dead stays so; the gateway stays where it is."""
    me = gateway(p)
    p.site[other(me)].kill()
    wait_set(p, VM4, me)
    p.site[me].reload()
    time.sleep(0.3)
    assert gateway(p) == me
    assert daemons.usable(p.site[me].eid(f"{VM4}/32")["locators"]) == all_rlocs(me)
    assert ping(p.near, FAR4)[0] == 3
    p.site[other(me)].start()
    wait_set(p, VM4)
