# SPDX-License-Identifier: Apache-2.0
"""The guest: Debian's kernel, an initramfs of our own, no disk.

Direct kernel boot, so the two hypervisors share no storage but this directory.
vmlinux is taken out of the bzImage: QEMU starts it at its PVH entry, which takes
2.9 s to user space with an emulated CPU instead of 6.3 s.

KVM is used only if a guest boots with it: /dev/kvm, and even a domain that
starts, prove nothing on machines that are virtual themselves.
"""

import bz2
import fcntl
import glob
import gzip
import hashlib
import io
import lzma
import os
import re
import subprocess
import time
from pathlib import Path

from . import net
from .probes import LAB_BUILD as DIR, probe

READY = "LAB-GUEST-READY"
MEMORY_MIB = 160        # 96 boot; all that waits after a pause killed those for memory

# In the order of loading: virtio_ring before virtio, or the guest waits for eth0.
MODULES = ("virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci "
           "failover net_failover virtio_net button evdev").split()

INIT = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
for m in MODULES; do $B insmod /modules/$m.ko; done
for word in $($B cat /proc/cmdline); do
	case $word in lab.*=*) eval "${word#lab.}" ;; esac
done
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
$B ip link set lo up
n=0
while [ ! -e /sys/class/net/eth0 ] && [ ! "$noeth" ] && [ $n -lt 100 ]; do
	$B usleep 50000
	n=$((n + 1))
done
$B ip link set eth0 up
[ "$ip4" ] && $B ip addr add $ip4 dev eth0
[ "$gw4" ] && { $B ip route add $gw4 dev eth0 2>/dev/null; $B ip route add default via $gw4; }
[ "$ip6" ] && $B ip -6 addr add $ip6 dev eth0
[ "$gw6" ] && $B ip -6 route add default via $gw6 dev eth0
/bin/guestd &
$B acpid -d -c /etc/acpi >/dev/null 2>&1 &
echo READY
while :; do $B sleep 3600; done
""".replace("MODULES", " ".join(MODULES)).replace("READY", READY)


class Guest:
    """Paths of kernel and initramfs, and the accelerator: "kvm" or "qemu"."""

    def __init__(self, kernel, initrd, accel):
        self.kernel, self.initrd, self.accel = kernel, initrd, accel


def cmdline(ip4, gw4=None, ip6=None, gw6=None):
    words = ["console=ttyS0", "quiet", "panic=-1", "rdinit=/init"]
    for key, value in (("ip4", ip4), ("gw4", gw4), ("ip6", ip6), ("gw6", gw6)):
        if value:
            words.append(f"lab.{key}={value}")
    return " ".join(words)


def build(progress=lambda text: None):
    """Builds what is missing under build/lab and returns the Guest."""
    DIR.mkdir(parents=True, exist_ok=True)
    with open(DIR / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bzimage, modules = _kernel()
        kernel, initrd = DIR / "vmlinux", DIR / "initramfs"
        stamp = _stamp(bzimage)
        if not kernel.exists() or not initrd.exists() or _read("stamp") != stamp:
            progress(f"building the guest from {bzimage}")
            (DIR / "accel").unlink(missing_ok=True)
            kernel.write_bytes(vmlinux(bzimage.read_bytes()))
            initrd.write_bytes(_initramfs(modules))
            (DIR / "stamp").write_text(stamp)
        return Guest(kernel, initrd, _accel(kernel, initrd, stamp, progress))


def _read(name):
    try:
        return (DIR / name).read_text()
    except OSError:
        return ""


def _stamp(bzimage):
    h = hashlib.sha256(INIT.encode() + probe("guestd").read_bytes())
    h.update(f"{bzimage} {bzimage.stat().st_size} {bzimage.stat().st_mtime}".encode())
    return h.hexdigest()


def _kernel():
    """The newest kernel of /boot whose modules are installed."""
    def version(path):
        return [int(n) for n in re.findall(r"\d+", path)]

    for path in sorted(glob.glob("/boot/vmlinuz-*"), key=version, reverse=True):
        modules = Path("/lib/modules") / path.partition("vmlinuz-")[2] / "kernel"
        if modules.is_dir():
            return Path(path), modules
    raise net.Unable("no kernel with modules in /boot (package linux-image-amd64)")


def vmlinux(image):
    """The ELF kernel inside a bzImage, as the kernel's extract-vmlinux does."""
    def xz(data):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)

    def lz(data):
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data)

    def zstd(data):
        return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True).stdout

    def gz(data):
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as f:
            out = bytearray()
            try:
                while chunk := f.read(1 << 20):
                    out += chunk
            except (OSError, EOFError):
                pass            # what follows the stream
            return bytes(out)

    for magic, unpack in ((b"\xfd7zXZ\x00", xz), (b"\x28\xb5\x2f\xfd", zstd),
                          (b"\x1f\x8b\x08", gz), (b"\x5d\x00\x00\x00", lz),
                          (b"BZh", bz2.BZ2Decompressor().decompress)):
        at = image.find(magic)
        while at >= 0:
            try:
                elf = unpack(image[at:])
                if elf[:4] == b"\x7fELF":
                    return elf
            except (OSError, EOFError, ValueError, lzma.LZMAError):
                pass
            at = image.find(magic, at + 1)
    raise net.Unable("no ELF kernel found inside the bzImage")


def _module(directory, name):
    for path in directory.rglob(f"{name}.ko*"):
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" else data
    return None                 # built into the kernel


def _initramfs(directory):
    busybox = Path("/bin/busybox")
    if not busybox.exists() or b"ld-linux" in busybox.read_bytes()[:4096]:
        raise net.Unable("a static busybox is needed (package busybox-static)")
    files = {"init": (0o100755, INIT.encode()),
             "bin/busybox": (0o100755, busybox.read_bytes()),
             "bin/guestd": (0o100755, probe("guestd").read_bytes()),
             "etc/acpi/PWRF/00000080": (0o100755, b"#!/bin/busybox sh\n/bin/busybox poweroff -f\n")}
    for name in MODULES:
        data = _module(directory, name)
        if data:
            files[f"modules/{name}.ko"] = (0o100644, data)
    dirs = {"proc", "sys", "dev"} | {str(p) for f in files for p in Path(f).parents} - {"."}
    entries = [(d, 0o40755, b"", 0, 0) for d in sorted(dirs)]
    # Without /dev/console the kernel gives init no output.
    entries.append(("dev/console", 0o20600, b"", 5, 1))
    entries += [(name, mode, data, 0, 0) for name, (mode, data) in files.items()]
    return cpio(entries)


def cpio(entries):
    """A "newc" archive of (name, mode, data, device major, device minor)."""
    out = bytearray()
    for ino, (name, mode, data, major, minor) in enumerate(
            entries + [("TRAILER!!!", 0, b"", 0, 0)], 1):
        fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def _accel(kernel, initrd, stamp, progress):
    """Boots once with KVM, and remembers until kernel or machine change."""
    if not os.path.exists("/dev/kvm"):
        return "qemu"
    key = stamp + Path("/proc/sys/kernel/random/boot_id").read_text()
    known = _read("accel").split("\n", 1)
    if len(known) == 2 and known[1] == key:
        return known[0]
    progress("does a guest boot with KVM? (at most 8 s)")
    took = boot_seconds(kernel, initrd, "kvm", 8)
    accel = "kvm" if took else "qemu"
    progress(f"KVM boots in {took:.1f} s" if took else "KVM does not: the CPU is emulated")
    (DIR / "accel").write_text(f"{accel}\n{key}")
    return accel


def boot_seconds(kernel, initrd, accel, timeout):
    """Seconds until a guest without network is ready; None if it does not."""
    serial = DIR / f"boot-{accel}.log"
    serial.unlink(missing_ok=True)
    start = time.monotonic()
    try:
        p = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "kvm" if accel == "kvm" else "tcg",
             "-cpu", "host" if accel == "kvm" else "qemu64", "-machine", "pc",
             "-m", str(MEMORY_MIB), "-display", "none", "-nodefaults", "-no-reboot",
             "-serial", f"file:{serial}", "-monitor", "none",
             "-kernel", str(kernel), "-initrd", str(initrd),
             "-append", cmdline(None) + " lab.noeth=1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        raise net.Unable("QEMU is missing (package qemu-system-x86)") from None
    try:
        while time.monotonic() - start < timeout and p.poll() is None:
            if serial.exists() and READY in serial.read_text(errors="replace"):
                return time.monotonic() - start
            time.sleep(0.1)
        return None
    finally:
        p.kill()
        p.wait()
