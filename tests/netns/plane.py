# SPDX-License-Identifier: Apache-2.0
"""The standard network with the data plane in both families, without libvirt.

    with plane() as p:
        p.present("xtr-a", vm, generation=...)     # a CPM of that site's agent

What is captured is read with scapy; Ethernet frames come as they were on the
wire of the uplink.
"""

import contextlib
import sys
import time
from pathlib import Path

import pytest

from tests.lab import daemons, net, probes, topology
from tests.lab.topology import GATEWAY_MAC, HYPERVISORS, MOBILE6, PREFIXES, SEGMENT

HERE = Path(__file__).resolve().parent
GATEWAY6 = "fd01:1::1"
LINK_LOCAL_GATEWAY = "fe80::1"
EID_SPACE = ("10.1.1.", "10.3.0.", "10.4.0.", "fd01:")


class Plane:
    def __init__(self, lab, site):
        self.lab, self.site = lab, site
        self.generation = int(time.time() * 1000)

    def __getitem__(self, node):
        return self.lab.nodes[node]

    def cpm(self, hypervisor, reason, vm, generation=None, mac=True, check=True):
        """A CPM for all EIDs of a vm_host; returns its Ack's exit status."""
        router, _, gateway, _ = HYPERVISORS[hypervisor]
        mac_address, v4, v6 = vm.vm
        if generation is None:
            self.generation += 1
            generation = self.generation
        argv = [sys.executable, HERE / "cpm.py", "--to", gateway, "--reason", reason,
                "--host-id", daemons.virt.HOST_IDS[hypervisor],
                "--key", self.site.keys(hypervisor), "--generation", generation,
                *(["--mac", mac_address] if mac else []), *(e for e in (v4, v6) if e)]
        p = self[hypervisor].run(argv, check=False)
        if check and p.returncode:
            raise net.LabError(f"CPM {reason} to {router}: {p.stdout}{p.stderr}\n"
                               f"{self.lab.log_tails()}")
        return p.returncode

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
    try:
        lab = net.Lab()
    except net.Unable as e:
        pytest.skip(str(e))
    with lab:
        try:
            topology.build(lab)
            site = daemons.Site(lab)
            two_families(site)
            if configure:
                configure(site)
            site.start(*names)
        except net.Unable as e:
            pytest.skip(str(e))
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


INJECT = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line))
"""


def inject(node, iface, *frames):
    """Sends frames (scapy's, or bytes) out of an interface."""
    node.run([sys.executable, "-S", "-c", INJECT, iface],
             stdin="".join(bytes(f).hex() + "\n" for f in frames))


def mac(node, iface):
    return node.ip_json("link", "show", "dev", iface)[0]["address"]
