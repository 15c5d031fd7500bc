/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_merge.c - what a registered record says: of one xTR, or of several that
 * asked to be merged.  RFC 9301 5.6, RFC 8378.
 */
#include "xtr/ms.h"

#include <assert.h>
#include <string.h>

static bool
same_rloc(const struct lisp_addr *a, const struct lisp_addr *b)
{
	if (a->opaque || b->opaque)
		return a->opaque && b->opaque &&
		    a->opaque_len == b->opaque_len &&
		    memcmp(a->opaque, b->opaque, a->opaque_len) == 0;
	return addr_equal(&a->addr, &b->addr) && a->has_iid == b->has_iid &&
	    (!a->has_iid || a->iid == b->iid);
}

static struct locator *
locator_find(struct mapping *m, const struct lisp_addr *a)
{
	for (unsigned i = 0; i < m->n_locators; i++)
		if (same_rloc(&m->locators[i].addr, a))
			return &m->locators[i];
	return NULL;
}

static bool
same_use(const struct locator *a, const struct locator *b)
{
	return a->priority == b->priority && a->weight == b->weight &&
	    a->reachable == b->reachable && same_rloc(&a->addr, &b->addr);
}

/* Every locator of 'a' is in 'b', used alike. */
static bool
has_locators(const struct mapping *b, const struct mapping *a)
{
	for (unsigned i = 0; i < a->n_locators; i++) {
		const struct locator *l = &a->locators[i];
		bool found = same_use(l, &b->locators[i]); /* same order */

		for (unsigned j = 0; j < b->n_locators && !found; j++)
			found = same_use(l, &b->locators[j]);
		if (!found)
			return false;
	}
	return true;
}

bool
ms_same_locators(const struct mapping *a, const struct mapping *b)
{
	/* Both ways: nobody keeps an xTR from sending one of them twice. */
	return a->n_locators == b->n_locators && has_locators(b, a) &&
	    has_locators(a, b);
}

void
ms_record(const struct registration *r, struct mapping *out)
{
	struct wire_reader reader = wire_reader(r->record, r->len);
	enum err err = mapping_decode(&reader, out);

	assert(!err); /* mapping_encode() wrote it */
	(void)err;
}

/* The oldest one that is newer than 'than', or NULL. */
static const struct registration *
next_by_age(const struct registration *chain, const struct registration *than)
{
	const struct registration *best = NULL;

	for (const struct registration *r = chain; r; r = r->next_merged) {
		/* Equal times: by place in memory, just to have an order. */
		if (than &&
		    (r->refreshed_us < than->refreshed_us ||
			(r->refreshed_us == than->refreshed_us && r <= than)))
			continue;
		if (!best || r->refreshed_us < best->refreshed_us ||
		    (r->refreshed_us == best->refreshed_us && r < best))
			best = r;
	}
	return best;
}

/* Adds the locators of 'from'; its priorities and weights win. */
static void
merge(struct mapping *m, const struct mapping *from)
{
	for (unsigned i = 0; i < from->n_locators; i++) {
		const struct locator *l = &from->locators[i];
		struct locator *old = locator_find(m, &l->addr);

		if (old)
			*old = *l;
		else if (m->n_locators < LISP_LOCATORS_MAX)
			m->locators[m->n_locators++] = *l;
	}
	m->ttl_min = from->ttl_min;
}

/* RFC 9301 5.5: ascending; RFC 8060 3: LCAFs last. */
static bool
is_before(const struct locator *a, const struct locator *b)
{
	if (a->addr.opaque || b->addr.opaque)
		return !a->addr.opaque && b->addr.opaque;
	return addr_compare(&a->addr.addr, &b->addr.addr) < 0;
}

static void
sort(struct mapping *m)
{
	for (unsigned i = 1; i < m->n_locators; i++) {
		struct locator l = m->locators[i];
		unsigned j = i;

		for (; j && is_before(&l, &m->locators[j - 1]); j--)
			m->locators[j] = m->locators[j - 1];
		m->locators[j] = l;
	}
}

void
ms_mapping(const struct registration *r, struct mapping *out)
{
	const struct registration *next;
	struct mapping m;

	if (!r->next_merged) {
		ms_record(r, out);
		return;
	}
	next = next_by_age(r, NULL);
	ms_record(next, out);
	while ((next = next_by_age(r, next))) {
		ms_record(next, &m);
		merge(out, &m);
	}
	sort(out);
}

void
ms_record_put(struct wire_writer *w, const struct registration *r)
{
	struct mapping m;

	if (!r->next_merged) {
		wire_put_bytes(w, r->record, r->len);
		return;
	}
	ms_mapping(r, &m);
	mapping_encode(w, &m);
}
