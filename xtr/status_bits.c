/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_bits.c - locator-status-bits in data packets, RFC 9300 10.
 *
 * signs.c calls for each packet where reachability.locator-status-bits is on.
 * What is received changes the entry of the map-cache, by its own functions; what
 * we send is the record that etr.c would give, so that both agree.
 */
#include "status_bits.h"

#include "common/msg.h"
#include "xtr/etr.h"
#include "xtr/reach_probe.h"

enum { BITS = 32, BITS_WITH_IID = 8 };

void
status_bits_out(
    const struct xtr *x, const struct eid_entry *own, struct data_header *h)
{
	const unsigned n_bits = h->has_iid ? BITS_WITH_IID : BITS;
	struct mapping m;

	if (x->status_bits_from.us &&
	    mono_before(xtr_now(x), x->status_bits_from))
		return;
	etr_mapping(x, own, &m);
	if (!m.n_locators)
		return;
	h->has_lsb = true;
	for (unsigned i = 0; i < m.n_locators && i < n_bits; i++)
		if (m.locators[i].reachable)
			h->lsb |= UINT32_C(1) << i;
}

static bool
has_rloc(const struct map_cache_entry *e, const struct addr *rloc)
{
	for (unsigned i = 0; i < e->n_locators; i++)
		if (addr_equal(&e->locators[i].rloc, rloc))
			return true;
	return false;
}

static bool
believed(const struct map_cache_entry *e, const struct data_header *h,
    const struct addr *rloc)
{
	return h->lsb && has_rloc(e, rloc) &&
	    (!e->version ||
		(h->has_version && h->source_version == e->version));
}

void
status_bits_in(struct xtr *x, const struct data_header *h,
    const struct eid *source, const struct addr *rloc)
{
	const unsigned n_bits = h->has_iid ? BITS_WITH_IID : BITS;
	struct map_cache_entry *e;

	if (!h->has_lsb)
		return;
	e = map_cache_match(x->map_cache, source);
	if (!e || !e->n_locators)
		return;
	if (!believed(e, h, rloc)) {
		x->counters.status_bits_ignored++;
		return;
	}
	for (unsigned i = 0; i < e->n_locators; i++) {
		struct cache_locator *l = &e->locators[i];
		const bool down = l->place && l->place <= n_bits &&
		    !(h->lsb >> (l->place - 1) & 1);

		if (down == l->status_down)
			continue;
		x->counters.status_bits_changed++;
		map_cache_set_status(x, e, l, down);
		if (down && l->use.of)
			reach_probe_hint(l->use.of, REACH_PROBE);
	}
}
