/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_NOTIFY_H
#define VMAGENT_NOTIFY_H

/*
 * notify.h - tells the site's xTRs, until they have understood.
 *
 * A statement goes to every xTR in parallel, each with its own retransmission:
 * byte-identical, 50 ms doubling to 1 s, 12 sendings, then an alarm and a new
 * attempt with new nonces every 60 s (docs/cpm.md 7.3).
 *
 * Key: the VM.  For each VM at most three statements are outstanding: one about
 * ownership, one about the incoming mark, the two sequences of docs/cpm.md 4.2,
 * and one about EIDs that it no longer has ('side').  A newer one of its kind
 * replaces the older, one about ownership also that about the mark, and takes
 * over the peers that were not yet acked.
 * Bound: NOTIFY_VMS_MAX VMs, NOTIFY_PARTS_MAX messages; beyond it statements
 * are refused with ERR_FULL.  notify_forget() removes a VM.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "vmagent/conf.h"
#include "vmagent/series.h"

enum {
	NOTIFY_VMS_MAX = 8192,
	NOTIFY_PARTS_MAX = 262144,
	NOTIFY_XTRS_MAX = 16,
	NOTIFY_FIRST_MS = 50, /* docs/cpm.md 7.3 item 2, all of these */
	NOTIFY_MAX_MS = 1000,
	NOTIFY_SENDINGS = 12,
	NOTIFY_AGAIN_MS = 60000,
	NOTIFY_RATE_MS = 1000, /* after Ack status 4 */
	/* Reserved at a time.  A restart skips that many, and nonces start at
	 * the clock in ms: few, or an agent that restarts again and again
	 * would run ahead of the clock (docs/cpm.md 4.3). */
	NOTIFY_NONCES = 1024,
};

struct notify;

/* An Ack that counts. */
struct notify_ack {
	uint8_t vm_id[16];
	unsigned xtr;	     /* index in the configuration */
	uint8_t status;	     /* enum cpm_status; of several EIDs the worst */
	uint8_t reason;	     /* of the statement acked */
	bool claim;	     /* status 9 to it means docs/cpm.md 7.4 */
	bool mark;	     /* it was about the incoming mark */
	bool side;	     /* or about EIDs that the VM no longer has */
	uint64_t generation; /* of the statement */
	uint64_t highest_generation; /* known to the xTR; 0: none */
	bool xtr_done;		     /* that xTR has answered all parts */
	bool all_done;		     /* so have all xTRs */
};

struct notify_hooks {
	void (*acked)(void *arg, const struct notify_ack *);
	/* Store 'ceiling': nonces up to it may be used. */
	void (*reserve)(void *arg, uint64_t ceiling);
	/* One message to an xTR; NULL: by UDP. */
	void (*send)(void *arg, const struct addr *to, uint16_t port,
	    const uint8_t *bytes, size_t len);
	/* Nobody will answer: a message counts as acked when it is sent. */
	bool dry_run;
};

/* NULL if out of memory or without sockets (logged).  Borrows all. */
struct notify *notify_new(struct loop *, const struct agent_conf *,
    const struct notify_hooks *, void *arg);
void notify_free(struct notify *); /* accepts NULL */

/* Nothing can be said before both are set. */
void notify_sender(struct notify *, const uint8_t host_id[16]);
/* 'saved': the ceiling stored last, 0 if none. */
void notify_nonces(struct notify *, uint64_t saved);

/*
 * Another configuration: forgets everything outstanding; the caller says again
 * what still holds.
 */
void notify_reload(struct notify *, const struct agent_conf *);

/*
 * Says it, at once.  Takes over 'm', whatever is returned.  ERR_FULL, ERR_NOMEM,
 * ERR_INTERNAL: nothing was sent, what was outstanding goes on.
 */
enum err notify_say(struct notify *, struct statement *m) MUST_USE;

/* Ends what is outstanding for a VM. */
void notify_forget(struct notify *, const uint8_t vm_id[16]);

/* True while a statement about ownership (or: the mark) waits for an Ack. */
bool
notify_outstanding(const struct notify *, const uint8_t vm_id[16], bool mark);

/* How far an xTR is with the last statement about a VM's ownership. */
struct notify_progress {
	const char *name; /* of the xTR */
	unsigned parts, acked;
	unsigned sendings;
	uint8_t status; /* of the last Ack */
	bool alarm;
};
/* False: nothing was said, or no such xTR. */
bool notify_progress(const struct notify *, const uint8_t vm_id[16],
    unsigned xtr, struct notify_progress *out);

unsigned notify_xtrs(const struct notify *);
const char *notify_xtr_name(const struct notify *, unsigned xtr);

/* What came back from an xTR; the sockets call it, and the test. */
void notify_received(struct notify *, const struct addr *from, uint16_t port,
    const uint8_t *bytes, size_t len);

struct notify_counters {
	uint64_t statements[9]; /* by reason */
	uint64_t sent, resent, send_errors;
	uint64_t acks[10];	     /* by status; beyond 9 as 8 */
	uint64_t refused[ERR_COUNT]; /* Acks that did not count */
	uint64_t alarms;
};
const struct notify_counters *notify_counters(const struct notify *);

#endif
