/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move_store.c - move records in the store, for move.c.
 *
 * A record is a head and its steps, in blocks of STEPS_PER_BLOCK: one step more
 * rewrites one block, not the whole record.  Layouts are fixed; a change of one
 * raises STORE_VERSION, and older records are left out then.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtr/move_state.h"
#include "xtr/output.h"
#include "xtr/store.h"

enum { STORE_VERSION = 1, STEPS_PER_BLOCK = 32 };

struct stored_head {
	uint8_t version, finished, zero[6];
	uint8_t vm_id[16];
	uint64_t event_ms;
	int64_t begun_us;
	char from[MOVE_NAME_MAX], to[MOVE_NAME_MAX];
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

void
move_save(struct xtr *x, const struct move *m)
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
void
move_save_step(struct xtr *x, const struct move *m, size_t at)
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

void
move_unsave(struct xtr *x, const struct move *m)
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
	if (move_link(t, m))
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

		if (row.step >= MOVE_STEPS ||
		    !move_step_append(l->t, l->m, &row))
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

void
moves_load(struct store *store, struct moves *t)
{
	struct load l = { .t = t };

	store_walk(store, STORE_MOVE, NULL, 0, load_one, &l);
	if (l.refused)
		log_warning("move", "%zu records in the store are unreadable",
		    l.refused);
}
