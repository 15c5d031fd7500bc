/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_cache_locators.c - the locators of a record, as the map-cache keeps them.
 *
 * map_cache.c stores what is made here.  Packets can go to plain addresses and
 * to some that come in an LCAF; the other LCAFs are kept for ctl_show.c, behind
 * those that count, so that nobody else meets them.  One allocation: the
 * locators, then the octets of the LCAFs, each behind its length.
 */
#include "map_cache.h"

#include <stdlib.h>

#include "common/lcaf.h"

/* Octets of LCAFs kept for one entry; what goes beyond is not shown. */
#define LCAFS_MAX 1024

/* The plain address for packets to a locator, if we act on it. */
static bool
locator_rloc(const struct xtr *x, const struct locator *l, struct addr *out)
{
	unsigned families = 0;

	if (!l->addr.opaque) {
		*out = l->addr.addr;
		return out->afi == AFI_IPV4 || out->afi == AFI_IPV6;
	}
	if (xtr_rloc(x, AFI_IPV4))
		families |= LCAF_FAMILY(AFI_IPV4);
	if (xtr_rloc(x, AFI_IPV6))
		families |= LCAF_FAMILY(AFI_IPV6);
	return lcaf_rloc(&l->addr, families, out);
}

/* Appends the LCAF, if there is one and room; 0 or its place plus 1. */
static uint16_t
lcaf_put(struct wire_writer *w, const struct lisp_addr *a)
{
	const size_t at = wire_written(w);

	if (!a->opaque || at + 2 + a->opaque_len > LCAFS_MAX)
		return 0;
	wire_put_u16(w, a->opaque_len);
	wire_put_bytes(w, a->opaque, a->opaque_len);
	return (uint16_t)(at + 1);
}

/* Those we act on, or LCAFs that are only kept, into 'list'; how many. */
static unsigned
locators_fill(const struct xtr *x, const struct mapping *m, bool acted_on,
    struct cache_locator *list, struct wire_writer *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_locators; i++) {
		const struct locator *l = &m->locators[i];
		struct cache_locator c = { .priority = l->priority,
			.weight = l->weight,
			.place = (uint8_t)(i + 1),
			.reachable = l->reachable };

		if (locator_rloc(x, l, &c.rloc) != acted_on)
			continue;
		c.lcaf = lcaf_put(w, &l->addr);
		if (!acted_on && !c.lcaf)
			continue;
		if (!acted_on)
			c.rloc = (struct addr){ 0 };
		else if (addr_is_martian(&c.rloc))
			c.reachable = false;
		list[n++] = c;
	}
	return n;
}

bool
map_cache_locators(
    const struct xtr *x, const struct mapping *m, struct map_cache_entry *out)
{
	struct cache_locator list[LISP_LOCATORS_MAX];
	uint8_t octets[LCAFS_MAX];
	struct wire_writer w = wire_writer(octets, sizeof(octets));
	const unsigned n = locators_fill(x, m, true, list, &w);
	const unsigned n_unused = locators_fill(x, m, false, list + n, &w);
	const size_t size = (n + n_unused) * sizeof(*list);

	out->locators = NULL;
	if (size) {
		out->locators = malloc(size + wire_written(&w));
		if (!out->locators)
			return false;
		memcpy(out->locators, list, size);
		memcpy(
		    (uint8_t *)out->locators + size, octets, wire_written(&w));
	}
	out->n_locators = n;
	out->n_unused = n_unused;
	out->action = m->n_locators ? LISP_NO_ACTION : m->action;
	return true;
}

bool
map_cache_lcaf(const struct map_cache_entry *e, const struct cache_locator *l,
    struct lisp_addr *out)
{
	const uint8_t *octets =
	    (const uint8_t *)(e->locators + e->n_locators + e->n_unused);
	struct wire_reader r;
	uint16_t len;

	if (!l->lcaf)
		return false;
	octets += l->lcaf - 1;
	r = wire_reader(octets, 2);
	len = wire_get_u16(&r);
	r = wire_reader(octets + 2, len);
	lisp_addr_decode(&r, out);
	return !r.err;
}
