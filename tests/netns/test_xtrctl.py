# SPDX-License-Identifier: Apache-2.0
"""xtrctl against running daemons: tables, lig, move, reload, exit status.

    the standard network of tests/lab/topology.py, without hypervisors
"""

import json

import pytest

from tests.lab import net, topology
from tests.lab.daemons import Site
from tests.lab.net import Lab
from tests.lab.probes import program

VM = "10.1.1.10"
MS = topology.rlocs("ms")[0]
DONE, REFUSED, USAGE, NO_DAEMON, NO_ANSWER = range(5)


@pytest.fixture(scope="module")
def site():
    with Lab() as lab:
        topology.build(lab, hypervisors=False)
        site = Site(lab)
        site.start()
        site.wait_registered("10.3.0.0/24")
        site.wait_registered("10.4.0.0/24")
        yield site


def xtrctl(daemon, *words, status=DONE):
    """What it prints on stdout, run beside the daemon; its status is checked."""
    p = daemon.node.run([program("xtrctl"), "-s", daemon.socket, *words], check=False)
    assert p.returncode == status, p.stdout + p.stderr
    if status != DONE:
        assert p.stderr or "--json" in words
    return p.stdout


def rows(daemon, *words):
    reply = json.loads(xtrctl(daemon, "--json", *words))
    assert reply["v"] == 1 and reply["ok"] is True
    return reply["rows"]


@pytest.mark.parametrize("table", [
    "eids", "map-cache", "registrations", "registers", "requesters", "subscriptions", "moves",
    "interfaces", "counters", "config", "resolvers"])
def test_every_table_as_text_and_json(site, table):
    for name in ("xtr-a", "xtr-c", "ms"):
        assert isinstance(rows(site[name], "show", table), list)
        xtrctl(site[name], "show", table)
        xtrctl(site[name], "-w", "show", table)


def test_table_for_people(site):
    lines = xtrctl(site["xtr-c"], "show", "eids").splitlines()
    assert lines[0].split() == ["EID", "STATE", "GENERATION", "LOCATORS", "REGISTERED",
                                "CHANGED"]
    assert lines[1].split()[:4] == ["10.3.0.0/24", "static", "-", "203.0.113.1"]


def test_config_loads_again(site, tmp_path):
    file = tmp_path / "again.yaml"
    file.write_text(xtrctl(site["xtr-a"], "show", "config"))
    net.run([program("xtrd"), "-n", "-f", file])


def test_interfaces(site):
    kinds = {r["kind"]: r for r in rows(site["xtr-a"], "show", "interfaces")}
    assert kinds["lisp"]["name"] == "lisp0" and kinds["lisp"]["up"]
    assert kinds["segment"]["address"] == topology.GATEWAY4
    assert kinds["segment"]["mac"] == topology.GATEWAY_MAC
    uplink = [r["address"] for r in rows(site["xtr-a"], "show", "interfaces")
              if r["kind"] == "uplink"]
    assert sorted(uplink) == sorted(topology.rlocs("xtr-a"))


def test_lig_negative(site):
    """Outside of every prefix: the covering one that is free, RFC 9301 8.4."""
    (row,) = rows(site["xtr-c"], "lig", "10.9.9.9")
    assert row["action"] == "natively-forward" and row["locators"] == []
    assert row["from"] == MS
    # In the mobile prefix: it may appear any time.
    (row,) = rows(site["xtr-c"], "lig", "10.1.1.77")
    assert row["action"] == "send-map-request" and row["ttl_min"] == 1


def test_lig_without_a_daemon(site):
    """The resolver on the command line is all it needs."""
    node = site["xtr-b"].node
    p = node.run([program("xtrctl"), "-s", "/nonexistent", "--json",
                  "lig", "10.3.0.10", f"@{MS}"])
    (row,) = json.loads(p.stdout)["rows"]
    assert row["eid"] == "10.3.0.0/24" and row["from"] == "203.0.113.1"
    assert [x["rloc"] for x in row["locators"]] == ["203.0.113.1"]


def test_lig_of_the_own_site(site):
    (row,) = rows(site["xtr-c"], "lig", "10.3.0.10")
    assert row["eid"] == "10.3.0.0/24" and row["from"] == "203.0.113.1"


def test_lig_no_answer(site):
    xtrctl(site["xtr-c"], "lig", VM, f"@{topology.UPLINKS['xtr-c'][0][1]}", status=NO_ANSWER)


def test_lig_no_answer_says_why(site):
    """ICMP: nobody listens there.  A second resolver is asked then."""
    c = site["xtr-c"]
    p = c.node.run([program("xtrctl"), "lig", "10.3.0.10", f"@{topology.PEERS['peer-c'][1]}"],
                   check=False)
    assert p.returncode == NO_ANSWER
    assert "no answer to 3 Map-Requests: Connection refused" in p.stderr
    p = c.node.run([program("xtrctl"), "--json", "lig", "10.3.0.10",
                    f"@{topology.PEERS['peer-c'][1]}", f"@{MS}"])
    (row,) = json.loads(p.stdout)["rows"]
    assert row["resolver"] == MS and row["try"] == 1 and len(row["nonce"]) == 16


def test_lig_by_the_other_family(site):
    """The resolver is asked by IPv4; the ETR has IPv6 only and answers there."""
    node = site["xtr-a"].node
    p = node.run([program("xtrctl"), "--json", "lig", "10.4.0.10", f"@{MS}"])
    (row,) = json.loads(p.stdout)["rows"]
    assert row["eid"] == "10.4.0.0/24" and row["from"] == topology.rlocs("xtr-d")[0]


def test_lig_without_an_address(site):
    p = site["xtr-c"].node.run([program("xtrctl"), "-s", "/nonexistent", "lig", VM], check=False)
    assert p.returncode == NO_DAEMON and "lig EID @RESOLVER" in p.stderr
    p = site["xtr-c"].node.run([program("xtrctl"), "lig", VM, "@no.such.name.invalid"],
                               check=False)
    assert p.returncode == USAGE


def test_explain(site):
    c = site["xtr-c"]
    (row,) = rows(c, "explain", "10.3.0.10")
    assert (row["kind"], row["state"], row["decision"]) == ("eid", "static", "deliver")
    (row,) = rows(c, "explain", "10.77.0.1")
    assert (row["kind"], row["decision"], row["resolvers"]) == ("none", "queue", [MS])
    text = xtrctl(c, "explain", "10.77.0.1", "--from", "10.3.0.10", "--flow", "udp:1:2")
    assert f"a packet would ask {MS}" in text and "packets: queue:" in text
    xtrctl(c, "explain", "10.77.0.1", "--flow", "udp:1:2", status=REFUSED)
    xtrctl(c, "explain", "10.77.0.0/16", status=REFUSED)
    xtrctl(c, "explain", status=USAGE)


def test_move_to_here_and_back(site):
    a, b = site["xtr-a"], site["xtr-b"]
    xtrctl(a, "move", VM, "--to-here")
    site.wait_registered(f"{VM}/32", topology.rlocs("xtr-a"))
    (row,) = rows(site["xtr-c"], "lig", VM)
    assert {x["rloc"]: x["priority"] for x in row["locators"]} == {
        **{r: 1 for r in topology.rlocs("xtr-a")}, **{r: 255 for r in topology.rlocs("xtr-b")}}
    xtrctl(b, "move", VM, "--to-here")
    site.wait_registered(f"{VM}/32", topology.rlocs("xtr-b"))
    net.wait_for(lambda: a.state(f"{VM}/32") == "away", 5, "the old site yields")
    (row,) = rows(a, "show", "eids", VM)
    assert sorted(x["rloc"] for x in row["locators"]) == sorted(topology.rlocs("xtr-b"))
    assert not row["registered"]
    # The record has the same id at both sites, and people see a time line.
    move, there = rows(b, "show", "moves", VM)[0], rows(a, "show", "moves", VM)[0]
    assert move["id"] == there["id"] == f"{move['generation']:x}"
    assert {"arrived", "local", "notify", "register"} <= {s["step"] for s in move["steps"]}
    text = xtrctl(b, "show", "moves", VM)
    assert move["id"] in text and "+0.0 ms  arrived" in text


def test_reload(site):
    a = site["xtr-a"]
    xtrctl(a, "reload")
    good = a.file.read_text()
    try:
        a.file.write_text(good + "\nbogus: 1\n")
        reply = json.loads(xtrctl(a, "--json", "reload", status=REFUSED))
        assert not reply["ok"] and "unknown key 'bogus'" in reply["error"]
        assert a.answers()
    finally:
        a.file.write_text(good)
    xtrctl(a, "reload")


def test_refusals(site):
    a = site["xtr-a"]
    xtrctl(a, "show", "nothing", status=REFUSED)
    xtrctl(a, "show", "eids", "x", status=REFUSED)
    xtrctl(a, "move", "192.0.2.77", "--to-here", status=REFUSED)
    for words in (["nothing"], ["show"], ["move", VM], ["lig", "x"], ["lig", VM, "x"],
                  ["lig", VM, "@192.0.2.1", "x"], ["lig", VM, "--from", "x"],
                  ["--limit", "0", "show", "eids"], ["--nothing"], []):
        xtrctl(a, *words, status=USAGE)
    p = net.run([program("xtrctl"), "-s", "/nonexistent", "show", "eids"], check=False)
    assert p.returncode == NO_DAEMON


def test_limit(site):
    p = json.loads(xtrctl(site["ms"], "--json", "--limit", "1", "show", "registrations"))
    assert p["truncated"] and len(p["rows"]) == 1 and p["total"] >= 2
