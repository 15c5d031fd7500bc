# SPDX-License-Identifier: Apache-2.0
"""xtrd and vmagent on the standard network: files, start, questions.

    site = Site(lab)                      # keys and one Xtr per LISP node
    site.start()                          # the Map-Server first
    site["xtr-a"].show("eids")            # rows of `xtrctl --json show eids`
    site["xtr-a"].conf["itr"] = {...}     # before start(), or then reload()

Everything of a daemon is in /run/lisp-lab/NAME/NODE/: xtrd.yaml, state/,
xtrd.sock; its log is NODE-xtrd.log.
"""

import json
import os
import re
import secrets
import signal

from . import net, topology, virt
from .probes import program
from .topology import HYPERVISORS, MOBILE4, PREFIXES, UPLINKS, rlocs

SITES = {"xtr-a": "dc1", "xtr-b": "dc2", "xtr-c": "client-c", "xtr-d": "client-d"}
DATA_CENTRES = ("xtr-a", "xtr-b")
SYSTEM = "corp"
PLAIN = re.compile(r"[A-Za-z/][\w./-]*|\d+\.\d+\.\d+\.\d+(/\d+)?")


# --- YAML -------------------------------------------------------------------

def yaml(value, indent=0):
    """Block-style YAML of dicts, lists and scalars, short dicts in one line."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(
            f"{pad}{k}:\n{yaml(v, indent + 1)}" if isinstance(v, (dict, list)) and v
            else f"{pad}{k}: {_scalar(v)}\n" for k, v in value.items())
    out = ""
    for v in value:
        if not isinstance(v, dict):
            out += f"{pad}- {_scalar(v)}\n"
        elif any(isinstance(x, (dict, list)) for x in v.values()):
            out += f"{pad}- {yaml(v, indent + 1).lstrip()}"
        else:
            out += f"{pad}- {{ {', '.join(f'{k}: {_scalar(x)}' for k, x in v.items())} }}\n"
    return out


def _scalar(value):
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return value
    return json.dumps(value)


# --- daemons ----------------------------------------------------------------

class Daemon:
    """A daemon with a configuration, a control socket and a state directory."""

    program = None

    def __init__(self, node, place, conf):
        self.node, self.lab, self.conf = node, node.lab, conf
        self.dir = place
        self.dir.mkdir(exist_ok=True)
        self.socket = self.dir / f"{self.program}.sock"
        self.file = self.dir / f"{self.program}.yaml"
        self.process = None
        conf["control"] = {"socket": str(self.socket)}
        conf["state"] = {"directory": str(self.dir / "state")}

    def write(self):
        self.file.write_text(yaml(self.conf))

    def _spawn(self, argv):
        return self.node.start(self.program, argv)

    def start(self, timeout=15, *options):
        """Writes the configuration, starts, waits until it answers."""
        self.write()
        argv = [program(self.program), "-f", self.file, *options]
        if os.environ.get("LAB_DEBUG"):
            argv += ["-d", "debug"]
        self.process = self._spawn(argv)
        self.wait_answers(timeout)

    def wait_answers(self, timeout=15):
        def fact():
            if not self.process.alive():
                return True
            return self.answers()
        net.wait_for(fact, timeout, f"{self.program} on {self.node} answers", lab=self.lab)
        if not self.process.alive():
            raise net.LabError(f"{self.program} on {self.node} ended\n{self.process.tail()}")

    def answers(self):
        return self.ctl("show", "counters", check=False) is not None

    def ctl(self, *words, check=True, timeout=15):
        """The rows that xtrctl prints for a command; None if check is off and
        it failed."""
        p = net.run([program("xtrctl"), "-s", self.socket, "--json", *words],
                    check=False, timeout=timeout)
        try:
            answer = json.loads(p.stdout)
        except ValueError:
            answer = {"ok": False, "error": p.stderr.strip() or p.stdout.strip()}
        if p.returncode == 0 and answer.get("ok"):
            return answer.get("rows", [])
        if check:
            raise net.LabError(f"{self.node}: xtrctl {' '.join(map(str, words))}: status "
                               f"{p.returncode}, {answer.get('error')}")
        return None

    def show(self, what, **match):
        """Rows of `show WHAT`, only those with these values, e.g. eid="…"."""
        return [r for r in self.ctl("show", what)
                if all(r.get(k) == v for k, v in match.items())]

    def reload(self):
        self.write()
        self.ctl("reload")

    def stop(self):
        return self.process.stop()

    def kill(self):
        """kill -9, as a crash."""
        self.process.signal(signal.SIGKILL)
        self.process.popen.wait(10)


class Xtr(Daemon):
    program = "xtrd"

    def __init__(self, node, conf):
        super().__init__(node, node.lab.run_dir / node.name, conf)

    def _spawn(self, argv):
        return self.node.start(self.program, [*net.own_machine(), *argv])

    # The facts the tests and the demonstration ask for

    def eid(self, eid):
        rows = self.show("eids", eid=eid)
        return rows[0] if rows else None

    def state(self, eid):
        row = self.eid(eid)
        return row["state"] if row else "absent"

    def cached(self, eid):
        """The usable RLOCs that the map-cache has for an EID, sorted."""
        for row in self.show("map-cache", eid=eid):
            return usable(row["locators"])
        return []

    def registration(self, eid):
        rows = self.show("registrations", eid=eid)
        return rows[0] if rows else None

    def move(self, eid, generation=None):
        """The newest move record of an EID, or that of one generation."""
        rows = [r for r in self.show("moves", eid=eid)
                if generation is None or r["generation"] == generation]
        return max(rows, key=lambda r: r["generation"], default=None)

    def host_route(self, address):
        """The interface of the host route for an address; None: there is none."""
        length = 128 if ":" in address else 32
        for family in ("-4", "-6"):
            if (family == "-6") != (length == 128):
                continue
            for r in self.node.ip_json(family, "route", "show", "table", "all"):
                if r.get("dst") in (address, f"{address}/{length}") and \
                        r.get("type", "unicast") == "unicast":
                    return r.get("dev")
        return None


class Agent(Daemon):
    """vmagent on a Hypervisor, in its namespaces."""

    program = "vmagent"

    def __init__(self, hypervisor, conf):
        self.hypervisor = hypervisor
        super().__init__(hypervisor.node, hypervisor.private / "agent", conf)

    def _spawn(self, argv):
        return self.hypervisor.start(self.program, argv)

    def answers(self):
        return self.ctl("show", "vms", check=False) is not None


def usable(locators):
    """The addresses of the locators that may be used, sorted."""
    return sorted(x["rloc"] for x in locators
                  if x.get("priority", 1) != 255 and x.get("reachable", True))


# --- the standard configuration ---------------------------------------------

class Keys:
    """One 0600 file per secret."""

    def __init__(self, lab):
        self.dir = lab.run_dir / "keys"
        self.dir.mkdir(mode=0o700)

    def __call__(self, name):
        path = self.dir / name
        if not path.exists():
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as f:
                f.write(secrets.token_hex(24) + "\n")
        return str(path)


def site_rlocs(name):
    return [{"address": a, "interface": "uplink0", "priority": 1, "weight": 100}
            for a in rlocs(name)]


def map_server_of(name):
    """The Map-Server's address in a family that the node has; IPv4 first."""
    return rlocs("ms")[0 if UPLINKS[name][0] else 1]


def mapping_systems(name, keys):
    ms = map_server_of(name)
    return [{"name": SYSTEM,
             "map-servers": [{"address": ms, "key-id": 1,
                              "key-file": keys(f"{SITES[name]}-{SYSTEM}"),
                              "algorithm": "hmac-sha256-128"}],
             "map-resolvers": [ms]}]


def client_conf(name, keys):
    return {
        "site": {"name": SITES[name], "rlocs": site_rlocs(name)},
        "mapping-systems": mapping_systems(name, keys),
        "eids": [{"prefix": PREFIXES[name][0], "mapping-system": SYSTEM}],
        "dataplane": {"kind": "tun", "device": "lisp0"},
    }


def data_centre_conf(name, keys):
    other = [n for n in DATA_CENTRES if n != name][0]
    hypervisor = next(h for h, facts in HYPERVISORS.items() if facts[0] == name)
    others = rlocs(other)
    return {
        "site": {"name": SITES[name], "rlocs": site_rlocs(name)},
        "mapping-systems": mapping_systems(name, keys),
        "mobility": {
            "prefixes": [{"prefix": MOBILE4, "instance-id": 0,
                          "mapping-system": SYSTEM, "segment": topology.SEGMENT,
                          "gateway": topology.GATEWAY4, "mac": topology.GATEWAY_MAC}],
            "hypervisors": [{"name": hypervisor, "host-id": virt.HOST_IDS[hypervisor],
                             "addresses": [HYPERVISORS[hypervisor][1]], "key-id": 11,
                             "key-file": keys(hypervisor), "prefixes": [MOBILE4]}],
            "sites": [{"name": SITES[other],
                       "xtrs": [{"rloc": others[0], "rlocs": others[1:]}],
                       "prefixes": [MOBILE4], "key-id": 21,
                       "key-file": keys("dc1-dc2")}],
        },
        "dataplane": {"kind": "tun", "device": "lisp0"},
    }


def map_server_conf(keys):
    def prefixes(name):
        if name in DATA_CENTRES:
            return [{"prefix": MOBILE4, "accept-more-specifics": True, "mobile": True}]
        return [{"prefix": PREFIXES[name][0]}]

    return {
        "site": {"name": "mapping", "rlocs": site_rlocs("ms")},
        "map-server": {"sites": [
            {"name": site, "key-id": 1, "key-file": keys(f"{site}-{SYSTEM}"),
             "algorithm": "hmac-sha256-128",
             # The data centres have the same prefix: who is it?
             "sources": rlocs(name), "prefixes": prefixes(name)}
            for name, site in SITES.items()]},
        "map-resolver": {},
        "dataplane": {"kind": "none"},
    }


def agent_conf(hypervisor, keys):
    router, _, gateway, _ = HYPERVISORS[hypervisor]
    return {"xtrs": [{"name": router, "address": gateway, "key-id": 11,
                      "key-file": keys(hypervisor)}]}


class Site(dict):
    """The xTRs and the Map-Server of a built topology, by node; see start().

    `agents` has the vmagents by hypervisor after start_agents().
    """

    def __init__(self, lab):
        super().__init__()
        self.lab, self.keys, self.agents = lab, Keys(lab), {}
        self["ms"] = Xtr(lab.nodes["ms"], map_server_conf(self.keys))
        for name in SITES:
            make = data_centre_conf if name in DATA_CENTRES else client_conf
            self[name] = Xtr(lab.nodes[name], make(name, self.keys))

    def start(self, *names):
        """Starts these (default: all), each when the one before answers."""
        for name in names or self:
            self[name].start()

    def wait_registered(self, eid, rlocs_wanted=None, timeout=20):
        """Until the Map-Server has a registration of an EID, with these RLOCs."""
        def fact():
            row = self["ms"].registration(eid)
            return row and (rlocs_wanted is None or
                            usable(row["locators"]) == sorted(rlocs_wanted))
        net.wait_for(fact, timeout, f"the Map-Server knows {eid} at "
                     f"{rlocs_wanted or 'some RLOC'}", lab=self.lab)

    def start_agents(self, hypervisors):
        for h in hypervisors:
            self.agents[h.name] = Agent(h, agent_conf(h.name, self.keys))
            self.agents[h.name].start()
