/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_HISTORY_H
#define VMAGENT_HISTORY_H

/*
 * history.h - what was said lately, and when each xTR understood it: the rows
 * of 'show moves'.
 *
 * A ring of HISTORY_MAX records in memory; the oldest goes.  Plain resyncs are
 * not in it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "vmagent/notify.h"

enum { HISTORY_MAX = 512 };

struct history_record {
	uint64_t id; /* 1, 2, ...; 0: unused */
	uint8_t vm_id[16];
	char name[EIDS_NAME_MAX];
	uint8_t reason;
	uint64_t generation;
	uint64_t event_ms; /* wall clock: libvirt's event reached us */
	uint64_t sent_ms;  /* the first copy was handed to the kernel */
	unsigned n_eids, n_peers;
	struct {
		uint64_t ms; /* wall clock; 0: not yet */
		uint8_t status;
	} acked[NOTIFY_XTRS_MAX];
};

struct history {
	uint64_t last_id;
	struct history_record ring[HISTORY_MAX];
};

/* The record of a new statement, to be filled in but for its id. */
struct history_record *history_add(struct history *);
/* The first final answer of an xTR to that statement. */
void
history_acked(struct history *, const struct notify_ack *, uint64_t wall_ms);
/* The record 'back' before the last one, NULL if there is none. */
const struct history_record *history_get(const struct history *, unsigned back);

#endif
