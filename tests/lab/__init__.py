# SPDX-License-Identifier: Apache-2.0
"""The laboratory: networks, guests and daemons on one machine.

net       namespaces, links, processes, and their complete removal
topology  the two data centres, the client sites and the Map-Server
daemons   configuration, keys, start and questions for xtrd and vmagent
guest     kernel, initramfs and the probe for KVM
cpm       CPMs by hand, and the check of their Acks
handover  what must be true after a move
fixtures  of pytest, for tests/netns and tests/virt
virt      two libvirtd and the domain that migrates
probes    the C programs that send, echo-check and watch
demo      all of it at once: `make demo`

Put the directory `tests` in front of sys.path and `from lab import net`.
"""

import os

os.environ["LC_ALL"] = "C.UTF-8"        # virsh says "running", not "laufend"
