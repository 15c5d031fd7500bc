/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify_ack.c - Acks: authenticated, matched with what is outstanding, and
 * what each status means (docs/cpm.md 3.3).
 *
 * notify.c hands in the datagrams; agent.c hears of the Acks that count.
 */
#include <string.h>

#include "notify_state.h"

enum { RENUMBER_MAX = 3 };

static struct xtr *
xtr_find(struct notify *n, const struct addr *from, uint16_t port)
{
	for (unsigned i = 0; i < n->n_xtrs; i++)
		if (addr_equal(&n->xtrs[i].conf->address, from) &&
		    n->xtrs[i].conf->port == port)
			return &n->xtrs[i];
	return NULL;
}

/* Authenticates and decodes; nothing is believed before the MAC. */
static enum err
ack_read(struct notify *n, const struct xtr *x, const uint8_t *bytes,
    size_t len, struct cpm_ack *out)
{
	uint64_t now = clock_wall_ms(loop_clock(n->loop));
	struct cpm_header h;
	enum err err;

	if (!x)
		return ERR_SOURCE;
	err = cpm_header_decode(bytes, len, n->subtype, &h);
	if (!err && h.op != CPM_OP_ACK)
		err = ERR_UNSUPPORTED;
	if (!err)
		err = auth_verify(bytes, len, &x->conf->key);
	if (!err)
		err = cpm_ack_decode(bytes, len, n->subtype, out);
	if (err)
		return err;
	if (x->conf->has_xtr_id &&
	    memcmp(x->conf->xtr_id, out->sender_id, sizeof(out->sender_id)))
		return ERR_SOURCE;
	if (!mobility_generation_sane(out->highest_generation, now) ||
	    !mobility_generation_sane(out->highest_nonce, now))
		return ERR_FUTURE;
	return ERR_OK;
}

/* What a sender of the message does, most urgent first. */
enum todo { AGAIN, LATER, RENUMBER, STALE, REFUSED, BROKEN, DONE };

static enum todo
todo_of(uint8_t status)
{
	switch ((enum cpm_status)status) {
	case CPM_ACK_DONE:
	case CPM_ACK_NOTHING:
		return DONE;
	case CPM_ACK_POLICY:
		return REFUSED;
	case CPM_ACK_RATE:
		return LATER;
	case CPM_ACK_MALFORMED:
		return BROKEN;
	case CPM_ACK_NONCE:
		return RENUMBER;
	case CPM_ACK_STALE:
		return STALE;
	case CPM_ACK_DIFFER:
	case CPM_ACK_INTERNAL:
		break;
	}
	return AGAIN; /* 7, 8 and what we do not know */
}

/* The status that decides; that of the worst EID if they differ. */
static uint8_t
worst_status(const struct cpm_ack *a)
{
	uint8_t worst = CPM_ACK_DONE;

	if (a->status != CPM_ACK_DIFFER)
		return a->status;
	for (unsigned i = 0; i < a->n_eids; i++)
		if (todo_of(a->eids[i].status) < todo_of(worst))
			worst = a->eids[i].status;
	return worst;
}

/* The answer to one part of a leg. */
static void
part_answered(
    struct notify *n, struct sent *s, const struct cpm_ack *a, uint8_t status)
{
	struct leg *leg = s->leg;

	if (status > CPM_ACK_NOTHING)
		leg->status = status;
	else if (leg->n_acked == 0)
		leg->status = 0;
	switch (todo_of(status)) {
	case AGAIN:
		return; /* the timer goes on */
	case LATER:
		loop_timer_set(leg->timer, NOTIFY_RATE_MS);
		return;
	case RENUMBER:
		if (a->highest_nonce >= n->next_nonce)
			n->next_nonce = a->highest_nonce + 1;
		if (leg->renumbered++ < RENUMBER_MAX && notify_renumber(n, leg))
			log_error("notify", "%s", err_str(ERR_NOMEM));
		return;
	case STALE:
	case REFUSED:
	case BROKEN:
	case DONE:
		break;
	}
	s->part->done = true;
	leg->n_acked++;
	if (leg->n_acked == leg->n_parts)
		notify_leg_done(n, leg);
}

static void
log_answer(struct notify *n, struct xtr *x, const struct notice *notice,
    uint8_t status)
{
	const char *vm = notice->m ? notice->m->name : "";
	enum todo todo = todo_of(status);
	uint32_t kept;

	if (todo == DONE || todo == STALE || todo == RENUMBER) {
		log_debug("notify", "%s: xTR %s: %s: %s", vm, x->conf->name,
		    cpm_reason_str(notice->form.reason),
		    cpm_status_str(status));
		return;
	}
	if (!log_allowed(&x->limit, loop_now(n->loop), &kept))
		return;
	log_line(todo == REFUSED || todo == BROKEN ? LOG_LEVEL_ERROR
						   : LOG_LEVEL_WARNING,
	    "notify", "%s: xTR %s: %s: %s (%u more)", vm, x->conf->name,
	    cpm_reason_str(notice->form.reason), cpm_status_str(status), kept);
}

/* An Ack for a message that is outstanding. */
static void
ack_outstanding(
    struct notify *n, struct xtr *x, struct sent *s, const struct cpm_ack *a)
{
	const struct notice *notice = s->leg->notice;
	const struct leg *leg = s->leg;
	uint8_t status = worst_status(a);
	struct notify_ack out = { .xtr = leg->xtr,
		.status = status,
		.reason = (uint8_t)notice->form.reason,
		.claim = notice->form.claim,
		.mark = notice->form.mark,
		.side = notice->side,
		.generation = notice->generation,
		.highest_generation = a->highest_generation };

	memcpy(out.vm_id, notice->told->vm_id, sizeof(out.vm_id));
	log_answer(n, x, notice, status);
	if (!s->part->done)
		part_answered(n, s, a, status);
	out.xtr_done = !leg->timer;
	out.all_done = notice->n_open == 0;
	n->hooks->acked(
	    n->arg, &out); /* may say something new: touch no more */
}

/* "Revised": status 9 to the last claim, though it was acked before. */
static enum err
ack_revised(struct notify *n, const struct xtr *x, const struct cpm_ack *a)
{
	unsigned xtr = (unsigned)(x - n->xtrs);
	struct table_iter it = table_iter(&n->told);
	struct table_node *node;

	if (worst_status(a) != CPM_ACK_STALE)
		return ERR_NONCE;
	while ((node = table_next(&it))) {
		const struct told *t = table_entry(node, struct told, node);
		struct notify_ack out = { .xtr = xtr,
			.status = CPM_ACK_STALE,
			.reason = a->reason,
			.claim = true,
			.highest_generation = a->highest_generation };

		if (!t->claims[xtr].high || a->nonce < t->claims[xtr].low ||
		    a->nonce > t->claims[xtr].high)
			continue;
		memcpy(out.vm_id, t->vm_id, sizeof(out.vm_id));
		n->hooks->acked(n->arg, &out);
		return ERR_OK;
	}
	return ERR_NONCE;
}

void
notify_received(struct notify *n, const struct addr *from, uint16_t port,
    const uint8_t *bytes, size_t len)
{
	struct xtr *x = xtr_find(n, from, port);
	struct cpm_ack a;
	enum err err = ack_read(n, x, bytes, len, &a);
	char text[ADDR_STR_MAX];
	uint32_t kept;

	if (!err) {
		struct sent_key key = { a.nonce, (uint64_t)(x - n->xtrs) };
		struct sent *s =
		    table_entry(table_find(&n->sent, &key), struct sent, node);
		size_t which = worst_status(&a);

		n->counters.acks[which < 10 ? which : CPM_ACK_INTERNAL]++;
		if (s)
			ack_outstanding(n, x, s, &a);
		else
			err = ack_revised(n, x, &a);
	}
	if (!err)
		return;
	n->counters.refused[err]++;
	/* A second Ack of what was sent twice is no news. */
	if (err != ERR_NONCE &&
	    log_allowed(&n->limit, loop_now(n->loop), &kept))
		log_warning("notify", "rx: Ack from %s: %s (%u more)",
		    addr_str(from, text), err_str(err), kept);
}
