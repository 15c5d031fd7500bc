# SPDX-License-Identifier: Apache-2.0
"""Process 1 of a hypervisor: python3 hypinit.py NAME RUN_DIR PRIVATE_DIR

Started by virt.py in new mount, UTS, IPC and pid namespaces.  Gives libvirt its
own hostname, hosts, users, /etc/libvirt, /var/lib/libvirt, /var/log/libvirt, /var/cache/libvirt
and /run, then reaps children for ever: libvirt asks kill(pid, 0) whether a QEMU
has ended, and a zombie would still answer.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def bind(source, target, *options):
    subprocess.run(["mount", *(options or ["--bind"]), str(source), str(target)],
                   check=True)


def main(name, run_dir, private):
    run_dir, private = Path(run_dir), Path(private)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    socket.sethostname(name)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for file in ("hosts", "passwd", "group"):
        bind(private / file, f"/etc/{file}")
    for directory in ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt",
                      "/var/cache/libvirt"):
        os.makedirs(directory, exist_ok=True)
        bind(private / directory.strip("/").replace("/", "-"), directory)
    # The run directory stays where it is in the new /run, too.
    inner = private / "run" / run_dir.relative_to("/run")
    inner.mkdir(parents=True, exist_ok=True)
    bind(run_dir, inner)
    bind(private / "run", "/run", "--rbind")
    os.chdir("/")
    (run_dir / f"{name}.ready").write_text("yes")
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


main(*sys.argv[1:])
