/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef VMAGENT_BPF_SHARED_H
#define VMAGENT_BPF_SHARED_H

/*
 * shared.h - what the program on a tap and peers_bpf.c both read and write.
 * Fixed widths, no holes.
 */
#include <linux/types.h>

struct peer_key {
	__u8 addr[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct peer_value {
	__u64 last_ns; /* CLOCK_MONOTONIC */
	__u64 bytes;
	__u32 dirs; /* PEER_SENT | PEER_RECEIVED */
	__u32 zero;
};

/* A watched vNIC, by ifindex. */
struct peer_nic_value {
	__u8 mac[6];
	__u8 any_mac; /* 1: take every frame */
	__u8 zero;
};

#endif
