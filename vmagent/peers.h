/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_PEERS_H
#define VMAGENT_PEERS_H

/*
 * peers.h - the peers of each vNIC: whom the guest talks to, so that they hear
 * of its move at once.
 *
 * One watch a vNIC, by a tc/eBPF program on its tap, or, where BPF is not
 * permitted, by a packet socket.  Key: VM and MAC.  Bound: PEERS_WATCHES_MAX
 * vNICs, 'max' peers each; a vNIC beyond it is not watched (logged).  Watches
 * go with peers_unwatch().  docs/cpm.md 7.3 item 6.
 */
#include <stdint.h>

#include "common/cpm.h"
#include "common/loop.h"
#include "vmagent/eids.h"
#include "vmagent/peer_list.h"

enum { PEERS_WATCHES_MAX = 4096 };

struct peers;

struct peers_conf {
	int source; /* enum conf_peer_source */
	unsigned max;
	int64_t age_s;
};

/* NULL if out of memory; a source that fails is logged and done without. */
struct peers *peers_new(struct loop *, const struct peers_conf *);
/* BPF programs and pinned maps stay in the kernel.  Accepts NULL. */
void peers_free(struct peers *);

/* Watches the vNICs of 'vm' that have a tap and EIDs; stops for others. */
void peers_watch(struct peers *, const struct vm_info *vm);
/* Ends it; what was seen is forgotten. */
void peers_unwatch(struct peers *, const uint8_t uuid[16]);

/*
 * The peers of 'vm', best first, own EIDs left out; at most 'max' are written.
 * Returns how many.
 */
unsigned peers_collect(struct peers *, const struct vm_info *vm,
    struct cpm_peer *out, unsigned max);

/* "bpf", "packet" or "off": how the next vNIC will be watched. */
const char *peers_source(const struct peers *);
unsigned peers_watched(const struct peers *); /* vNICs */

#endif
