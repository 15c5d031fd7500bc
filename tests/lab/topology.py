# SPDX-License-Identifier: Apache-2.0
"""The standard network: two data centres, two client sites, a Map-Server.

PICTURE below is what the demonstration prints.  All nodes are namespaces.  The
uplink of every LISP node is `uplink0` and its default gateway is `core`, which
knows the RLOC links only: a packet that leaves a site with an EID as destination
dies there, so nothing works by accident.

The mobile prefixes 10.1.1.0/24 and fd01:1::/64 live behind xtr-a and xtr-b.
Their gateway address and MAC on br-vms are xtrd's business and not set here.
"""

from .net import Lab

PICTURE = r"""
      data centre dc1                                       data centre dc2
  +----------------------+                              +----------------------+
  | hyp1  libvirtd, QEMU |== migration 172.31.255.0/30 ==| hyp2  libvirtd, QEMU |
  |       vmagent        |                              |       vmagent        |
  |  [VM 10.1.1.10] - - -|- - - virsh migrate --live - -|- - > [VM 10.1.1.10]  |
  +--br-vms------eth0----+                              +--br-vms------eth0----+
       |       10.0.0.11                                     |       10.0.1.11
       | EIDs      | management                              | EIDs      | management
  +--br-vms-----mgmt0----+                              +--br-vms-----mgmt0----+
  | xtr-a           xtrd |                              | xtr-b           xtrd |
  +-------uplink0--------+                              +-------uplink0--------+
   192.0.2.1 | 2001:db8:a::1                     198.51.100.1 | 2001:db8:b::1
             |                                                |
        =====+====================== core ====================+=====
             |                        |                       |
   203.0.113.1 (IPv4 only)   192.0.2.129, 2001:db8:ff::1   2001:db8:d::1 (IPv6 only)
  +-------uplink0--------+   +--uplink0--------------+   +-------uplink0--------+
  | xtr-c           xtrd |   | ms  xtrd: Map-Server, |   | xtr-d           xtrd |
  +--------lan0----------+   |     Map-Resolver      |   +--------lan0----------+
            |                +-----------------------+             |
     peer-c 10.3.0.10                                       peer-d 10.4.0.10
      client site c                                          client site d
"""

# The EIDs
MOBILE4, MOBILE6 = "10.1.1.0/24", "fd01:1::/64"
GATEWAY4, GATEWAY_MAC = "10.1.1.1", "02:00:5e:00:01:01"
GUEST4, GUEST6 = "10.1.1.10", "fd01:1::10"
SEGMENT = "br-vms"

# uplink0 of each LISP node: (address/length, gateway) per family; None: has none
UPLINKS = {
    "xtr-a": (("192.0.2.1/30", "192.0.2.2"), ("2001:db8:a::1/64", "2001:db8:a::fe")),
    "xtr-b": (("198.51.100.1/30", "198.51.100.2"), ("2001:db8:b::1/64", "2001:db8:b::fe")),
    "xtr-c": (("203.0.113.1/30", "203.0.113.2"), None),
    "xtr-d": (None, ("2001:db8:d::1/64", "2001:db8:d::fe")),
    "ms": (("192.0.2.129/30", "192.0.2.130"), ("2001:db8:ff::1/64", "2001:db8:ff::fe")),
}
UPLINK_MTU = 1500

# Hosts behind the client sites: node, its router, its address, the router's
PEERS = {
    "peer-c": ("xtr-c", "10.3.0.10", "10.3.0.1", "fd01:3::10", "fd01:3::1"),
    "peer-d": ("xtr-d", "10.4.0.10", "10.4.0.1", "fd01:4::10", "fd01:4::1"),
}
PREFIXES = {"xtr-c": ("10.3.0.0/24", "fd01:3::/64"), "xtr-d": ("10.4.0.0/24", "fd01:4::/64")}

# Hypervisors: node -> (its router, address, the router's mgmt0, migration address)
HYPERVISORS = {
    "hyp1": ("xtr-a", "10.0.0.11", "10.0.0.1", "172.31.255.1"),
    "hyp2": ("xtr-b", "10.0.1.11", "10.0.1.1", "172.31.255.2"),
}
ROUTERS = tuple(n for n in UPLINKS if n != "ms")


def rlocs(node):
    """The RLOCs of a LISP node, IPv4 first, without the length."""
    return [link[0].split("/")[0] for link in UPLINKS[node] if link]


def other(hypervisor):
    return "hyp2" if hypervisor == "hyp1" else "hyp1"


def router_of(node):
    return (HYPERVISORS.get(node) or PEERS[node])[0]


def build(lab: Lab, hypervisors=True, uplink_mtu=UPLINK_MTU):
    """Makes the standard network in 'lab'; returns its nodes by name.

    Without hypervisors the segments of xtr-a and xtr-b are there all the same,
    empty, for vm_host().
    """
    core = lab.node("core")
    forwarding(core)
    for name in UPLINKS:
        uplink(lab, name, uplink_mtu)
    for name, (router, v4, gw4, v6, gw6) in PEERS.items():
        host(lab, name, lab.node(router), "lan0", v4, gw4, v6, gw6)
    if hypervisors:
        for name, (router, address, gateway, _) in HYPERVISORS.items():
            hypervisor(lab, name, lab.node(router), address, gateway)
        migration_link(lab)
    else:
        for name in ("xtr-a", "xtr-b"):
            segment(lab, lab.node(name))
    return lab.nodes


def forwarding(node):
    node.sysctl({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})


def uplink(lab, name, mtu=UPLINK_MTU):
    """A LISP node with its uplink0 to core; the xTRs forward, the ms does not."""
    core, node = lab.node("core"), lab.node(name)
    lab.link(node, "uplink0", core, name, mtu=mtu)
    if name != "ms":
        forwarding(node)
    for link, default in zip(UPLINKS[name], ("0.0.0.0/0", "::/0")):
        if link:
            address, gateway = link
            node.ip(f"addr add {address} dev uplink0",
                    f"route add {default} via {gateway} dev uplink0")
            core.ip(f"addr add {gateway}/{address.split('/')[1]} dev {name}")
        elif default == "::/0":
            node.sysctl({"net/ipv6/conf/uplink0/disable_ipv6": 1})


def host(lab, name, router, port, v4, gw4, v6=None, gw6=None):
    """A host with eth0 on a link to 'router', whose end is called 'port'."""
    node = lab.node(name)
    lab.link(router, port, node, "eth0")
    router.ip(f"addr add {gw4}/24 dev {port}")
    node.ip(f"addr add {v4}/24 dev eth0", f"route add default via {gw4}")
    if v6:
        router.ip(f"addr add {gw6}/64 dev {port}")
        node.ip(f"addr add {v6}/64 dev eth0", f"route add default via {gw6}")
    return node


def segment(lab, node, ports=()):
    lab.bridge(node, SEGMENT, ports)


def hypervisor(lab, name, router, address, gateway):
    """A hypervisor: eth0 for management, br-vms for its guests."""
    node = lab.node(name)
    lab.link(node, "eth0", router, "mgmt0")
    node.ip(f"addr add {address}/24 dev eth0", f"route add default via {gateway}")
    router.ip(f"addr add {gateway}/24 dev mgmt0")
    lab.link(node, "seg0", router, "seg0")
    for n in (node, router):
        segment(lab, n, ["seg0"])
    # The host has no address on its guests' segment, and wants none.
    node.sysctl({f"net/ipv6/conf/{SEGMENT}/disable_ipv6": 1})
    return node


def migration_link(lab):
    """The link between the hypervisors that carries nothing but migrations."""
    (a, b) = (lab.node(n) for n in HYPERVISORS)
    lab.link(a, "mig0", b, "mig0")
    for node in (a, b):
        node.ip(f"addr add {HYPERVISORS[node.name][3]}/30 dev mig0")


def build_bridged(lab: Lab):
    """The reference: the same guest and peers on one stretched bridge, no LISP.

        hyp1 br-vms ---+                 +--- peer-c 10.1.1.203
                       +-- core br-lan --+
        hyp2 br-vms ---+                 +--- peer-d 10.1.1.204
    """
    core = lab.node("core")
    lab.bridge(core, "br-lan")
    for name in HYPERVISORS:
        node = lab.node(name)
        lab.link(node, "seg0", core, name)
        lab.bridge(node, SEGMENT, ["seg0"])
        node.sysctl({f"net/ipv6/conf/{SEGMENT}/disable_ipv6": 1})
        core.ip(f"link set {name} master br-lan")
    for number, name in enumerate(PEERS, 203):
        node = lab.node(name)
        lab.link(node, "eth0", core, name)
        core.ip(f"link set {name} master br-lan")
        node.ip(f"addr add 10.1.1.{number}/24 dev eth0")
    migration_link(lab)
    return lab.nodes


def vm_host(lab, name, router, mac="52:54:00:01:01:20", v4="10.1.1.20", v6=None):
    """A namespace that plays a VM on the segment of 'router', without libvirt.

    It moves by unplug() and plug(): its sockets live on, as a guest's do.
    """
    node = lab.node(name)
    node.vm = (mac, v4, v6)
    plug(lab, node, router)
    return node


def plug(lab, node, router):
    """Puts a vm_host() on the segment of a router; it announces nothing."""
    mac, v4, v6 = node.vm
    port = f"v-{node.name}"[:15]
    lab.link(node, "eth0", router, port)
    router.ip(f"link set {port} master {SEGMENT}")
    node.ip(f"link set eth0 down address {mac}", "link set eth0 up")
    if v4:
        node.ip(f"addr add {v4}/24 dev eth0", f"route add default via {GATEWAY4}")
    if v6:
        node.ip(f"addr add {v6}/64 dev eth0", "route add default via fe80::1 dev eth0")


def unplug(node):
    node.ip("link del eth0")
