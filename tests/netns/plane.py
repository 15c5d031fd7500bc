# SPDX-License-Identifier: Apache-2.0
"""The standard network with the data plane in both families, without libvirt.

    with plane() as p:
        p.present("xtr-a", vm, generation=...)     # a CPM of that site's agent

What is captured is read with scapy; Ethernet frames come as they were on the
wire of the uplink.
"""

import contextlib
import socket
import time

from tests.lab import cpm, daemons, net, probes, topology
from tests.lab.topology import GATEWAY_MAC, HYPERVISORS, MOBILE6, PREFIXES, SEGMENT

GATEWAY6 = "fd01:1::1"
LINK_LOCAL_GATEWAY = "fe80::1"
EID_SPACE = ("10.1.1.", "10.3.0.", "10.4.0.", "fd01:")


class Plane:
    def __init__(self, lab, site):
        self.lab, self.site = lab, site
        self.generation, self.agents = cpm.generation(), {}

    def __getitem__(self, node):
        return self.lab.nodes[node]

    def cpm(self, hypervisor, reason, vm, generation=None, mac=True, check=True):
        """A CPM for all EIDs of a vm_host; a new generation unless one is given."""
        router, _, gateway, _ = HYPERVISORS[hypervisor]
        if hypervisor not in self.agents:
            self.agents[hypervisor] = cpm.Agent(
                self[hypervisor], gateway, daemons.virt.HOST_IDS[hypervisor],
                self.site.keys(hypervisor), key_id=11)
        if generation is None:
            self.generation += 1
            generation = self.generation
        ack = self.agents[hypervisor].send(reason, generation, [e for e in vm.vm[1:] if e],
                                           mac=vm.vm[0] if mac else None)
        if check and ack.status not in (cpm.DONE, cpm.NOTHING):
            raise net.LabError(f"CPM {reason} to {router}: {ack}")
        return ack

    def vm(self, name, number, router):
        """A VM with both families on the segment of a router, and echo on port 7."""
        node = topology.vm_host(self.lab, name, self[router], f"52:54:00:01:01:{number:02x}",
                                f"10.1.1.{number}", f"fd01:1::{number}")
        node.start("echo", [probes.probe("guestd")])
        return node

    def counter(self, xtr, name):
        rows = self.site[xtr].show("counters", name=name)
        return rows[0]["value"] if rows else 0


def two_families(site):
    """Adds the IPv6 prefixes of the topology to the configurations of a Site."""
    for name, xtr in site.items():
        conf = xtr.conf
        if "mobility" in conf:
            m = conf["mobility"]
            m["prefixes"].append({"prefix": MOBILE6, "mapping-system": daemons.SYSTEM,
                                  "segment": SEGMENT, "gateway": GATEWAY6,
                                  "mac": GATEWAY_MAC})
            for part in m["hypervisors"] + m["sites"]:
                part["prefixes"] = part["prefixes"] + [MOBILE6]
        elif "eids" in conf:
            conf["eids"].append({"prefix": PREFIXES[name][1],
                                 "mapping-system": daemons.SYSTEM})
    names = {site_name: node for node, site_name in daemons.SITES.items()}
    for s in site["ms"].conf["map-server"]["sites"]:
        node = names[s["name"]]
        s["prefixes"].append({"prefix": MOBILE6, "accept-more-specifics": True,
                              "mobile": True} if node in daemons.DATA_CENTRES
                             else {"prefix": PREFIXES[node][1]})


@contextlib.contextmanager
def plane(*names, configure=None):
    """A running network; 'names' as for Site.start(), all by default."""
    with net.Lab() as lab:
        topology.build(lab)
        site = daemons.Site(lab)
        two_families(site)
        if configure:
            configure(site)
        site.start(*names)
        yield Plane(lab, site)


@contextlib.contextmanager
def captured(node, iface, filter=""):
    """Captures while the block runs; yields a list that has the frames after."""
    from scapy.utils import rdpcap

    process, path = node.capture(iface, f"capture-{iface}-{time.time_ns()}", filter)
    frames = []
    try:
        yield frames
        time.sleep(0.3)         # dumpcap writes what it has
    finally:
        process.stop()
    frames.extend(rdpcap(str(path)))
    path.unlink()


def ping(node, to, *options, count=3, interval=0.05):
    """(received, output) of ping."""
    p = node.run(["ping", "-n", "-c", count, "-i", interval, "-W", "1", *options, to],
                 check=False)
    received = [line for line in p.stdout.splitlines() if "bytes from" in line]
    return len(received), p.stdout + p.stderr


def inject(node, iface, *frames):
    """Sends frames (scapy's, or bytes) out of an interface."""
    with cpm.socket_in(node, socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((iface, 0))
        for f in frames:
            s.send(bytes(f))


def mac(node, iface):
    return node.ip_json("link", "show", "dev", iface)[0]["address"]
