/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.c - the record of each handover.
 *
 * mobility.c, notify.c, smr.c and register.c note what they did and heard;
 * ctl.c shows it.  Nothing here decides anything.  One table finds the newest
 * move of an EID, older ones of it hang behind; all moves are in one list by
 * age.  While a move is open a second table finds (move, step, peer), so that
 * noting the thousandth ITR costs what the first did.
 *
 * In the store a move is a head and its steps, in blocks of STEPS_PER_BLOCK: one
 * step more rewrites one block, not the whole record.
 */
#include "xtr/move.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/table.h"
#include "xtr/output.h"
#include "xtr/store.h"

enum {
	STORE_VERSION = 1,
	NAME_MAX_LEN = 64, /* octets, with the NUL */
	STEPS_PER_BLOCK = 32,
	STEPS_FIRST = 16, /* room at first */
	WAITING_MAX = 4096,
	WAITING_STEPS_MAX = 4, /* arriving, departing, paused, departed */
};
#define WAITING_US (INT64_C(300) * 1000 * 1000)

struct move {
	struct table_node by_eid; /* only the newest of its EID is in there */
	struct eid eid;
	struct move *older_of_eid;
	struct move *newer, *older; /* list of all, by age */
	uint64_t generation;
	uint32_t serial; /* our name for it in the table of steps */
	uint8_t vm_id[16];
	char from[NAME_MAX_LEN], to[NAME_MAX_LEN];
	uint64_t event_ms;
	int64_t begun_us;
	bool finished;
	bool away; /* has the step: we are the site that was left */
	struct move_step_row *steps;
	size_t n_steps, steps_size;
};

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

/* Steps of a move that nobody has announced yet. */
struct waiting {
	struct table_node by_eid;
	struct eid eid;
	struct waiting *newer, *older;
	int64_t noted_us;
	unsigned n_steps;
	struct move_step_row steps[WAITING_STEPS_MAX];
};

struct moves {
	struct table by_eid, steps, waiting;
	struct move *newest, *oldest;
	size_t count;
	uint32_t last_serial;
	struct waiting *newest_waiting, *oldest_waiting;
};

/* --- the store: layouts are fixed, a change raises STORE_VERSION --- */

struct stored_head {
	uint8_t version, finished, zero[6];
	uint8_t vm_id[16];
	uint64_t event_ms;
	int64_t begun_us;
	char from[NAME_MAX_LEN], to[NAME_MAX_LEN];
};

struct stored_step {
	int64_t at_us;
	uint32_t count;
	uint8_t step, zero; /* enum move_step: its numbers stay */
	struct addr peer;
};

struct stored_steps {
	uint8_t version, n, zero[6];
	struct stored_step steps[STEPS_PER_BLOCK];
};
_Static_assert(
    sizeof(struct stored_head) == 168 && sizeof(struct stored_step) == 32,
    "layout in the store");

/* Key of the head: EID, generation; of a block: that and its number. */
enum { HEAD_KEY = STORE_EID_KEY + 8, BLOCK_KEY = HEAD_KEY + 2 };

static void
store_key(const struct move *m, size_t block, uint8_t key[BLOCK_KEY])
{
	uint64_t generation_be = htobe64(m->generation);
	uint16_t block_be = htobe16((uint16_t)block);

	store_eid_key(&m->eid, key);
	memcpy(key + STORE_EID_KEY, &generation_be, 8);
	memcpy(key + HEAD_KEY, &block_be, 2);
}

static void
saved(struct xtr *x, enum err err)
{
	if (err)
		x->counters.store_errors++;
	output_arm(x);
}

static void
save_head(struct xtr *x, const struct move *m)
{
	struct stored_head v = { .version = STORE_VERSION,
		.finished = m->finished,
		.event_ms = m->event_ms,
		.begun_us = m->begun_us };
	uint8_t key[BLOCK_KEY];

	if (!x->store)
		return;
	memcpy(v.vm_id, m->vm_id, sizeof(v.vm_id));
	memcpy(v.from, m->from, sizeof(v.from));
	memcpy(v.to, m->to, sizeof(v.to));
	store_key(m, 0, key);
	saved(x, store_put(x->store, STORE_MOVE, key, HEAD_KEY, &v, sizeof(v)));
}

/* Saves the block that holds step 'at'. */
static void
save_step(struct xtr *x, const struct move *m, size_t at)
{
	size_t block = at / STEPS_PER_BLOCK, first = block * STEPS_PER_BLOCK;
	struct stored_steps v = { .version = STORE_VERSION };
	uint8_t key[BLOCK_KEY];

	if (!x->store)
		return;
	for (size_t i = first; i < m->n_steps && v.n < STEPS_PER_BLOCK; i++) {
		const struct move_step_row *s = &m->steps[i];

		v.steps[v.n++] = (struct stored_step){ .at_us = s->at_us,
			.count = s->count,
			.step = (uint8_t)s->step,
			.peer = s->peer };
	}
	store_key(m, block, key);
	saved(x,
	    store_put(x->store, STORE_MOVE, key, BLOCK_KEY, &v,
		offsetof(struct stored_steps, steps) +
		    v.n * sizeof(v.steps[0])));
}

static void
unsave(struct xtr *x, const struct move *m)
{
	uint8_t key[BLOCK_KEY];

	if (!x->store)
		return;
	store_key(m, 0, key);
	saved(x, store_remove(x->store, STORE_MOVE, key, HEAD_KEY));
	for (size_t at = 0; at < m->n_steps; at += STEPS_PER_BLOCK) {
		store_key(m, at / STEPS_PER_BLOCK, key);
		saved(x, store_remove(x->store, STORE_MOVE, key, BLOCK_KEY));
	}
}

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

/* Appends a step that is not there yet.  False: no room. */
static bool
step_append(struct moves *t, struct move *m, const struct move_step_row *row)
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
	else if (!step_append(x->moves, m, row))
		return;
	save_step(x, m, at);
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

/* Makes 'm' the newest of its EID and puts it into the list by its age. */
static enum err
link_move(struct moves *t, struct move *m)
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
	unsave(x, m);
	unlink_move(t, m);
	move_free(t, m);
}

static void
finish(struct xtr *x, struct move *m)
{
	nodes_remove(x->moves, m);
	m->finished = true;
	save_head(x, m);
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

/* --- steps that wait for their move --- */

static void
waiting_remove(struct moves *t, struct waiting *w)
{
	table_remove(&t->waiting, &w->by_eid);
	*(w->newer ? &w->newer->older : &t->newest_waiting) = w->older;
	*(w->older ? &w->older->newer : &t->oldest_waiting) = w->newer;
	free(w);
}

static struct waiting *
waiting_find(struct moves *t, const struct eid *eid, int64_t now_us)
{
	struct waiting *w =
	    table_entry(table_find(&t->waiting, eid), struct waiting, by_eid);

	if (w && now_us - w->noted_us > WAITING_US) {
		waiting_remove(t, w);
		w = NULL;
	}
	return w;
}

static struct waiting *
waiting_add(struct moves *t, const struct eid *eid)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	if (t->waiting.count >= WAITING_MAX)
		waiting_remove(t, t->oldest_waiting);
	w->eid = *eid;
	if (table_add(&t->waiting, &w->by_eid)) {
		free(w);
		return NULL;
	}
	w->older = t->newest_waiting;
	*(w->older ? &w->older->newer : &t->oldest_waiting) = w;
	t->newest_waiting = w;
	return w;
}

static void
waiting_note(struct waiting *w, enum move_step step, int64_t now_us)
{
	unsigned i = 0;

	w->noted_us = now_us;
	while (i < w->n_steps && w->steps[i].step != step)
		i++;
	if (i < w->n_steps)
		w->steps[i].count++;
	else if (i < WAITING_STEPS_MAX)
		w->steps[w->n_steps++] = (struct move_step_row){
			.step = step, .at_us = now_us, .count = 1
		};
}

/*
 * True if the step is not one of a move we know: it belongs to the next one.
 * What a hypervisor says of a VM that has left already is late, and of this
 * move.  'aborted' ends the wait: there will be no such move.
 */
static bool
note_waits(
    struct moves *t, const struct eid *eid, enum move_step step, int64_t now_us)
{
	struct waiting *w = waiting_find(t, eid, now_us);
	const struct move *m = newest_of(t, eid);
	bool leaves = step == MOVE_DEPARTING || step == MOVE_PAUSED;

	if (step == MOVE_ABORTED && w) {
		waiting_remove(t, w);
		return true;
	}
	if (step != MOVE_ARRIVING && !(leaves && !(m && m->away)) &&
	    !(step == MOVE_DEPARTED && w))
		return false;
	if (!w)
		w = waiting_add(t, eid);
	if (w)
		waiting_note(w, step, now_us);
	return true;
}

/* The steps that waited for 'm' become its first ones. */
static void
take_waiting(struct xtr *x, struct move *m, int64_t now_us)
{
	struct waiting *w = waiting_find(x->moves, &m->eid, now_us);

	if (!w)
		return;
	for (unsigned i = 0; i < w->n_steps; i++)
		step_note(x, m, &w->steps[i]);
	waiting_remove(x->moves, w);
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
	if (link_move(t, m)) {
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
	save_head(x, m);
	take_waiting(x, m, x->clock->wall_us(x->clock));
}

void
move_note(struct xtr *x, const struct eid *eid, enum move_step step,
    const struct addr *peer)
{
	struct move_step_row row = {
		.step = step, .at_us = x->clock->wall_us(x->clock), .count = 1
	};
	struct move *m;

	if (note_waits(x->moves, eid, step, row.at_us))
		return;
	m = newest_of(x->moves, eid);
	if (!m)
		return;
	if (peer)
		row.peer = *peer;
	if (step == MOVE_SMR && m->finished) {
		reopen(x->moves, m); /* one more ITR to wait for */
		save_head(x, m);
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

/* --- from the store --- */

struct load {
	struct moves *t;
	struct move *m; /* whose blocks come next */
	size_t refused;
};

static struct move *
load_head(struct moves *t, const uint8_t *key, const struct stored_head *v)
{
	struct move *m = calloc(1, sizeof(*m));
	uint64_t generation_be;

	if (!m || store_eid_parse(key, STORE_EID_KEY, &m->eid))
		goto fail;
	memcpy(&generation_be, key + STORE_EID_KEY, 8);
	m->generation = be64toh(generation_be);
	m->serial = ++t->last_serial;
	memcpy(m->vm_id, v->vm_id, sizeof(m->vm_id));
	snprintf(m->from, sizeof(m->from), "%.63s", v->from);
	snprintf(m->to, sizeof(m->to), "%.63s", v->to);
	m->event_ms = v->event_ms;
	m->begun_us = v->begun_us;
	m->finished = v->finished;
	/* Keys are sorted by generation: the last is the EID's newest. */
	if (link_move(t, m))
		goto fail;
	return m;
fail:
	free(m);
	return NULL;
}

static bool
load_block(struct load *l, const struct stored_steps *v, size_t len)
{
	size_t n =
	    (len - offsetof(struct stored_steps, steps)) / sizeof(v->steps[0]);

	if (n != v->n || n > STEPS_PER_BLOCK)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct move_step_row row = {
			.step = (enum move_step)v->steps[i].step,
			.at_us = v->steps[i].at_us,
			.peer = v->steps[i].peer,
			.count = v->steps[i].count
		};

		if (row.step >= MOVE_STEPS || !step_append(l->t, l->m, &row))
			return false;
	}
	return true;
}

static bool
load_one(
    void *arg, const void *key, size_t key_len, const void *value, size_t len)
{
	union {
		struct stored_head head;
		struct stored_steps steps;
	} v = { 0 };
	struct load *l = arg;
	bool good = false;

	if (len <= sizeof(v))
		memcpy(&v, value, len);
	if (key_len == HEAD_KEY) {
		l->m = NULL;
		if (len == sizeof(v.head) && v.head.version == STORE_VERSION)
			l->m = load_head(l->t, key, &v.head);
		good = l->m;
	} else if (key_len == BLOCK_KEY && l->m && len <= sizeof(v.steps) &&
	    len >= offsetof(struct stored_steps, steps) &&
	    v.steps.version == STORE_VERSION) {
		good = load_block(l, &v.steps, len);
	}
	l->refused += !good;
	return true;
}

static void
load(struct xtr *x, struct moves *t)
{
	struct load l = { .t = t };

	store_walk(x->store, STORE_MOVE, NULL, 0, load_one, &l);
	if (l.refused)
		log_warning("move", "%zu records in the store are unreadable",
		    l.refused);
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
	    table_init(&t->waiting, WAITING_MAX,
		offsetof(struct waiting, by_eid), offsetof(struct waiting, eid),
		sizeof(struct eid))) {
		moves_free(t);
		return NULL;
	}
	if (x->store)
		load(x, t);
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
	while (t->newest_waiting)
		waiting_remove(t, t->newest_waiting);
	table_fini(&t->by_eid);
	table_fini(&t->steps);
	table_fini(&t->waiting);
	free(t);
}
