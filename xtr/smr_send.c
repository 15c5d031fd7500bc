/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smr_send.c - one SMR on its way, and how many may leave.
 *
 * smr.c says to whom and when; what a limit stops stays in its queue.
 */
#include "smr_send.h"

#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "common/msg.h"
#include "xtr/limit.h"
#include "xtr/output.h"
#include "xtr/smr.h"

enum { TOTAL_KNOWN, TOTAL_STRANGERS, TOTALS };

struct smr_limits {
	struct limits *known, *strangers, *late;
	struct total {
		double tokens, per_s; /* a tenth of a second's worth at most */
		struct mono refilled;
	} totals[TOTALS];
};

struct smr_limits *
smr_limits_new(struct xtr *x)
{
	struct smr_limits *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->known = limits_new(SMR_QUEUE_MAX, SMR_BURST, SMR_INTERVAL_S * 1000);
	l->strangers = limits_new(SMR_QUEUE_MAX / 8, 1, SMR_INTERVAL_S * 1000);
	l->late = limits_new(SMR_QUEUE_MAX / 8, 1, SMR_INTERVAL_S * 1000);
	l->totals[TOTAL_KNOWN].per_s = SMR_TOTAL_PER_S;
	l->totals[TOTAL_STRANGERS].per_s = SMR_TOTAL_PER_S / 10;
	for (unsigned i = 0; i < TOTALS; i++) {
		l->totals[i].tokens = l->totals[i].per_s / 10;
		l->totals[i].refilled = xtr_now(x);
	}
	if (!l->known || !l->strangers || !l->late) {
		smr_limits_free(l);
		return NULL;
	}
	return l;
}

void
smr_limits_free(struct smr_limits *l)
{
	if (!l)
		return;
	limits_free(l->known);
	limits_free(l->strangers);
	limits_free(l->late);
	free(l);
}

static bool
has_token(struct total *t, struct mono now)
{
	const double seconds = (double)mono_diff_us(now, t->refilled) / 1e6;

	t->refilled = now;
	t->tokens += seconds * t->per_s;
	if (t->tokens > t->per_s / 10)
		t->tokens = t->per_s / 10;
	return t->tokens >= 1;
}

static bool
take(struct smr_limits *l, enum smr_to to, const struct eid *eid,
    const struct addr *rloc, struct mono now)
{
	struct {
		struct eid eid;
		struct addr rloc;
	} key;

	if (to == SMR_STRANGER)
		return limit_take(l->strangers, rloc, sizeof(*rloc), now);
	memset(&key, 0, sizeof(key));
	key.eid = *eid;
	key.rloc = *rloc;
	return limit_take(
	    to == SMR_LATE ? l->late : l->known, &key, sizeof(key), now);
}

/* The changed EID is the source, as most receivers expect. */
static void
send(struct xtr *x, const struct eid *eid, const struct addr *rloc,
    const struct eid *source)
{
	struct map_request m = {
		.smr = true, .no_reply = true, .n_records = 1
	};
	const struct addr *first = xtr_rloc(x, rloc->afi);
	const struct addr *other =
	    xtr_rloc(x, rloc->afi == AFI_IPV4 ? AFI_IPV6 : AFI_IPV4);
	const struct eid *record = source ? source : eid;
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	if (!first)
		return;
	auth_random(&m.nonce, sizeof(m.nonce));
	m.source_eid = lisp_addr_from_eid(eid);
	m.itr_rlocs[m.n_itr_rlocs++] = lisp_addr_from_addr(first);
	if (other)
		m.itr_rlocs[m.n_itr_rlocs++] = lisp_addr_from_addr(other);
	m.records[0].eid = lisp_addr_from_eid(record);
	m.records[0].eid_bits = record->bits;
	map_request_encode(&w, &m);
	if (w.err)
		return;
	output_send(x, first, rloc, LISP_CONTROL_PORT, buf, wire_written(&w));
	x->counters.smr_sent++;
}

enum smr_result
smr_send(struct xtr *x, struct smr_limits *l, enum smr_to to,
    const struct eid *eid, const struct addr *rloc, const struct eid *source)
{
	struct total *total =
	    &l->totals[to == SMR_STRANGER ? TOTAL_STRANGERS : TOTAL_KNOWN];

	if (!has_token(total, xtr_now(x)))
		return SMR_BUSY;
	if (!take(l, to, eid, rloc, xtr_now(x))) {
		x->counters.smr_limited++;
		return SMR_LIMITED;
	}
	total->tokens -= 1;
	send(x, eid, rloc, source);
	return SMR_SENT;
}
