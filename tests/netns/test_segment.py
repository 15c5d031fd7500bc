# SPDX-License-Identifier: Apache-2.0
"""The VM segment: gateway, neighbours, announcements, what is elsewhere.

    xtr-a br-vms: mover 10.1.1.20, near 10.1.1.21
    xtr-b br-vms:                  far  10.1.1.22      (and the same in fd01:1::/64)

Hosts of the segment have the whole prefix on link, as a guest has: that some of
it is at another site is for the two xTRs to hide.
"""

import ipaddress
import time

import pytest
from plane import captured, inject, mac, ping, plane
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                  ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils6 import in6_getnsma, in6_getnsmac

from tests.lab import net, probes, topology
from tests.lab.topology import GATEWAY_MAC, SEGMENT

FAR4, FAR6 = "10.1.1.22", "fd01:1::22"
NEAR4 = "10.1.1.21"


@pytest.fixture(scope="module")
def p():
    def configure(site):
        for name in ("xtr-a", "xtr-b"):
            prefixes = site[name].conf["mobility"]["prefixes"]
            prefixes[0]["static-hosts"] = ["10.1.1.5"]
            prefixes[1]["static-hosts"] = ["fd01:1::5"]

    with plane("ms", "xtr-a", "xtr-b", configure=configure) as p:
        p.mover = p.vm("mover", 20, "xtr-a")
        p.near = p.vm("near", 21, "xtr-a")
        p.far = p.vm("far", 22, "xtr-b")
        for hypervisor, vm in (("hyp1", p.mover), ("hyp1", p.near), ("hyp2", p.far)):
            p.cpm(hypervisor, "present", vm)
        yield p


def question(node, address, source=None):
    """Asks for the MAC of an address; returns the frames that answer.

    'source': the asker's address, "::" or "0.0.0.0" for duplicate detection.
    """
    own = mac(node, "eth0")
    v6 = ":" in address
    if v6:
        group = in6_getnsma(ipaddress.IPv6Address(address).packed)
        frame = (Ether(src=own, dst=in6_getnsmac(group))
                 / IPv6(src=source or node.vm[2], dst=str(ipaddress.IPv6Address(group)), hlim=255)
                 / ICMPv6ND_NS(tgt=address))
        if source != "::":
            frame /= ICMPv6NDOptSrcLLAddr(lladdr=own)
    else:
        frame = (Ether(src=own, dst="ff:ff:ff:ff:ff:ff")
                 / ARP(op=1, hwsrc=own, psrc=source or node.vm[1], pdst=address))
    with captured(node, "eth0", "icmp6" if v6 else "arp") as frames:
        inject(node, "eth0", frame)
        time.sleep(0.2)
    if v6:
        return [f for f in frames if ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == address]
    return [f for f in frames if ARP in f and f[ARP].op == 2 and f[ARP].psrc == address]


# --- gateway ----------------------------------------------------------------

@pytest.mark.parametrize("gateway", ["10.1.1.1", "fd01:1::1", "fe80::1%eth0"])
@pytest.mark.parametrize("vm", ["near", "far"])
def test_the_gateway_is_the_same_everywhere(p, vm, gateway):
    received, text = ping(p[vm], gateway)
    assert received == 3, text
    rows = p[vm].ip_json("neigh", "show", "to", gateway.partition("%")[0], "dev", "eth0")
    assert rows[0]["lladdr"] == GATEWAY_MAC


def test_static_hosts_have_routes(p):
    assert p.site["xtr-a"].host_route("10.1.1.5") == "br-vms"
    assert p.site["xtr-a"].host_route("fd01:1::5") == "br-vms"


def test_local_eids_have_routes_and_neighbours(p):
    for vm, here, there in ((p.mover, "xtr-a", "xtr-b"), (p.far, "xtr-b", "xtr-a")):
        for eid in vm.vm[1:]:
            assert p.site[here].host_route(eid) == "br-vms"
            assert p.site[there].host_route(eid) is None
            rows = p[here].ip_json("neigh", "show", "to", eid, "dev", "br-vms")
            assert rows[0]["lladdr"] == vm.vm[0]


# --- what is elsewhere ------------------------------------------------------

@pytest.mark.parametrize("to", [FAR4, FAR6])
def test_a_host_at_the_other_site_is_as_if_on_link(p, to):
    """Its address is answered at once, not after the proxy's usual delay."""
    p.near.ip("neigh flush dev eth0")
    received, text = ping(p.near, to)
    assert received == 3, text
    first = float(text.partition("time=")[2].split()[0])
    assert first < 200, text                    # with it the lookup; else 350 to 700
    rows = p.near.ip_json("neigh", "show", "to", to, "dev", "eth0")
    assert rows[0]["lladdr"] == GATEWAY_MAC


@pytest.mark.parametrize("address", [FAR4, FAR6, "10.1.1.99", "fd01:1::99"])
def test_answers_for_what_is_elsewhere(p, address):
    answers = question(p.near, address)
    assert len(answers) == 1
    frame = answers[0]
    assert frame[Ether].src == GATEWAY_MAC
    if ARP in frame:
        assert frame[ARP].hwsrc == GATEWAY_MAC
    else:
        assert frame[IPv6].hlim == 255
        assert (frame[ICMPv6ND_NA].R, frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].O) == (0, 1, 0)
        assert frame[ICMPv6NDOptDstLLAddr].lladdr == GATEWAY_MAC


@pytest.mark.parametrize("address, source", [
    (FAR4, "0.0.0.0"), (FAR6, "::"),            # duplicate address detection
    ("10.1.1.5", None), ("fd01:1::5", None),    # static-hosts
    ("192.0.2.1", None),                        # another address of the xTR
    ("fd01:2::1", None),                        # not in the prefix
])
def test_keeps_silent(p, address, source):
    assert not question(p.near, address, source)


@pytest.mark.parametrize("address", ["10.1.1.20", "fd01:1::20"])
def test_a_local_eid_answers_for_itself(p, address):
    answers = question(p.near, address)
    assert [f[Ether].src for f in answers] == [p.mover.vm[0]]


def test_nobody_answers_for_an_arriving_ipv6_eid(p):
    vm = topology.vm_host(p.lab, "coming", p["xtr-a"], "52:54:00:01:01:28", None, None)
    vm.vm = ("52:54:00:01:01:28", "10.1.1.28", "fd01:1::28")
    assert question(p.near, "fd01:1::28")       # elsewhere
    p.cpm("hyp1", "arriving", vm, generation=0)
    assert p.site["xtr-a"].state("10.1.1.28/32") == "arriving"
    assert not question(p.near, "fd01:1::28")
    p.cpm("hyp1", "aborted", vm, generation=0, mac=False)
    assert question(p.near, "fd01:1::28")


# --- announcements ----------------------------------------------------------

def claims(frames, eid):
    """[(time, Ethernet source, MAC)] of gratuitous ARPs and unsolicited NAs."""
    found = []
    for f in frames:
        if ARP in f and f[ARP].psrc == f[ARP].pdst == eid:
            found.append((float(f.time), f[Ether].src, f[ARP].hwsrc))
        elif ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == eid and f[IPv6].dst == "ff02::1":
            assert f[ICMPv6ND_NA].O and not f[ICMPv6ND_NA].S
            found.append((float(f.time), f[Ether].src, f[ICMPv6NDOptDstLLAddr].lladdr))
    return found


def check_series(found, mac_address):
    assert [(source, m) for _, source, m in found] == [(GATEWAY_MAC, mac_address)] * 3
    pauses = [b[0] - a[0] for a, b in zip(found, found[1:])]
    assert 0.08 < pauses[0] < 0.5 and 0.35 < pauses[1] < 1, pauses    # 0.1, 0.4; load


def test_arrival_and_departure_are_announced(p):
    """An EID goes from A to B: A's segment hears the gateway's MAC, B's the VM's."""
    vm = topology.vm_host(p.lab, "walker", p["xtr-b"], "52:54:00:01:01:29",
                          "10.1.1.29", "fd01:1::29")
    p.cpm("hyp1", "present", vm)
    time.sleep(0.8)
    with captured(p.near, "eth0", "arp or icmp6") as at_a, \
            captured(p.far, "eth0", "arp or icmp6") as at_b:
        p.cpm("hyp2", "arrived", vm)
        time.sleep(1.2)
    for eid in vm.vm[1:]:
        check_series(claims(at_a, eid), GATEWAY_MAC)
        check_series(claims(at_b, eid), vm.vm[0])


def test_a_withdrawn_eid_is_not_announced(p):
    vm = p["walker"]
    with captured(p.far, "eth0", "arp or icmp6") as frames:
        p.cpm("hyp2", "absent", vm, generation=p.generation, mac=False)
        time.sleep(0.3)
    assert p.site["xtr-b"].host_route("10.1.1.29") is None
    assert not claims(frames, "10.1.1.29") and not claims(frames, "fd01:1::29")


# --- neighbours of a VM that moves ------------------------------------------

def neighbours(p, vm):
    return {n: p[n].ip_json("neigh", "show", "to", vm, "dev", "eth0")[0]["lladdr"]
            for n in ("near", "far")}


def move(p, vm, source, target, routers):
    """The order of a real migration: paused, unplugged, plugged, arrived, departed."""
    old, new = routers
    p.cpm(source, "paused", vm, generation=p.generation, mac=False)
    topology.unplug(vm)
    topology.plug(p.lab, vm, p[new])
    p.cpm(target, "arrived", vm)
    p.cpm(source, "departed", vm, generation=p.generation - 1, mac=False, check=False)
    net.wait_for(lambda: p.site[old].state(f"{vm.vm[1]}/32") == "away", 5,
                 f"{old} knows that {vm} is away", lab=p.lab)


@pytest.mark.parametrize("family", [1, 2])
def test_neighbours_of_a_moved_vm(p, family):
    """Both neighbours go on within a second, there and back (else 33.7 s)."""
    vm, eid = p.mover, p.mover.vm[family]
    p.cpm("hyp1", "present", vm)
    time.sleep(0.7)
    for n in ("near", "far"):
        assert ping(p[n], eid)[0] == 3
    assert neighbours(p, eid) == {"near": vm.vm[0], "far": GATEWAY_MAC}
    for source, target, routers, seen in (
            ("hyp1", "hyp2", ("xtr-a", "xtr-b"), {"near": GATEWAY_MAC, "far": vm.vm[0]}),
            ("hyp2", "hyp1", ("xtr-b", "xtr-a"), {"near": vm.vm[0], "far": GATEWAY_MAC})):
        streams = {n: probes.udp(p[n], f"stream-{n}", eid, rate=200) for n in ("near", "far")}
        time.sleep(0.3)
        move(p, vm, source, target, routers)
        time.sleep(1.5)
        for n, s in streams.items():
            result = s.result()
            print(f"{eid} {routers[0]} -> {routers[1]}, {n}: lost {result['lost']}, "
                  f"gap {result['gap_ms']:.0f} ms")
            assert result["tail_lost"] == 0, (n, routers, result)
            assert result["gap_ms"] < 1500, (n, routers, result)
        assert neighbours(p, eid) == seen


def test_a_burst_meets_a_resolved_neighbour(p):
    """600 long packets at once to a VM that has not said a word since it came."""
    silent = topology.vm_host(p.lab, "silent", p["xtr-a"], "52:54:00:01:01:1e",
                              "10.1.1.30", "fd01:1::30")
    silent.ip("link set eth0 arp off")          # answers no question
    p.cpm("hyp1", "present", silent)
    head = (Ether(dst=mac(p["xtr-a"], "uplink0")) / IP(src="198.51.100.1", dst="192.0.2.1")
            / UDP(sport=55555, dport=4341, chksum=0) / Raw(bytes(8)))
    for inner in (IP(src=FAR4, dst="10.1.1.30"), IPv6(src=FAR6, dst="fd01:1::30")):
        packet = bytes(head / inner / UDP(sport=9, dport=9) / Raw(bytes(1350)))
        with captured(silent, "eth0", "udp port 9") as frames:
            inject(p["core"], "xtr-a", *[packet] * 600)
        assert len(frames) == 600


def test_the_queue_of_an_unresolved_neighbour_is_long(p):
    for family in ("ipv4", "ipv6"):
        size = p["xtr-a"].out(["cat", f"/proc/sys/net/{family}/neigh/br-vms/unres_qlen_bytes"])
        assert int(size) >= 16 << 20


# --- restart and start ------------------------------------------------------

def test_a_restart_removes_what_is_stale(p):
    """EIDs that moved away while nobody was there to notice."""
    a = p["xtr-a"]
    a.ip("route add 10.1.1.66/32 dev br-vms proto 76",
         "route add fd01:1::66/128 dev br-vms proto 76",
         "route add 10.1.1.67/32 dev br-vms")   # not ours: stays
    p.site["xtr-a"].kill()
    p.site["xtr-a"].start()
    assert p.site["xtr-a"].host_route("10.1.1.66") is None
    assert p.site["xtr-a"].host_route("fd01:1::66") is None
    assert p.site["xtr-a"].host_route("10.1.1.67") == "br-vms"
    assert p.site["xtr-a"].host_route("10.1.1.21") == "br-vms"
    a.ip("route del 10.1.1.67/32 dev br-vms")
    net.wait_for(lambda: ping(p.near, FAR4, count=1)[0], 5, "all as before", lab=p.lab)


def test_a_reload_adds_and_removes_a_prefix(p):
    xtr, a = p.site["xtr-a"], p["xtr-a"]
    prefixes = xtr.conf["mobility"]["prefixes"]

    def there():
        text = a.out(["ip", "route"]) + a.out(["ip", "rule"]) + \
            a.out(["ip", "addr", "show", "dev", "br-vms"])
        return [w in text for w in ("10.1.2.0/24 dev lisp0", "unreachable 10.1.2.0/24",
                                    "from 10.1.2.0/24", "10.1.2.1/32", "10.1.2.5 dev br-vms")]

    assert there() == [False] * 5
    prefixes.append({**prefixes[0], "prefix": "10.1.2.0/24", "gateway": "10.1.2.1",
                     "static-hosts": ["10.1.2.5"]})
    xtr.reload()
    assert there() == [True] * 5
    prefixes.pop()
    xtr.reload()
    assert there() == [False] * 5
    assert ping(p.near, FAR4)[0] == 3


def test_a_reload_moves_a_segment(p):
    """The EIDs that are here move with it, and nothing is left behind."""
    xtr, a = p.site["xtr-a"], p["xtr-a"]
    prefixes = xtr.conf["mobility"]["prefixes"]
    ports = [x["ifname"] for x in a.ip_json("link", "show", "master", SEGMENT)]

    def segment(name, other):
        for prefix in prefixes:
            prefix["segment"] = name
        a.ip(*[f"link set {port} master {name}" for port in ports])
        xtr.reload()
        assert xtr.host_route(NEAR4) == name
        proxy_arp = f"/proc/sys/net/ipv4/conf/{other}/proxy_arp"
        assert a.out(["cat", proxy_arp]).strip() == "0"
        assert ping(p.near, FAR4)[0] == 3

    a.ip("link add br-new type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
         "link set br-new up")
    segment("br-new", SEGMENT)
    segment(SEGMENT, "br-new")
    a.ip("link del br-new")


def test_a_reload_that_cannot_be_changes_nothing(p):
    xtr = p.site["xtr-a"]
    prefixes = xtr.conf["mobility"]["prefixes"]
    before = xtr.show("config"), xtr.show("interfaces"), xtr.host_route(NEAR4)
    for prefix in prefixes:
        prefix["segment"] = "br-none"
    with pytest.raises(net.LabError, match=r"yaml:\d+:\d+: .*no interface 'br-none'"):
        xtr.reload()
    for prefix in prefixes:
        prefix["segment"] = SEGMENT
    assert (xtr.show("config"), xtr.show("interfaces"), xtr.host_route(NEAR4)) == before
    assert ping(p.near, FAR4)[0] == 3


@pytest.mark.parametrize("device", ["br-vms", "lisp0"])
def test_an_interface_down_and_up_again(p, device):
    """The kernel drops what was installed on it; it is installed again."""
    a = p["xtr-a"]
    before = sorted(a.out(["ip", "route", "show", "dev", device]).splitlines())
    assert before
    a.ip(f"link set {device} down")
    a.ip(f"link set {device} up")
    net.wait_for(
        lambda: sorted(a.out(["ip", "route", "show", "dev", device]).splitlines()) == before,
        5, f"the routes of {device} are back", lab=p.lab)
    net.wait_for(lambda: ping(p.near, FAR4, count=1)[0], 5, "all as before", lab=p.lab)


def test_show_interfaces(p):
    rows = [r for r in p.site["xtr-a"].show("interfaces") if r["kind"] == "segment"]
    assert [(r["name"], r["mac"], r["up"]) for r in rows] == [("br-vms", GATEWAY_MAC, True)] * 2
    assert {r["address"] for r in rows} == {"10.1.1.1", "fd01:1::1"}


def test_a_missing_interface_is_named(p):
    xtr = p.site["xtr-b"]
    xtr.stop()
    xtr.conf["mobility"]["prefixes"][0]["segment"] = "br-none"
    with pytest.raises(net.LabError) as e:
        xtr.start()
    assert "there is no interface 'br-none', the segment of 10.1.1.0/24" in str(e.value)
    xtr.conf["mobility"]["prefixes"][0]["segment"] = "br-vms"
    xtr.start()
