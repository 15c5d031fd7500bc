/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_AGENTS_H
#define TESTS_SIM_AGENTS_H

/*
 * agents.h - a model of the agents that follows docs/cpm.md 7: what a host says
 * about a VM, until it is acked, and what it does when it is told no.
 *
 * One 'struct stay' per host and VM.  The world (test_random.c) calls it when
 * something happens to the VM, as libvirt would.
 */
#include "steps.h"

#include "common/lisp.h"

enum {
	AGENT_VMS = 4,
	AGENT_SENDINGS = 12,
	AGENT_RESYNC_MS = 60000,
	AGENT_RECLAIMS = 3,
};

enum stay_state { GONE, HERE, DEPARTING, PAUSED, ARRIVING };

/* A statement on its way; two sequences, docs/cpm.md 4.2 step 5. */
struct statement {
	bool open;
	uint8_t reason;
	uint64_t generation, nonce;
	unsigned sendings;
	struct loop_timer *timer;
};

enum { OWNERSHIP, MARK, SEQUENCES };

struct stay {
	struct agents *a;
	unsigned host;
	struct vm *vm;
	enum stay_state state;
	bool frozen; /* the host is down */
	uint64_t own, high, claim_nonce;
	unsigned reclaims;
	struct statement said[SEQUENCES];
};

struct vm {
	unsigned n;
	struct eid eids[2];
	unsigned n_eids;
	int at; /* host, -1: nowhere */
	bool incoming[SIM_HOSTS];
	uint64_t meta_generation; /* the metadata that travel with it */
	int meta_owner;
	struct stay stays[SIM_HOSTS];
};

struct agents {
	struct sim *s;
	uint64_t nonces[SIM_HOSTS];
	int64_t skew_ms[SIM_HOSTS];
	struct loop_timer *resync[SIM_HOSTS];
	struct vm vms[AGENT_VMS];
};

static uint64_t
agent_clock(const struct stay *t)
{
	return clock_wall_ms(&t->a->s->clock) +
	    (uint64_t)t->a->skew_ms[t->host];
}

static void
stay_transmit(struct stay *t, struct statement *m)
{
	int64_t wait_ms = 50;

	sim_cpm_send(t->a->s,
	    &(struct sim_cpm){ .site = t->host % SIM_SITES,
		.second = t->host / SIM_SITES,
		.reason = m->reason,
		.generation = m->generation,
		.eids = t->vm->eids,
		.n_eids = t->vm->n_eids,
		.nonce = m->nonce,
		.vm = (uint8_t)t->vm->n,
		.peer = m->reason == CPM_DEPARTING ? "10.3.0.10" : NULL });
	m->sendings++;
	for (unsigned i = 1; i < m->sendings && wait_ms < 1000; i++)
		wait_ms *= 2;
	loop_timer_set(m->timer, wait_ms < 1000 ? wait_ms : 1000);
}

static uint64_t
stay_nonce(struct stay *t)
{
	uint64_t *nonce = &t->a->nonces[t->host];

	*nonce = *nonce < agent_clock(t) ? agent_clock(t) : *nonce + 1;
	return *nonce;
}

/* Is it a claim, which 7.4 is about? */
static bool
is_claim(uint8_t reason, uint64_t generation)
{
	return reason == CPM_ARRIVED || reason == CPM_PRESENT ||
	    (reason == CPM_ABORTED && generation);
}

static void
stay_log(const struct stay *t, const char *what, uint8_t reason, uint64_t g)
{
	log_debug("agent", "vm %u host hyp%u: %s %s %llx", t->vm->n,
	    t->host + 1, what, cpm_reason_str(reason), (unsigned long long)g);
}

static void
stay_say(struct stay *t, uint8_t reason, uint64_t generation)
{
	const bool mark = reason == CPM_ARRIVING ||
	    (reason == CPM_ABORTED && generation == 0);
	struct statement *m = &t->said[mark ? MARK : OWNERSHIP];

	*m = (struct statement){ .open = true,
		.reason = reason,
		.generation = generation,
		.nonce = stay_nonce(t),
		.timer = m->timer };
	t->said[mark ? OWNERSHIP : MARK].open =
	    false; /* a newer event of the VM, 7.3 */
	if (is_claim(reason, generation))
		t->claim_nonce = m->nonce;
	stay_log(t, "says", reason, generation);
	stay_transmit(t, m);
	if (reason == CPM_PAUSED || reason == CPM_ARRIVED)
		stay_transmit(t, m);
}

/* A claim that changes the owner: a new generation, 4.1. */
static void
stay_claim(struct stay *t, uint8_t reason)
{
	uint64_t g = agent_clock(t);

	if (g <= t->vm->meta_generation)
		g = t->vm->meta_generation + 1;
	if (g <= t->high)
		g = t->high + 1;
	if (g <= t->own)
		g = t->own + 1;
	t->own = g;
	t->state = HERE;
	stay_say(t, reason, g);
}

static void
stay_timed_out(struct stay *t, struct statement *m)
{
	if (!m->open || t->frozen)
		return;
	if (m->sendings == AGENT_SENDINGS) {
		m->sendings++;
		loop_timer_set(m->timer, 60000);
		return;
	}
	if (m->sendings > AGENT_SENDINGS) { /* a new attempt */
		m->nonce = stay_nonce(t);
		m->sendings = 0;
		if (is_claim(m->reason, m->generation))
			t->claim_nonce = m->nonce;
	}
	stay_transmit(t, m);
}

static void
ownership_timed_out(void *arg)
{
	struct stay *t = arg;

	stay_timed_out(t, &t->said[OWNERSHIP]);
}

static void
mark_timed_out(void *arg)
{
	struct stay *t = arg;

	stay_timed_out(t, &t->said[MARK]);
}

/* Status 9 to a claim, 7.4. */
static void
stay_reclaim(struct stay *t)
{
	if (t->vm->at != (int)t->host ||
	    (t->state != HERE && t->state != DEPARTING) ||
	    t->reclaims >= AGENT_RECLAIMS)
		return;
	t->reclaims++;
	stay_claim(t, CPM_PRESENT);
}

static void
statement_acked(struct stay *t, struct statement *m, const struct cpm_ack *ack)
{
	uint8_t status = ack->status;

	for (unsigned i = 0; status == CPM_ACK_DIFFER && i < ack->n_eids; i++)
		if (ack->eids[i].status > CPM_ACK_NOTHING)
			status = ack->eids[i].status;
	stay_log(t, cpm_status_str(status), m->reason, m->generation);
	switch (status) {
	case CPM_ACK_RATE:
	case CPM_ACK_INTERNAL:
		return; /* the timer goes on */
	case CPM_ACK_NONCE:
		if (t->a->nonces[t->host] < ack->highest_nonce)
			t->a->nonces[t->host] = ack->highest_nonce;
		m->nonce = stay_nonce(t);
		m->sendings = 0;
		if (is_claim(m->reason, m->generation))
			t->claim_nonce = m->nonce;
		stay_transmit(t, m);
		return;
	}
	m->open = false;
	loop_timer_cancel(m->timer);
	if (!is_claim(m->reason, m->generation))
		return;
	if (status == CPM_ACK_STALE)
		stay_reclaim(t);
	/* The metadata are written soon after; not always. */
	else if (t->vm->at == (int)t->host && sim_random(t->a->s) % 10 < 7) {
		t->vm->meta_generation = t->own;
		t->vm->meta_owner = (int)t->host;
	}
}

static void
agents_acked(void *arg, unsigned host, const struct cpm_ack *ack)
{
	struct agents *a = arg;

	for (unsigned i = 0; i < AGENT_VMS; i++) {
		struct stay *t = &a->vms[i].stays[host];
		bool mine = false;

		if (t->frozen)
			continue;
		for (unsigned j = 0; j < SEQUENCES; j++) {
			struct statement *m = &t->said[j];

			if (!m->open || m->nonce != ack->nonce)
				continue;
			mine = true;
			if (t->high < ack->highest_generation)
				t->high = ack->highest_generation;
			statement_acked(t, m, ack);
			break;
		}
		/* A revised Ack, 6.8. */
		if (!mine && ack->nonce == t->claim_nonce &&
		    ack->status == CPM_ACK_STALE) {
			if (t->high < ack->highest_generation)
				t->high = ack->highest_generation;
			stay_reclaim(t);
		}
	}
}

/* What a listing finds, 7.1. */
static void
stay_resync(struct stay *t)
{
	const bool here = t->vm->at == (int)t->host;

	if (t->frozen)
		return;
	switch (t->state) {
	case GONE:
		if (here && !t->vm->incoming[t->host])
			stay_claim(t, CPM_PRESENT);
		break;
	case HERE:
		if (!here) {
			t->state = GONE;
			stay_say(t, CPM_ABSENT, t->own);
		} else if (!t->said[OWNERSHIP].open) {
			stay_say(t, CPM_PRESENT, t->own);
		}
		break;
	case DEPARTING:
	case PAUSED:
		if (!here) {
			t->state = GONE;
			stay_say(t, CPM_DEPARTED, t->own);
		}
		break;
	case ARRIVING:
		if (t->vm->incoming[t->host]) {
			stay_say(t, CPM_ARRIVING, t->vm->meta_generation);
		} else {
			t->state = GONE;
			stay_say(t, CPM_ABORTED, 0);
		}
		break;
	}
}

static void
agents_resync(struct agents *a, unsigned host)
{
	for (unsigned i = 0; i < AGENT_VMS; i++)
		stay_resync(&a->vms[i].stays[host]);
	loop_timer_set(a->resync[host], AGENT_RESYNC_MS);
}

static void
resync_due(void *arg)
{
	struct stay *t = arg; /* any of that host */

	agents_resync(t->a, t->host);
}

static void
agents_init(struct agents *a, struct sim *s)
{
	static const int skews_ms[] = { 0, 0, 0, -5000, 5000, 200, -200 };

	memset(a, 0, sizeof(*a));
	a->s = s;
	s->acked = agents_acked;
	s->acked_arg = a;
	for (unsigned i = 0; i < AGENT_VMS; i++) {
		struct vm *vm = &a->vms[i];

		vm->n = i;
		vm->at = vm->meta_owner = -1;
		vm->n_eids = 1 + i % 2;
		vm->eids[0] = sim_eid("10.1.1.10");
		vm->eids[0].addr.bytes[3] = (uint8_t)(10 + i);
		vm->eids[1] = sim_eid("2001:db8:1::10");
		vm->eids[1].addr.bytes[15] = (uint8_t)(10 + i);
		for (unsigned h = 0; h < SIM_HOSTS; h++) {
			struct stay *t = &vm->stays[h];

			*t = (struct stay){ .a = a, .host = h, .vm = vm };
			t->said[OWNERSHIP].timer =
			    loop_timer_new(s->loop, ownership_timed_out, t);
			t->said[MARK].timer =
			    loop_timer_new(s->loop, mark_timed_out, t);
		}
	}
	for (unsigned h = 0; h < SIM_HOSTS; h++) {
		a->skew_ms[h] = skews_ms[sim_random(s) % 7];
		a->resync[h] =
		    loop_timer_new(s->loop, resync_due, &a->vms[0].stays[h]);
		loop_timer_set(
		    a->resync[h], (int64_t)(sim_random(s) % AGENT_RESYNC_MS));
	}
}

static void
agents_fini(struct agents *a)
{
	for (unsigned i = 0; i < AGENT_VMS; i++)
		for (unsigned h = 0; h < SIM_HOSTS; h++)
			for (unsigned j = 0; j < SEQUENCES; j++)
				loop_timer_free(
				    a->vms[i].stays[h].said[j].timer);
	for (unsigned h = 0; h < SIM_HOSTS; h++)
		loop_timer_free(a->resync[h]);
}

#endif
