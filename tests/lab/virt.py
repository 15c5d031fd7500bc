# SPDX-License-Identifier: Apache-2.0
"""Two libvirtd on one machine, and the domain that migrates between them.

Each Hypervisor is a node of the network plus private mount, UTS, IPC and pid
namespaces (hypinit.py).  Its /run is a directory of the run, so that libvirt is
reached from outside by the path of its socket, and one kill of its process 1
ends libvirtd, QEMU and agent together.

What happened is recorded by Events with the wall clock of one machine: libvirt's
lifecycle events when they arrive here, QEMU's own with QEMU's own time stamps.
"""

import signal
import threading
import uuid

from . import net, topology
from .guest import MEMORY_MIB, cmdline

LIBVIRTD_CONF = """listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
tcp_port = "16509"
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "{uuid}"
keepalive_interval = 2
keepalive_count = 3
"""

QEMU_CONF = """security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
migration_address = "{address}"
migration_host = "{address}"
keepalive_interval = 2
keepalive_count = 3
"""

METADATA = '<lv:vm xmlns:lv="urn:xtrd:vm:1">{}</lv:vm>'

DOMAIN = """<domain type='{accel}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  {cpu}
  <on_poweroff>destroy</on_poweroff>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <interface type='bridge'>
      <mac address='{mac}'/>
      <source bridge='{bridge}'/>
      <model type='virtio'/>
      <driver name='qemu'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='/var/log/libvirt/{name}.serial' append='on'/></serial>
    <memballoon model='none'/>
  </devices>
  {odd}
</domain>
"""

# QEMU before 9.0 with an emulated CPU forgets stores of a guest that migrates: it
# clears the dirty bits of memory, 64 pages at a time, without telling the CPU's
# TLB (seen: a guest with corrupted lists in 1 of 40 busy moves).  Memory that is no
# multiple of 64 pages goes the other way; libvirt itself rounds to whole MiB.
ODD_BYTES = (MEMORY_MIB << 20) + 8192
ODD = f"""<qemu:commandline>
    <qemu:arg value='-object'/>
    <qemu:arg value='memory-backend-ram,id=odd,size={ODD_BYTES}'/>
    <qemu:arg value='-machine'/><qemu:arg value='memory-backend=odd'/>
    <qemu:arg value='-m'/><qemu:arg value='size={ODD_BYTES // 1024}k'/>
  </qemu:commandline>"""

HOST_IDS = {n: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{n}.lab.example"))
            for n in topology.HYPERVISORS}


def _libvirt():
    try:
        import libvirt
        import libvirt_qemu  # noqa: F401
    except ImportError:
        raise net.Unable("python3-libvirt is not installed") from None
    libvirt.registerErrorHandler(lambda context, error: None, None)
    return libvirt


class Hypervisor:
    """libvirtd and its private world on a node; `uri` reaches it from outside."""

    def __init__(self, node, migration_address):
        self.node, self.name, self.lab = node, node.name, node.lab
        self.migration_address = migration_address
        self.host_id = HOST_IDS[node.name]
        self.private = self.lab.run_dir / self.name
        self.socket = self.private / "run/libvirt/libvirt-sock"
        self.uri = f"qemu:///system?socket={self.socket}"
        self.events = None
        self.libvirtd = None
        self._serial = 0
        self._prepare()

    def _prepare(self):
        for d in ("run", "etc-libvirt", "var-lib-libvirt", "var-log-libvirt",
                  "var-cache-libvirt"):
            (self.private / d).mkdir(parents=True)
        hosts = ["127.0.0.1 localhost", "::1 localhost"]
        for name, facts in topology.HYPERVISORS.items():
            hosts.append(f"{facts[3]} {name}")
        (self.private / "hosts").write_text("\n".join(hosts) + "\n")
        # libvirt looks up its default user even if it is not used; the package
        # that makes it (libvirt-daemon-system) would start a daemon of its own.
        for file, line in (("passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false"),
                           ("group", "libvirt-qemu:x:64055:")):
            text = net.Path("/etc", file).read_text()
            known = any(x.startswith("libvirt-qemu:") for x in text.splitlines())
            (self.private / file).write_text(text if known else f"{text.rstrip()}\n{line}\n")
        etc = self.private / "etc-libvirt"
        (etc / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=self.host_id))
        (etc / "qemu.conf").write_text(QEMU_CONF.format(address=self.migration_address))

        here = __file__.rpartition("/")[0]
        self.init = self.node.start("init", [
            "unshare", "-m", "-u", "-i", "-p", "-f", "--kill-child", "--mount-proc", "--",
            "/usr/bin/python3", f"{here}/hypinit.py", self.name, self.lab.run_dir,
            self.private])
        ready = self.lab.run_dir / f"{self.name}.ready"
        net.wait_for(lambda: ready.exists() or not self.init.alive(), 10,
                     f"namespaces of {self.name}", 0.01)
        self.pid1 = net.child_of(self.init.pid)
        if not self.pid1 or not ready.exists():
            raise net.LabError(f"{self.name}: no namespaces\n{self.init.tail()}")
        # unshare ignores SIGTERM; when it is killed, process 1 and all others are.
        for pid in (self.init.pid, self.pid1):
            self.lab.note_process(pid, f"{self.name}-init", kill=True)

    def enter(self, argv):
        """The argument vector that runs 'argv' on this hypervisor."""
        return ["nsenter", "-t", str(self.pid1), "-m", "-u", "-i", "-n", "-p", "--"] + \
            [str(a) for a in argv]

    def run(self, argv, check=True, timeout=60):
        return net.run(self.enter(argv), check, timeout)

    def start(self, name, argv, env=None):
        """Starts a daemon on this hypervisor; its Process has the true pid."""
        outer = self.lab.start(self.enter(argv), f"{self.name}-{name}", env)
        pid = net.wait_for(lambda: net.child_of(outer.pid) or not outer.alive(), 5,
                           f"{name} on {self.name}", 0.005)
        if pid is True:
            raise net.LabError(f"{name} on {self.name} did not start\n{outer.tail()}")
        # nsenter ends when its child does, with the same status.
        inner = net.Process(self.lab, outer.name, outer.popen, outer.log, pid)
        self.lab.procs.remove(outer)
        self.lab.procs.append(inner)
        return inner

    def start_libvirtd(self, timeout=30):
        self.libvirtd = self.start("libvirtd", [
            "libvirtd", "--listen", "--pid-file", "/run/libvirtd.pid"])
        net.wait_for(self.answers, timeout, f"libvirtd on {self.name} answers", 0.1)

    def restart_libvirtd(self, sig=signal.SIGKILL):
        """Ends it with a signal and starts it; guests live on."""
        self.libvirtd.signal(sig)
        self.libvirtd.wait(30)
        self.start_libvirtd()
        if self.events:
            self.events.close()
            self.watch(self.events.rows)

    def answers(self):
        libvirt = _libvirt()
        if not self.libvirtd.alive():
            raise net.LabError(f"libvirtd ended\n{self.libvirtd.tail()}")
        try:
            libvirt.open(self.uri).close()
            return True
        except libvirt.libvirtError as e:
            raise net.LabError(str(e)) from None

    def open(self):
        """A connection of the caller's own; the caller closes it."""
        libvirt = _libvirt()
        try:
            return libvirt.open(self.uri)
        except libvirt.libvirtError as e:
            raise net.LabError(f"{self.name}: {e}") from None

    def watch(self, rows=None):
        """Begins to record events; see Events."""
        self.events = Events(self, rows)
        return self.events

    def virsh(self, *args, check=True, timeout=120):
        return net.run(["virsh", "-q", "-c", self.uri, *args], check, timeout)

    def migrate_uri(self):
        return f"qemu+tcp://{self.migration_address}/system"

    def qemu_pid(self, vm):
        """The pid of the domain's QEMU as this side of the namespaces has it."""
        inner = (self.private / f"run/libvirt/qemu/{vm}.pid")
        try:
            wanted = inner.read_text().strip()
        except OSError:
            raise net.LabError(f"{vm} does not run on {self.name}") from None
        ns = _pid_ns(self.pid1)
        for status in net.Path("/proc").glob("[0-9]*/status"):
            try:
                pids = next((line.split()[1:] for line in status.read_text().splitlines()
                             if line.startswith("NSpid:")), [])
                if len(pids) > 1 and pids[-1] == wanted and _pid_ns(pids[0]) == ns:
                    return int(pids[0])
            except OSError:
                continue
        raise net.LabError(f"no QEMU with pid {wanted} on {self.name}")

    def serial(self, vm):
        path = self.private / f"var-log-libvirt/{vm}.serial"
        return path.read_text(errors="replace") if path.exists() else ""

    def taps(self):
        """The interfaces of guests on this hypervisor."""
        return [x["ifname"] for x in self.node.ip_json("link", "show")
                if x["ifname"].startswith("vnet")]


def _pid_ns(pid):
    import os
    return os.readlink(f"/proc/{pid}/ns/pid")


# --- events -----------------------------------------------------------------

_loop_started = False


def _start_loop(libvirt):
    global _loop_started
    if not _loop_started:
        libvirt.virEventRegisterDefaultImpl()

        def turn():
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(target=turn, daemon=True, name="libvirt events").start()
        _loop_started = True


LIFECYCLE = {
    0: ("Defined", {0: "Added", 1: "Updated"}),
    1: ("Undefined", {0: "Removed"}),
    2: ("Started", {0: "Booted", 1: "Migrated", 2: "Restored", 3: "Snapshot", 4: "Wakeup"}),
    3: ("Suspended", {0: "Paused", 1: "Migrated", 2: "I/O Error", 3: "Watchdog", 4: "Restored",
                      5: "Snapshot", 6: "API error", 7: "Post-copy", 8: "Post-copy Error"}),
    4: ("Resumed", {0: "Unpaused", 1: "Migrated", 2: "Snapshot", 3: "Post-copy",
                    4: "Post-copy Error"}),
    5: ("Stopped", {0: "Shutdown", 1: "Destroyed", 2: "Crashed", 3: "Migrated", 4: "Saved",
                    5: "Failed", 6: "Snapshot"}),
    6: ("Shutdown", {0: "Finished", 1: "Guest request", 2: "Host request"}),
}


class Events:
    """What a libvirtd says: a list of (wall clock ms, kind, name, details)."""

    def __init__(self, hypervisor, rows=None):
        libvirt = _libvirt()
        import libvirt_qemu
        _start_loop(libvirt)
        self.libvirt, self.rows, self.hypervisor = libvirt, rows or [], hypervisor
        # A keyword of libvirt's Python binding: callbacks get what we pass here.
        self.conn = hypervisor.open()
        self.conn.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)
        self.conn.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, self._iteration, None)
        libvirt_qemu.qemuMonitorEventRegister(self.conn, None, None, self._qemu, None, 0)

    def _lifecycle(self, conn, dom, event, detail, opaque):
        word, details = LIFECYCLE.get(event, (f"event {event}", {}))
        self.rows.append((net.now_ms(), "libvirt", dom.name(),
                          f"{word} {details.get(detail, detail)}"))
        if word == "Started":
            try:
                net.favour(self.hypervisor.qemu_pid(dom.name()))
            except net.LabError:
                pass            # it has ended

    def _iteration(self, conn, dom, iteration, opaque):
        self.rows.append((net.now_ms(), "libvirt", dom.name(), f"migration-iteration {iteration}"))

    def _qemu(self, conn, dom, event, seconds, micros, details, opaque):
        self.rows.append((seconds * 1e3 + micros / 1e3, "qemu", dom.name(),
                          f"{event} {details or ''}".strip()))

    def find(self, kind, what, since=0.0):
        """The time of the first such event not before 'since', or None."""
        times = [t for t, k, _, text in list(self.rows)
                 if k == kind and text.startswith(what) and t >= since]
        return min(times) if times else None

    def since(self, since):
        return sorted(r for r in list(self.rows) if r[0] >= since)

    def close(self):
        try:
            self.conn.close()
        except self.libvirt.libvirtError:
            pass


# --- the domain -------------------------------------------------------------

class Vm:
    """A transient domain that lives on one of the hypervisors."""

    def __init__(self, guest, name="web1", ip4=topology.GUEST4, ip6=None, eids=None,
                 mac="52:54:00:01:01:10"):
        self.name, self.ip4, self.ip6, self.mac, self.guest = name, ip4, ip6, mac, guest
        self.eids = [ip4] + ([ip6] if ip6 else []) if eids is None else eids
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.lab.example"))
        self.at = None

    def xml(self):
        eids = "".join(f'<lv:eid address="{e}"/>' for e in self.eids)
        kvm = self.guest.accel == "kvm"
        return DOMAIN.format(
            accel=self.guest.accel, name=self.name, uuid=self.uuid, mac=self.mac,
            metadata=METADATA.format(eids) if eids else "", memory=MEMORY_MIB,
            kernel=self.guest.kernel, initrd=self.guest.initrd, bridge=topology.SEGMENT,
            odd="" if kvm else ODD,
            cmdline=cmdline(f"{self.ip4}/24", topology.GATEWAY4,
                            f"{self.ip6}/64" if self.ip6 else None,
                            "fe80::1" if self.ip6 else None),
            cpu="<cpu mode='host-passthrough' migratable='on'/>" if kvm else
                "<cpu mode='custom' match='exact'>"
                "<model fallback='forbid'>qemu64</model></cpu>")

    def create(self, hypervisor):
        """Starts it; it still has to boot, see booted()."""
        path = hypervisor.private / f"{self.name}.xml"
        path.write_text(self.xml())
        hypervisor.virsh("create", str(path))
        self.at = hypervisor
        self.born = hypervisor

    def booted(self):
        from .guest import READY
        return READY in self.born.serial(self.name)

    def state(self, hypervisor):
        """The state on a hypervisor in virsh's words; None if it is not there."""
        p = hypervisor.virsh("domstate", self.name, check=False)
        return p.stdout.strip() if p.returncode == 0 else None

    def migrate(self, target, *options, timeout=60):
        """virsh migrate --live --p2p; returns a Migration. LabError if it fails."""
        return self.begin(target, *options).end(timeout)

    def begin(self, target, *options):
        """The same in the background."""
        return Migrating(self, target, options)

    def destroy(self):
        if self.at:
            self.at.virsh("destroy", self.name, check=False)
            self.at = None


class Migrating:
    """A virsh migrate that runs."""

    def __init__(self, vm, target, options):
        self.vm, self.source, self.target = vm, vm.at, target
        self.called = net.now_ms()
        self.process = vm.at.lab.start(
            ["virsh", "-q", "-c", vm.at.uri, "migrate", "--live", "--p2p", *options, vm.name,
             target.migrate_uri()], f"{vm.at.name}-migrate")

    def fails(self, timeout=60):
        """Waits for its end; True if it ended with an error."""
        return self.process.wait(timeout) != 0

    def end(self, timeout=60):
        """Waits for its success; returns the Migration."""
        if self.fails(timeout):
            raise net.LabError(f"virsh migrate failed\n{self.process.tail()}")
        move = Migration(self.vm, self.source, self.target, self.called, net.now_ms())
        self.vm.at = self.target
        return move


class Migration:
    """The facts of one migration that succeeded; all times wall clock ms."""

    def __init__(self, vm, source, target, called, returned):
        self.vm, self.source, self.target = vm, source, target
        self.called, self.returned = called, returned
        # Events come by another connection than virsh's answer.
        net.wait_for(lambda: self._at(target, "qemu", "RESUME"), 5, "QEMU's RESUME event", 0.02)
        net.wait_for(lambda: self._at(source, "libvirt", "Stopped Migrated"), 5,
                     "libvirt's Stopped Migrated event", 0.02)
        self.resume = self._at(target, "qemu", "RESUME")
        self.stop = self._at(source, "qemu", "STOP")
        self.pause_ms = self._downtime()

    def _at(self, hypervisor, kind, what):
        return hypervisor.events.find(kind, what, self.called - 1000)

    def _downtime(self):
        """QEMU's own downtime, ms; kept on the target only."""
        libvirt = _libvirt()
        conn = self.target.open()
        try:
            stats = conn.lookupByName(self.vm.name).jobStats(
                libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
            return stats.get("downtime")
        except libvirt.libvirtError:
            return None
        finally:
            conn.close()

    def events(self):
        """(ms from RESUME, node, kind, text) of both sides, in order."""
        rows = []
        for h in (self.source, self.target):
            rows += [(t - self.resume, h.name, kind, text)
                     for t, kind, name, text in h.events.since(self.called)
                     if name == self.vm.name]
        return sorted(rows)


def start(lab):
    """Both hypervisors of a built topology, answering and watched."""
    check()
    hypervisors = [Hypervisor(lab.nodes[n], facts[3])
                   for n, facts in topology.HYPERVISORS.items()]
    for h in hypervisors:
        h.start_libvirtd()
        h.watch()
    return hypervisors


def check():
    """Unable with the reason if this machine cannot run the virt lab."""
    import shutil
    _libvirt()
    for name, package in (("libvirtd", "libvirt-daemon"), ("virsh", "libvirt-clients"),
                          ("qemu-system-x86_64", "qemu-system-x86")):
        if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            raise net.Unable(f"{name} is missing (package {package})")
