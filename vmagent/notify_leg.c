/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify_leg.c - one statement on its way to one xTR: encode, send, repeat.
 *
 * notify.c makes a leg for each xTR; the timer here does the rest until
 * notify_ack.c has seen all answers.  xTRs with the same key get the same
 * octets, so a leg may be filled with copies of another's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "notify_state.h"

static uint64_t
nonces_take(struct notify *n, unsigned count)
{
	uint64_t first = n->next_nonce;

	n->next_nonce += count;
	if (n->next_nonce > n->ceiling) {
		n->ceiling = n->next_nonce + NOTIFY_NONCES;
		n->hooks->reserve(n->arg, n->ceiling);
	}
	return first;
}

void
notify_leg_drop(struct notify *n, struct leg *leg)
{
	for (unsigned i = 0; leg->sent && i < leg->n_parts; i++) {
		struct sent *s = &leg->sent[i];

		if (s->listed)
			table_remove(&n->sent, &s->node);
		free(s->part);
	}
	free(leg->sent);
	leg->sent = NULL;
}

/* Takes over 'part', whatever is returned. */
static enum err
leg_list(struct notify *n, struct leg *leg, unsigned i, struct part *part)
{
	struct sent *s = &leg->sent[i];
	enum err err;

	s->leg = leg;
	s->part = part;
	s->key = (struct sent_key){ .nonce = part->nonce, .xtr = leg->xtr };
	err = table_add(&n->sent, &s->node);
	s->listed = !err;
	return err;
}

/* Parts of its own, or copies of 'like', a leg whose xTR has the same key. */
enum err
notify_leg_fill(struct notify *n, struct leg *leg, const struct leg *like)
{
	const struct statement *m = leg->notice->m;
	const struct series_conf *conf = &n->xtrs[leg->xtr].series;
	struct part **parts;
	enum err err = ERR_OK;

	leg->n_parts = series_parts(m, conf);
	leg->n_acked = 0;
	leg->sent = calloc(leg->n_parts + 1, sizeof(*leg->sent));
	parts = calloc(leg->n_parts + 1, sizeof(*parts));
	if (!leg->sent || !parts)
		err = ERR_NOMEM;
	else if (!like)
		err =
		    series_encode(m, conf, nonces_take(n, leg->n_parts), parts);
	for (unsigned i = 0; i < leg->n_parts && !err; i++) {
		struct part *part =
		    like ? part_copy(like->sent[i].part) : parts[i];

		parts[i] = NULL;
		err = part ? leg_list(n, leg, i, part) : ERR_NOMEM;
	}
	for (unsigned i = 0; parts && i < leg->n_parts; i++)
		free(parts[i]);
	free(parts);
	if (err)
		notify_leg_drop(n, leg);
	return err;
}

static void
leg_send_part(struct notify *n, const struct leg *leg, const struct part *p)
{
	const struct conf_agent_xtr *x = n->xtrs[leg->xtr].conf;
	struct sockaddr_storage to;
	unsigned len;
	int fd = x->address.afi == AFI_IPV4 ? n->fd4 : n->fd6;

	n->counters.sent++;
	if (n->hooks->send) {
		n->hooks->send(
		    n->arg, &x->address, (uint16_t)x->port, p->bytes, p->len);
		return;
	}
	addr_to_sockaddr(&x->address, (uint16_t)x->port, &to, &len);
	if (sendto(fd, p->bytes, p->len, 0, (const struct sockaddr *)&to, len) <
	    0) {
		n->counters.send_errors++;
		log_debug("notify", "%s: %s", x->name, strerror(errno));
	}
}

/* What is not acked; 'which': the first parts of their series, or others. */
void
notify_leg_send(struct notify *n, const struct leg *leg, bool first)
{
	for (unsigned i = 0; i < leg->n_parts; i++)
		if (leg->sent && !leg->sent[i].part->done &&
		    leg->sent[i].part->first == first)
			leg_send_part(n, leg, leg->sent[i].part);
}

static int64_t
backoff_ms(unsigned sendings)
{
	int64_t ms = NOTIFY_FIRST_MS;

	for (; sendings > 1 && ms < NOTIFY_MAX_MS; sendings--)
		ms *= 2;
	return ms < NOTIFY_MAX_MS ? ms : NOTIFY_MAX_MS;
}

void
notify_leg_sent(struct leg *leg)
{
	leg->sendings++;
	loop_timer_set(leg->timer, backoff_ms(leg->sendings));
}

enum err
notify_renumber(struct notify *n, struct leg *leg)
{
	enum err err;

	notify_leg_drop(n, leg);
	leg->sendings = 0;
	err = notify_leg_fill(n, leg, NULL);
	if (err) {
		leg->n_parts = 0; /* the timer tries it once more */
		loop_timer_set(leg->timer, NOTIFY_AGAIN_MS);
		return err;
	}
	if (leg->notice->form.claim)
		notify_claimed(leg);
	notify_leg_send(n, leg, true);
	notify_leg_send(n, leg, false);
	notify_leg_sent(leg);
	return ERR_OK;
}

static void
leg_again(struct notify *n, struct leg *leg)
{
	n->counters.resent++;
	notify_leg_send(n, leg, true);
	notify_leg_send(n, leg, false);
	notify_leg_sent(leg);
}

static void
leg_alarm(struct notify *n, struct leg *leg)
{
	struct xtr *x = &n->xtrs[leg->xtr];
	uint32_t kept;

	leg->alarm = true;
	n->counters.alarms++;
	/* An xTR that is down is so for all VMs. */
	if (log_allowed(&x->limit, loop_now(n->loop), &kept))
		log_error("notify",
		    "%s: xTR %s does not answer: %s, generation %llu "
		    "(%u more)",
		    leg->notice->m->name, x->conf->name,
		    cpm_reason_str(leg->notice->form.reason),
		    (unsigned long long)leg->notice->generation, kept);
	leg->sendings = 0;
	loop_timer_set(leg->timer, NOTIFY_AGAIN_MS);
}

void
notify_leg_timer(void *arg)
{
	struct leg *leg = arg;
	struct notify *n = leg->notice->notify;

	if (leg->sendings == 0) {
		leg->renumbered = 0;
		if (notify_renumber(n, leg))
			log_error("notify", "%s: %s", leg->notice->m->name,
			    err_str(ERR_NOMEM));
	} else if (leg->sendings >= NOTIFY_SENDINGS) {
		leg_alarm(n, leg);
	} else {
		leg_again(n, leg);
	}
}

void
notify_leg_done(struct notify *n, struct leg *leg)
{
	struct notice *notice = leg->notice;

	if (leg->alarm)
		log_debug("notify", "%s: xTR %s answers again", notice->m->name,
		    n->xtrs[leg->xtr].conf->name);
	leg->alarm = false;
	notify_leg_drop(n, leg);
	loop_timer_free(leg->timer);
	leg->timer = NULL;
	notice->n_open--;
	if (notice->n_open == 0) {
		statement_free(notice->m);
		notice->m = NULL;
	}
}

void
notify_claimed(const struct leg *leg)
{
	struct told *t = leg->notice->told;

	if (!leg->n_parts)
		return;
	t->claims[leg->xtr].low = leg->sent[0].part->nonce;
	t->claims[leg->xtr].high = leg->sent[leg->n_parts - 1].part->nonce;
}
