# SPDX-License-Identifier: Apache-2.0
"""Several mapping systems, several keys, records as large as they get.

    xtr-a, xtr-c, xtr-d -- core -- ms   corp   HMAC-SHA-256-128
                            |  --  ms2  lab    HMAC-SHA-256-128+HKDF
                            |  --  ms3  old    HMAC-SHA-1-96, key-id 0, no replay check
                            |  --  ms4  asis   the untruncated HMAC-SHA-256

10.3.0.0/24 of xtr-c is in all four; each other prefix of xtr-a in one of them.
"""

import pytest

from tests.lab import daemons, net, probes, topology

SYSTEMS = {     # its node, address there, gateway, how its key is used
    "corp": ("ms", "192.0.2.129", None, {"key-id": 1}),
    "lab": ("ms2", "198.51.100.129", "198.51.100.130",
            {"key-id": 7, "algorithm": "hmac-sha256-128-hkdf"}),
    "old": ("ms3", "198.51.100.133", "198.51.100.134",
            {"key-id": 0, "algorithm": "hmac-sha1-96", "replay-check": False}),
    "asis": ("ms4", "198.51.100.137", "198.51.100.138", {"key-id": 3, "auth-length": 32}),
}
PREFIX_OF = {"corp": "10.21.0.0/16", "lab": "10.22.0.0/16", "old": "10.23.0.0/16",
             "asis": "10.24.0.0/16"}
EVERYWHERE = "10.3.0.0/24"
MANY = "10.25.0.0/16"
N4, N6 = 128, 127       # RLOCs of each family: 255 in all
C4 = "203.0.113.1"


def key(keys, system, site, name=""):
    return {**SYSTEMS[system][3], "key-file": keys(f"{site}-{system}{name}")}


def map_server_conf(keys, system):
    node, address, *_ = SYSTEMS[system]
    prefixes = [{"prefix": p} for p in (PREFIX_OF[system], MANY)]
    return {
        "site": {"name": node, "rlocs": [{"address": address}]},
        "map-server": {"locators-max": 255, "sites": [
            {"name": "dc1", **key(keys, system, "dc1"), "prefixes": prefixes},
            {"name": "client-c", **key(keys, system, "client-c"),
             "prefixes": [{"prefix": EVERYWHERE}]}]},
        "map-resolver": {},
        "dataplane": {"kind": "none"},
    }


def mapping_system(keys, system, site):
    address = SYSTEMS[system][1]
    space = [PREFIX_OF[system], *([EVERYWHERE, MANY] if system == "corp" else [])]
    return {"name": system, "map-resolvers": [address], "eid-space": space,
            "map-servers": [{"address": address, **key(keys, system, site)}]}


def client_conf(keys, name, eids):
    site = daemons.SITES[name]
    return {
        "site": {"name": site, "rlocs": daemons.site_rlocs(name)},
        "mapping-systems": [mapping_system(keys, s, site) for s in SYSTEMS],
        "eids": eids,
        "dataplane": {"kind": "tun", "device": "lisp0"},
    }


def many_rlocs():
    return [f"172.20.0.{i}" for i in range(1, N4 + 1)] + \
           [f"2001:db8:a:1::{i:x}" for i in range(1, N6 + 1)]


class World(dict):
    def __init__(self, lab):
        super().__init__()
        self.lab, self.keys = lab, daemons.Keys(lab)
        for system, (node, *_) in SYSTEMS.items():
            self[system] = daemons.Xtr(lab.nodes[node], map_server_conf(self.keys, system))
        own = [{"prefix": p, "mapping-system": s} for s, p in PREFIX_OF.items()]
        self["xtr-a"] = daemons.Xtr(lab.nodes["xtr-a"], client_conf(self.keys, "xtr-a", own))
        self["xtr-c"] = daemons.Xtr(lab.nodes["xtr-c"], client_conf(
            self.keys, "xtr-c", [{"prefix": EVERYWHERE, "mapping-system": list(SYSTEMS)}]))
        for x in self.values():
            x.start()

    def registration(self, system, eid):
        return self[system].registration(eid)

    def wait(self, system, eid, rlocs):
        net.wait_for(lambda: (row := self.registration(system, eid)) and
                     daemons.usable(row["locators"]) == sorted(rlocs),
                     20, f"{system} has {eid}", lab=self.lab)

    def asked(self, system):
        """Map-Requests that the mapping system has had."""
        return sum(row["value"] for row in self[system].show("counters")
                   if row["name"] == "map-request.forwarded")


@pytest.fixture(scope="module")
def w():
    with net.Lab() as lab:
        nodes = topology.build(lab, hypervisors=False)
        core = nodes["core"]
        for node, address, gateway, _ in SYSTEMS.values():
            if not gateway:
                continue
            n = lab.node(node)
            lab.link(n, "uplink0", core, node)
            n.ip(f"addr add {address}/30 dev uplink0", f"route add default via {gateway}")
            core.ip(f"addr add {gateway}/30 dev {node}")
        # Hosts of xtr-a's site.
        nodes["xtr-a"].ip("link add eids0 type bridge", "link set eids0 up",
                          *[f"addr add 10.{n}.0.1/16 dev eids0" for n in range(22, 26)])
        topology.host(lab, "host-a", nodes["xtr-a"], "lan0", "10.21.0.10", "10.21.0.1")
        nodes["host-a"].start("echo", [probes.probe("guestd")])
        yield World(lab)


def test_one_prefix_in_four_systems(w):
    for system in SYSTEMS:
        w.wait(system, EVERYWHERE, [C4])


def test_each_prefix_where_it_belongs(w):
    for system, prefix in PREFIX_OF.items():
        w.wait(system, prefix, topology.rlocs("xtr-a"))
        for other in SYSTEMS:
            if other != system:
                assert w.registration(other, prefix) is None


def test_the_eid_space_says_whom_to_ask(w):
    for system, prefix in PREFIX_OF.items():
        before = {s: w.asked(s) for s in SYSTEMS}
        host = prefix.replace("0.0/16", "0.1")
        assert w.lab.nodes["peer-c"].ok(["ping", "-n", "-c1", "-W5", host])
        assert w["xtr-c"].cached(prefix) == sorted(topology.rlocs("xtr-a"))
        asked = {s: w.asked(s) - before[s] for s in SYSTEMS}
        # xtr-a asks corp for 10.3.0.0/24, once.
        assert asked.pop(system) > 0
        assert not any(n for s, n in asked.items() if s != "corp"), asked


@pytest.mark.parametrize("first", ["server", "xtr"])
def test_key_roll_over_under_traffic(w, first):
    """No registration is lost, no packet, whoever has the new key first."""
    new = {"key-id": 40 if first == "server" else 41, "algorithm": "hmac-sha256-128-hkdf",
           "key-file": w.keys(f"client-c-corp-{first}")}
    server = next(s for s in w["corp"].conf["map-server"]["sites"] if s["name"] == "client-c")
    xtr = w["xtr-c"].conf["mapping-systems"][0]["map-servers"][0]
    eid = w["xtr-c"].conf["eids"][0]
    old = {k: xtr.get(k, "hmac-sha256-128") for k in ("key-id", "key-file", "algorithm")}
    traffic = probes.udp(w.lab.nodes["peer-c"], f"roll-{first}", "10.21.0.10", rate=1000)

    def reload(name):
        w[name].reload()
        assert w.registration("corp", EVERYWHERE)

    def registers(hours, key_id):
        """A change is registered, signed with this key."""
        eid["ttl"] = f"{hours}h"
        reload("xtr-c")
        net.wait_for(lambda: (row := w.registration("corp", EVERYWHERE)) and
                     (row["ttl_min"], row["key_id"]) == (hours * 60, key_id),
                     30, f"registered under key-id {key_id}", lab=w.lab)

    if first == "server":
        server["keys"] = [new]
        reload("corp")
        xtr["keys"] = [new]
        registers(2, new["key-id"])     # it is the stronger one
    else:
        xtr.update(new, keys=[old])
        registers(3, old["key-id"])     # asked in vain, then with the old one
        server["keys"] = [new]
        reload("corp")
    for side in (server, xtr):          # the old one goes
        side.pop("keys")
        side.update(new)
    reload("corp")
    registers(4, new["key-id"])
    result = traffic.result()
    assert result["received"] > 20 and result["lost"] == 0, result


def test_255_locators(w):
    """A record that needs IP fragments, registered, asked for and used."""
    a, core = w.lab.nodes["xtr-a"], w.lab.nodes["core"]
    for r in many_rlocs():
        a.ip(f"addr add {r} dev lo")
    core.ip("route add 172.20.0.0/24 via 192.0.2.1",
            "route add 2001:db8:a:1::/64 via 2001:db8:a::1")
    conf = w["xtr-a"].conf
    conf["site"]["rlocs"] = [{"address": r} for r in many_rlocs()]
    conf["site"]["xtr-id"] = "00000000-0000-0000-0000-ffffc0000201"     # as it was derived
    conf["eids"].append({"prefix": MANY, "mapping-system": "corp"})
    w["xtr-a"].reload()
    w.wait("corp", MANY, many_rlocs())
    assert w.lab.nodes["peer-c"].ok(["ping", "-n", "-c3", "-W5", "10.25.0.1"])
    assert len(w["xtr-c"].cached(MANY)) == N4 + N6
    # Flows go to many of them.
    capture, path = core.capture("xtr-c", filter="udp port 4341")
    for i in range(40):
        w.lab.nodes["peer-c"].run(["ping", "-n", "-c1", "-W0.1", f"10.25.{i}.1"], check=False)
    capture.stop()
    out = core.out(["tshark", "-r", path, "-Y", "udp.dstport == 4341 && ip.src == " + C4,
                    "-T", "fields", "-E", "occurrence=f", "-e", "ip.dst"])
    assert len(set(out.split()) & set(many_rlocs())) >= 15
