/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.c - the record of each handover.
 *
 * mobility.c, notify.c, smr.c and register.c note what they did and heard;
 * ctl.c shows it.  Nothing here decides anything.  One table finds the newest
 * move of an EID, older ones of it hang behind; all moves are in one list by
 * age.  While a move is open a second table finds (move, step, peer), so that
 * noting the thousandth ITR costs what the first did.  Records are written to
 * the store as they change: move_store.c.
 */
#include "xtr/move.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtr/move_state.h"

enum { STEPS_FIRST = 16 }; /* room at first */

struct step_key {
	uint32_t serial;
	uint16_t step;
	struct addr peer;
};
_Static_assert(sizeof(struct step_key) == 24, "compared as memory");

/* Of open moves only. */
struct step_node {
	struct table_node by_key;
	struct step_key key;
	uint32_t at; /* index into steps */
};

/* --- steps --- */

static struct step_key
step_key(const struct move *m, enum move_step step, const struct addr *peer)
{
	struct step_key k = { .serial = m->serial, .step = (uint16_t)step };

	if (peer)
		k.peer = *peer;
	return k;
}

static struct step_node *
node_find(const struct moves *t, const struct step_key *k)
{
	return table_entry(table_find(&t->steps, k), struct step_node, by_key);
}

static bool
node_add(struct moves *t, const struct step_key *k, size_t at)
{
	struct step_node *n = malloc(sizeof(*n));

	if (!n)
		return false;
	*n = (struct step_node){ .key = *k, .at = (uint32_t)at };
	if (table_add(&t->steps, &n->by_key)) {
		free(n);
		return false;
	}
	return true;
}

/* A finished move is noted to rarely: it needs no index. */
static void
nodes_remove(struct moves *t, const struct move *m)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		struct step_key k =
		    step_key(m, m->steps[i].step, &m->steps[i].peer);
		struct step_node *n = node_find(t, &k);

		if (!n)
			continue;
		table_remove(&t->steps, &n->by_key);
		free(n);
	}
}

static bool
steps_reserve(struct move *m)
{
	size_t size = m->steps_size ? m->steps_size * 2 : STEPS_FIRST;
	struct move_step_row *p;

	if (m->n_steps < m->steps_size)
		return true;
	if (m->n_steps >= MOVE_STEPS_MAX)
		return false;
	p = realloc(m->steps, size * sizeof(*p));
	if (!p)
		return false;
	m->steps = p;
	m->steps_size = size;
	return true;
}

/* Index of the step, or n_steps. */
static size_t
step_find(const struct moves *t, const struct move *m, const struct step_key *k)
{
	const struct step_node *n;
	size_t i = 0;

	if (!m->finished) {
		n = node_find(t, k);
		return n ? n->at : m->n_steps;
	}
	while (i < m->n_steps &&
	    (m->steps[i].step != k->step ||
		!addr_equal(&m->steps[i].peer, &k->peer)))
		i++;
	return i;
}

bool
move_step_append(
    struct moves *t, struct move *m, const struct move_step_row *row)
{
	struct step_key k = step_key(m, row->step, &row->peer);

	if (!steps_reserve(m) || (!m->finished && !node_add(t, &k, m->n_steps)))
		return false;
	m->steps[m->n_steps++] = *row;
	m->away |= row->step == MOVE_AWAY;
	return true;
}

/* Appends the step, or adds to the count of the one that is there; saves. */
static void
step_note(struct xtr *x, struct move *m, const struct move_step_row *row)
{
	struct step_key k = step_key(m, row->step, &row->peer);
	size_t at = step_find(x->moves, m, &k);

	if (at < m->n_steps)
		m->steps[at].count += row->count;
	else if (!move_step_append(x->moves, m, row))
		return;
	move_save_step(x, m, at);
}

/* --- moves --- */

static struct move *
newest_of(const struct moves *t, const struct eid *eid)
{
	return table_entry(table_find(&t->by_eid, eid), struct move, by_eid);
}

static struct move *
move_find(const struct moves *t, const struct eid *eid, uint64_t generation)
{
	struct move *m = newest_of(t, eid);

	while (m && m->generation != generation)
		m = m->older_of_eid;
	return m;
}

static void
move_free(struct moves *t, struct move *m)
{
	nodes_remove(t, m);
	free(m->steps);
	free(m);
}

/* Takes 'm' out of the chain of its EID. */
static void
unlink_eid(struct moves *t, struct move *m)
{
	struct move *at = newest_of(t, &m->eid);

	if (at == m) {
		table_remove(&t->by_eid, &m->by_eid);
		if (m->older_of_eid &&
		    table_add(&t->by_eid, &m->older_of_eid->by_eid))
			abort(); /* one has just gone */
		return;
	}
	while (at->older_of_eid != m)
		at = at->older_of_eid;
	at->older_of_eid = m->older_of_eid;
}

enum err
move_link(struct moves *t, struct move *m)
{
	struct move *was = newest_of(t, &m->eid), *above = NULL;
	struct move *below = t->newest;
	enum err err;

	if (was)
		table_remove(&t->by_eid, &was->by_eid);
	err = table_add(&t->by_eid, &m->by_eid);
	if (err)
		return err; /* then there was none before either */
	m->older_of_eid = was;
	while (below && below->begun_us > m->begun_us) {
		above = below;
		below = below->older;
	}
	m->newer = above;
	m->older = below;
	*(above ? &above->older : &t->newest) = m;
	*(below ? &below->newer : &t->oldest) = m;
	t->count++;
	return ERR_OK;
}

static void
unlink_move(struct moves *t, struct move *m)
{
	unlink_eid(t, m);
	*(m->newer ? &m->newer->older : &t->newest) = m->older;
	*(m->older ? &m->older->newer : &t->oldest) = m->newer;
	t->count--;
}

/* The oldest finished one goes; if none is finished, the oldest. */
static void
make_room(struct xtr *x)
{
	struct moves *t = x->moves;
	struct move *m = t->oldest;

	while (m && !m->finished)
		m = m->newer;
	if (!m)
		m = t->oldest;
	move_unsave(x, m);
	unlink_move(t, m);
	move_free(t, m);
}

static void
finish(struct xtr *x, struct move *m)
{
	nodes_remove(x->moves, m);
	m->finished = true;
	move_save(x, m);
}

/* A finished move goes on: after a restart, or by an equal statement. */
static void
reopen(struct moves *t, struct move *m)
{
	m->finished = false;
	for (size_t i = 0; i < m->n_steps; i++) {
		struct step_key k =
		    step_key(m, m->steps[i].step, &m->steps[i].peer);

		if (!node_find(t, &k))
			(void)node_add(t, &k, i); /* else it comes twice */
	}
}

/* The steps that waited for 'm' become its first ones. */
static void
take_waiting(struct xtr *x, struct move *m, int64_t now_us)
{
	struct waits *waits = &x->moves->waits;
	struct wait *w = waits_find(waits, &m->eid, now_us);

	if (!w)
		return;
	for (unsigned i = 0; i < w->n_steps; i++)
		step_note(x, m, &w->steps[i]);
	waits_remove(waits, w);
}

/* --- what others call --- */

static struct move *
move_new(struct xtr *x, const struct eid *eid, uint64_t generation)
{
	struct moves *t = x->moves;
	struct move *was = newest_of(t, eid), *m;

	if (was && !was->finished)
		finish(x, was); /* overtaken */
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	while (t->count >= MOVES_MAX)
		make_room(x);
	m->eid = *eid;
	m->generation = generation;
	m->serial = ++t->last_serial;
	m->begun_us = x->clock->wall_us(x->clock);
	if (move_link(t, m)) {
		free(m);
		return NULL;
	}
	return m;
}

void
move_begin(struct xtr *x, const struct eid *eid, uint64_t generation,
    const uint8_t vm_id[16], const char *from, const char *to,
    uint64_t event_ms)
{
	struct move *m = move_find(x->moves, eid, generation);

	if (!m) {
		m = move_new(x, eid, generation);
		if (!m) {
			log_warning("move", "out of memory");
			return;
		}
		x->counters.moves++;
	} else if (m->finished) {
		reopen(x->moves, m);
	}
	memcpy(m->vm_id, vm_id, sizeof(m->vm_id));
	if (from && *from)
		snprintf(m->from, sizeof(m->from), "%s", from);
	if (to && *to)
		snprintf(m->to, sizeof(m->to), "%s", to);
	if (event_ms)
		m->event_ms = event_ms;
	move_save(x, m);
	take_waiting(x, m, x->clock->wall_us(x->clock));
}

void
move_note(struct xtr *x, const struct eid *eid, enum move_step step,
    const struct addr *peer)
{
	struct move_step_row row = {
		.step = step, .at_us = x->clock->wall_us(x->clock), .count = 1
	};
	struct move *m = newest_of(x->moves, eid);

	if (waits_note(&x->moves->waits, eid, step, m && m->away, row.at_us) ||
	    !m)
		return;
	if (peer)
		row.peer = *peer;
	if (step == MOVE_SMR && m->finished) {
		reopen(x->moves, m); /* one more ITR to wait for */
		move_save(x, m);
	}
	step_note(x, m, &row);
}

/* One line for the log: who, how many ITRs converged, how long it took. */
static void
log_finished(const struct move *m)
{
	int64_t arrived_us = 0, last_us = 0;
	unsigned converged = 0, given_up = 0;
	char eid[EID_STR_MAX];

	for (size_t i = 0; i < m->n_steps; i++) {
		const struct move_step_row *s = &m->steps[i];

		if (s->step == MOVE_ARRIVED)
			arrived_us = s->at_us;
		given_up += s->step == MOVE_GIVEN_UP;
		converged += s->step == MOVE_CONVERGED;
		if (s->step == MOVE_CONVERGED && s->at_us > last_us)
			last_us = s->at_us;
	}
	if (!arrived_us) {
		log_debug("move", "%" PRIx64 ": %s left", m->generation,
		    eid_str(&m->eid, eid));
		return;
	}
	log_info("move",
	    "%" PRIx64 ": %s from %s to %s: %u ITRs converged in %.1f ms, "
	    "%u given up",
	    m->generation, eid_str(&m->eid, eid), *m->from ? m->from : "?",
	    *m->to ? m->to : "?", converged,
	    converged ? (double)(last_us - arrived_us) / 1000 : 0.0, given_up);
}

void
move_finish(struct xtr *x, const struct eid *eid)
{
	struct move *m = newest_of(x->moves, eid);

	if (!m || m->finished)
		return;
	finish(x, m);
	log_finished(m);
}

const char *
move_step_str(enum move_step step)
{
	static const char *const names[MOVE_STEPS] = {
		[MOVE_ARRIVING] = "arriving",
		[MOVE_DEPARTING] = "departing",
		[MOVE_PAUSED] = "paused",
		[MOVE_ARRIVED] = "arrived",
		[MOVE_ACKED] = "acked",
		[MOVE_LOCAL] = "local",
		[MOVE_NOTIFY] = "notify",
		[MOVE_NOTIFY_ACKED] = "notify-acked",
		[MOVE_REQUESTERS] = "requesters",
		[MOVE_DRAINED] = "drained",
		[MOVE_REGISTER] = "register",
		[MOVE_REGISTERED] = "registered",
		[MOVE_SMR] = "smr",
		[MOVE_CONVERGED] = "converged",
		[MOVE_GIVEN_UP] = "given-up",
		[MOVE_AWAY] = "away",
		[MOVE_DEPARTED] = "departed",
		[MOVE_ABORTED] = "aborted",
	};

	return (unsigned)step < MOVE_STEPS ? names[step] : "unknown";
}

void
moves_walk(const struct xtr *x, bool (*fn)(void *arg, const struct move_row *),
    void *arg)
{
	for (const struct move *m = x->moves->newest; m; m = m->older) {
		struct move_row row = { .eid = m->eid,
			.generation = m->generation,
			.from = m->from,
			.to = m->to,
			.event_ms = m->event_ms,
			.finished = m->finished,
			.steps = m->steps,
			.n_steps = m->n_steps };

		snprintf(row.id, sizeof(row.id), "%" PRIx64, m->generation);
		memcpy(row.vm_id, m->vm_id, sizeof(row.vm_id));
		if (!fn(arg, &row))
			return;
	}
}

struct moves *
moves_new(struct xtr *x)
{
	struct moves *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	if (table_init(&t->by_eid, 2 * MOVES_MAX, offsetof(struct move, by_eid),
		offsetof(struct move, eid), sizeof(struct eid)) ||
	    table_init(&t->steps, (size_t)2 * MOVES_MAX * MOVE_STEPS_MAX,
		offsetof(struct step_node, by_key),
		offsetof(struct step_node, key), sizeof(struct step_key)) ||
	    waits_init(&t->waits)) {
		moves_free(t);
		return NULL;
	}
	if (x->store)
		moves_load(x->store, t);
	return t;
}

void
moves_free(struct moves *t)
{
	struct move *m, *older;

	if (!t)
		return;
	for (m = t->newest; m; m = older) {
		older = m->older;
		move_free(t, m);
	}
	table_fini(&t->by_eid);
	table_fini(&t->steps);
	waits_fini(&t->waits);
	free(t);
}
