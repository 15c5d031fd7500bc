/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_PEERS_SOURCE_H
#define VMAGENT_PEERS_SOURCE_H

/*
 * peers_source.h - between peers.c and the two ways of looking at a tap.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"
#include "common/loop.h"
#include "vmagent/eids.h"
#include "vmagent/peer_list.h"

struct peer_nic {
	uint8_t uuid[16]; /* of the VM */
	struct addr mac;  /* AFI_NONE: take every frame */
	char ifname[EIDS_IFNAME_MAX];
	unsigned ifindex;
};

struct peer_source {
	const char *name;
	/* Common state; NULL after an error, logged by the source. */
	void *(*open)(struct loop *, unsigned max);
	void (*close)(void *source);
	/*
	 * Starts looking at one tap.  NULL after an error, with '*err' set.
	 * In a worker, as is unwatch(): they wait for the kernel, tens of
	 * milliseconds.
	 */
	void *(*watch)(void *source, const struct peer_nic *, enum err *err);
	/* Stops; 'forget': the VM is gone, so is what was seen of it. */
	void (*unwatch)(void *source, void *watch, bool forget);
	/* In the loop: after watch() and before unwatch(). */
	void (*link)(void *source, void *watch);
	void (*unlink)(void *source, void *watch);
	/* In the loop, as peer_list_read(). */
	unsigned (*read)(
	    void *source, void *watch, struct peer_seen *out, unsigned max);
};

extern const struct peer_source peers_bpf, peers_packet;

#endif
