/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CPM_IN_H
#define XTR_CPM_IN_H

/*
 * cpm_in.h - who may say what: a received CPM, Notify, Requesters or Ack up to
 * the point where it is believed.  docs/cpm.md 4.2 steps 1 to 4, 4.3.
 *
 * Senders: one entry per configured hypervisor and per xTR of another site,
 * with its replay window (kept in the store) and rate.  Bound: the
 * configuration's.
 */
#include "common/cpm.h"
#include "common/table.h"
#include "xtr/conf.h"
#include "xtr/replay.h"
#include "xtr/xtr.h"

struct sender {
	struct table_node by_id;
	uint8_t id[16];
	const struct conf_hypervisor *hypervisor; /* or NULL */
	const struct conf_other_site *site;	  /* and its xTR, or NULL */
	const struct conf_site_xtr *xtr;
	struct replay replay;
	double tokens; /* rate, docs/cpm.md 9 */
	struct mono refilled;
};

struct senders;

struct senders *senders_new(struct xtr *);
void senders_free(struct senders *); /* accepts NULL */
/* NULL if nobody of that Sender-ID is configured. */
struct sender *sender_find(const struct senders *, const uint8_t id[16]);
const char *sender_name(const struct sender *);
const struct auth_key *sender_key(const struct sender *);
/* The prefixes it may speak for cover 'eid'. */
bool sender_may(const struct sender *, const struct eid *eid);

/* It is an RLOC of that xTR / of any xTR of that site. */
bool site_xtr_has_rloc(const struct conf_site_xtr *, const struct addr *);
bool site_has_rloc(const struct conf_other_site *, const struct addr *);

struct cpm_in {
	struct sender *sender;
	const struct datagram *dg;
	struct cpm m;
	struct replay before; /* of the sender, without this nonce */
	bool duplicate; /* seen before: Ack from the present state, no action */
	uint8_t status; /* not 0: the Ack for the whole message, no action */
};

/*
 * Runs the steps for one datagram of op 1, 3 or 4.  ERR_OK: '*out' is to be
 * acted on or, with 'duplicate' or 'status', only to be acked; the nonce has
 * been stored.  Any other code: dropped, no Ack, nothing changed.
 */
enum err cpm_in_read(struct xtr *, struct senders *, const struct datagram *,
    const struct cpm_header *, struct cpm_in *out) MUST_USE;

/* The nonce of '*in' is not used up: it is answered with status 8. */
void cpm_in_release(struct xtr *, const struct cpm_in *in);
/* Writes the windows of all senders again. */
void senders_save(struct xtr *, const struct senders *);

/*
 * The key and sender of any message of the family, its MAC verified; step 1.
 */
enum err
cpm_in_authenticate(struct xtr *, struct senders *, const struct datagram *,
    const struct cpm_header *, struct sender **out) MUST_USE;

/* True if 'value' (generation, or nonce in ms) is too far ahead, 4.3. */
bool cpm_is_future(const struct xtr *, uint64_t value);

/* Sends the Ack; 'eid_status' is used when they differ. */
void cpm_ack_send(struct xtr *, const struct cpm_in *,
    const uint8_t eid_status[CPM_EIDS_MAX], uint64_t highest_generation);

#endif
