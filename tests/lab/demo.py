# SPDX-License-Identifier: Apache-2.0
"""The whole chain at work: `make demo`, `make demo KEEP=1`, `make demo-down`.

Builds the network of topology.py, starts a Map-Server, four xTRs, two libvirtd
with an agent each and a guest, sends 1000 packets a second and a TCP session from
every peer, and migrates the guest there and back.  Prints the timeline of every
move, what each peer saw, and at last `demo: ok` or `demo: FAILED` and why; the
exit status says the same.

With --moves N --bridged --json FILE it is the measurement of `make bench`: N
moves, and as many of the same guest on a plain stretched bridge without LISP.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import daemons, guest, handover, measure, net, probes, topology, virt  # noqa: E402

NAME = "demo"
EID = topology.GUEST4

_began = time.monotonic()


def progress(text):
    print(f"[{time.monotonic() - _began:6.1f} s] {text}", flush=True)


class Trial:
    """Collects what went wrong; the end of the demonstration says it."""

    def __init__(self):
        self.failures, self.moves = [], []

    def check(self, holds, text):
        print(f"  {'ok ' if holds else 'NOT'} {text}", flush=True)
        if not holds:
            self.failures.append(text)


# --- the timeline -----------------------------------------------------------

def timeline(migration, new, old):
    """Sorted rows (ms from RESUME, node, text) of all that is known."""
    rows = [(t, node, f"{'QEMU' if kind == 'qemu' else 'libvirt'}: {text}")
            for t, node, kind, text in migration.events()
            if kind == "libvirt" or text in ("STOP", "RESUME")]
    for xtr in (new, old):
        for at, step, peer in handover.steps_of(xtr, EID, migration.called):
            words = handover.WORDS.get(step, step)
            rows.append((at - migration.resume, xtr.node.name,
                         f"{words} {peer}" if peer else words))
    return sorted(rows)


def missing(site, migration, new, old):
    return handover.missing_steps(site[new], site[old], EID, migration.called)


def wait_settled(site, migration, new, old, timeout=15):
    """Waits until all facts hold and no step is missing; returns at the latest
    after 'timeout', what is still wrong is then reported by its name."""
    def fact():
        return not missing(site, migration, new, old) and \
            not handover.wrong(site, EID, new, old)
    try:
        net.wait_for(fact, timeout, "agreement", 0.2)
    except net.LabError:
        pass


# --- the parts --------------------------------------------------------------

def move_once(trial, lab, site, vm, target, peers, args):
    new = topology.router_of(target.name)
    old = topology.router_of(vm.at.name)
    number = len(trial.moves) + 1
    progress(f"move {number}: {vm.name} from {vm.at.name} to {target.name}, "
             f"{args.rate} packets/s from each peer")
    traffic = {}

    def settled(migration):
        progress(f"virsh migrate took {migration.returned - migration.called:.0f} ms; "
                 "waiting until all agree")
        wait_settled(site, migration, new, old)
        traffic.update(handover.uplink_traffic(lab, EID))

    migration, reports = measure.move(vm, target, peers, args.rate, after=0.5,
                                      settled=settled)
    rows = timeline(migration, site[new], site[old])
    print(f"\n  timeline of move {number}, ms from QEMU's RESUME on {target.name}")
    for at, node, text in rows:
        print(f"  {at:+10.1f}  {node:6} {text}")
    print()
    lack = missing(site, migration, new, old)
    trial.check(not lack, "every step of the timeline is there" +
                (f"; missing: {', '.join(lack)}" if lack else ""))
    for text, holds in handover.facts(site, EID, new, old):
        trial.check(holds, text)
    trial.check(traffic[new] > 0 and traffic[old] == 0,
                f"clients' packets to the VM: {traffic[new]} on {new}'s uplink, "
                f"{traffic[old]} on {old}'s")
    for report in reports:
        trial.check(report.answers, f"{report.peer} gets answers after move {number}")
    for report in reports:
        print(report.line(), flush=True)
    print()
    told = [t for t, node, text in rows if node == new and text.startswith("CPM arrived")]
    trial.moves.append({"from": migration.source.name, "to": target.name,
                        "told_ms": told[0] if told else None,
                        "pause_ms": migration.pause_ms, "uplinks": traffic,
                        "timeline": rows, "peers": [r.row() for r in reports]})


def start_guest(lab, g, hypervisor):
    vm = virt.Vm(g)
    vm.create(hypervisor)
    how = "with KVM" if g.accel == "kvm" else "on an emulated CPU"
    progress(f"guest {vm.name} boots on {hypervisor.name} {how}")
    net.wait_for(vm.booted, 90, "the guest is up", 0.1)
    return vm


def with_lisp(trial, lab, g, args):
    progress("network: 10 namespaces")
    topology.build(lab)
    site = daemons.Site(lab)
    progress("Map-Server and xTRs: " + ", ".join(site))
    site.start()
    for name in handover.ITRS:
        site.wait_registered(topology.PREFIXES[name][0])
    progress("two libvirtd, each with a vmagent")
    hypervisors = virt.start(lab)
    site.start_agents(hypervisors)
    vm = start_guest(lab, g, hypervisors[0])
    progress("waiting until the VM is registered and every peer gets echoes")
    site.wait_registered(handover.prefix(EID), topology.rlocs("xtr-a"))
    peers = [lab.nodes[n] for n in topology.PEERS]
    for p in peers:
        measure.wait_answers(p, vm.ip4)
    sessions = {p: probes.tcp(p, "tcp", vm.ip4) for p in peers}
    for n in range(args.moves):
        move_once(trial, lab, site, vm, hypervisors[(n + 1) % 2], peers, args)
    for s in sessions.values():
        s.end()
    for p, s in sessions.items():
        r = s.result()
        trial.check(r["ok"], f"TCP session of {p.name} over {args.moves} moves: "
                    f"{r['bytes_received']} of {r['bytes_sent']} bytes came back exactly, "
                    f"longest stall {r['stall_ms']:.0f} ms {r['error']}".rstrip())


def without_lisp(trial, lab, g, args):
    """The reference: the same moves on one bridge.  Returns [Report.row()]."""
    progress("reference: the same guest and peers on a plain stretched bridge")
    topology.build_bridged(lab)
    hypervisors = virt.start(lab)
    vm = start_guest(lab, g, hypervisors[0])
    peers = [lab.nodes[n] for n in topology.PEERS]
    for p in peers:
        measure.wait_answers(p, vm.ip4)
    rows = []
    for n in range(args.moves):
        _, reports = measure.move(vm, hypervisors[(n + 1) % 2], peers, args.rate, after=1.0)
        progress(f"reference move {n + 1}")
        for r in reports:
            print(r.line(), flush=True)
            rows.append(r.row())
        trial.check(all(r.answers for r in reports), "every peer gets answers")
    return rows


# --- the program ------------------------------------------------------------

def save_logs(lab):
    """Logs and results of a run that failed, where they stay."""
    place = probes.LAB_BUILD / "failed-demo"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for pattern in ("*.log", "*.json", "*/xtrd.yaml", "*/agent/vmagent.yaml",
                    "*/var-log-libvirt/*.serial"):
        for file in lab.run_dir.glob(pattern):
            name = "-".join(p for p in file.relative_to(lab.run_dir).parts
                            if p not in ("agent", "var-log-libvirt"))
            shutil.copyfile(file, place / name)
    print(f"logs are in {place}", file=sys.stderr)


def hint(lab):
    print(f"""
The network is still there; `make demo-down` removes it.  For example:
  ip netns exec lisp-{NAME}-peer-c ping {topology.GUEST4}
  build/xtrctl -s {lab.run_dir}/xtr-a/xtrd.sock show eids       (or moves, map-cache, …)
  build/xtrctl -s {lab.run_dir}/ms/xtrd.sock show registrations
  ip netns exec lisp-{NAME}-xtr-c build/xtrctl -s {lab.run_dir}/xtr-c/xtrd.sock lig {topology.GUEST4}
  build/xtrctl -s {lab.run_dir}/hyp1/agent/vmagent.sock show vms
  virsh -c 'qemu:///system?socket={lab.run_dir}/hyp1/run/libvirt/libvirt-sock' \\
      migrate --live --p2p web1 qemu+tcp://172.31.255.2/system
  ls {lab.run_dir}/*.log
""")


def down():
    if net.owner_alive(net.BASE / NAME):
        print("demo-down: a demo is running; end it with Ctrl-C", file=sys.stderr)
        return 1
    gone = ([NAME] if net.remove(NAME) else []) + net.remove_stale()
    print(f"demo-down: removed {', '.join(gone)}" if gone else "demo-down: nothing was left")
    return 0


def run(trial, args):
    virt.check()
    if not args.only_bridged:
        for name in ("xtrd", "vmagent", "xtrctl"):
            probes.program(name)
    if net.owner_alive(net.BASE / NAME):
        raise net.LabError("another demo is running")
    if net.remove(NAME):
        progress("removed what the demo before had left")
    net.remove_stale()
    g = guest.build(progress)
    reference = []
    if args.bridged or args.only_bridged:
        with net.Lab(f"{NAME}-bridged") as lab:
            reference = without_lisp(trial, lab, g, args)
    if not args.only_bridged:
        print(topology.PICTURE)
        with net.Lab(NAME) as lab:
            lab.keep = args.keep
            try:
                with_lisp(trial, lab, g, args)
            finally:
                if trial.failures or sys.exc_info()[0]:
                    save_logs(lab)
                if args.keep:
                    hint(lab)
                else:
                    progress("removing everything")
    results(trial, reference, args)


def results(trial, reference, args):
    rows = [r for m in trial.moves for r in m["peers"]]
    tables = {"with LISP": measure.summary(rows), "plain bridge": measure.summary(reference)}
    if args.moves > 2 or reference:
        print(f"\nmedian and maximum over {args.moves} moves")
        for title, table in tables.items():
            if table:
                measure.print_summary(title, table)
        print()
    told_and_first(trial.moves)
    if args.json:
        args.json.write_text(json.dumps(
            {"moves": trial.moves, "reference": reference, "summary": tables,
             "failures": trial.failures}, indent=1) + "\n")


def told_and_first(moves):
    """What of extra_ms is the hypervisor's, and what the network's."""
    told = [m["told_ms"] for m in moves if m["told_ms"] is not None]
    rest = [p["extra_ms"] - m["told_ms"] for m in moves for p in m["peers"]
            if m["told_ms"] is not None and p["extra_ms"] is not None]
    for text, values in (("QEMU's RESUME to the CPM at the new xTR", told),
                         ("that CPM to the peers' first packet in the tap", rest)):
        if len(moves) > 2 and values:
            print(f"{text}: median {statistics.median(values):.1f} ms, "
                  f"at most {max(values):.1f} ms")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", help="directory of the built programs (build)")
    p.add_argument("--keep", action="store_true", help="leave it running at the end")
    p.add_argument("--down", action="store_true", help="remove what --keep left")
    p.add_argument("--moves", type=int, default=2, help="how many migrations (2)")
    p.add_argument("--rate", type=int, default=1000, help="packets/s per peer (1000)")
    p.add_argument("--bridged", action="store_true", help="first the reference without LISP")
    p.add_argument("--only-bridged", action="store_true", help="nothing but the reference")
    p.add_argument("--json", type=Path, help="write all figures to this file")
    args = p.parse_args()
    if args.build:
        os.environ["BUILD"] = args.build
    trial = Trial()
    if os.geteuid() != 0:
        print("demo: FAILED it needs root: sudo make demo")
        return 1
    try:
        if args.down:
            return down()
        run(trial, args)
    except net.LabError as e:
        print(e, file=sys.stderr)
        trial.failures.append(str(e).strip().splitlines()[0])
    except KeyboardInterrupt:
        trial.failures.append("interrupted")
    except SystemExit as e:             # SIGTERM, SIGHUP
        print(f"demo: FAILED ended by signal {e.code - 128}")
        raise
    if trial.failures:
        print(f"demo: FAILED {'; '.join(trial.failures)}")
        return 1
    print("demo: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
