#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building and testing need; silent and
# offline when nothing is missing.
set -eu

build="gcc libc6-dev make git pkg-config clang llvm bpftool
	libevent-dev libssl-dev libyaml-dev libvirt-dev libbpf-dev libmnl-dev
	libjansson-dev liblmdb-dev libxml2-dev linux-libc-dev"
tests="libcmocka-dev libclang-rt-14-dev clang-format mandoc binutils
	python3 python3-pytest python3-scapy python3-libvirt
	tshark wireshark-common iproute2 iputils-ping iptables procps keepalived"
virt="qemu-system-x86 libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
	busybox-static zstd linux-image-amd64"

missing=
for p in $build $tests $virt; do
	s=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) || s=none
	[ "$s" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "deps: installing:$missing"
if [ "$(id -u)" != 0 ]; then
	echo "deps: needs root: run 'sudo make deps'" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086
apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends $missing >/dev/null
echo "deps: done"
