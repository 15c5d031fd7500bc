/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signs.c - which signs a data packet carries, and who reads them.
 *
 * forward.c asks for every packet; echo_nonce.c, map_version.c and status_bits.c
 * know what each sign means, reach.c and map_cache.c hear of it.  A nonce and
 * versions share their place in the header: the nonce, which is rare, goes first.
 */
#include "signs.h"

#include "common/auth.h"
#include "xtr/echo_nonce.h"
#include "xtr/map_version.h"
#include "xtr/reach_probe.h"
#include "xtr/status_bits.h"

static void
echo_verdict(struct reach_rloc *r, enum echo_verdict verdict)
{
	struct xtr *x = r->x;
	const struct addr addr = r->addr;

	switch (verdict) {
	case ECHO_NOTHING:
		return;
	case ECHO_WORKS:
		x->counters.echo_works++;
		reach_set(x, &addr, REACH_ECHO, REACH_UP);
		return;
	case ECHO_FAILS:
		x->counters.echo_fails++;
		reach_set(x, &addr, REACH_ECHO, REACH_DOWN);
		break;
	}
	/* Probing overrides it, and finds out when it is up again. */
	r = reach_find(x, &addr);
	if (r)
		reach_probe_hint(r, REACH_ECHO);
}

static void
nonce_out(struct reach_rloc *r, struct data_header *h)
{
	uint32_t random = 0;

	if (!r->echo.requesting)
		auth_random(&random, sizeof(random));
	echo_verdict(r, echo_out(&r->echo, xtr_now(r->x), random, h));
}

void
signs_out(struct xtr *x, const struct eid *source,
    const struct map_cache_entry *e, const struct cache_locator *l,
    struct data_header *h)
{
	const struct conf_reachability *c = &x->conf->reachability;
	const struct eid_entry *own;

	if (!c->echo_nonce && !c->lsb && !c->map_version)
		return;
	own = eids_own(x, source);
	if (c->map_version)
		map_version_out(
		    own && own->conf ? (uint16_t)own->conf->map_version : 0, e,
		    h);
	if (c->lsb && own)
		status_bits_out(x, own, h);
	if (c->echo_nonce && l->use.of)
		nonce_out(l->use.of, h);
	if (h->has_nonce)
		h->has_version = false;
}

bool
signs_in(struct xtr *x, const struct data_header *h,
    const struct eid_entry *own, const struct eid *source,
    const struct addr *rloc)
{
	const struct conf_reachability *c = &x->conf->reachability;
	struct reach_rloc *r;

	if (c->map_version && !map_version_in(x, h, own, source, rloc))
		return false;
	if (c->lsb)
		status_bits_in(x, h, source, rloc);
	if (c->echo_nonce && (r = reach_find(x, rloc)))
		echo_verdict(r, echo_in(&r->echo, xtr_now(x), h));
	return true;
}

void
signs_note_echo(struct xtr *x, struct records records, bool capable)
{
	struct mapping m;

	while (records_next(&records, &m))
		for (unsigned i = 0; i < m.n_locators; i++) {
			struct reach_rloc *r =
			    reach_find(x, &m.locators[i].addr.addr);

			if (r)
				r->echo.capable = capable;
		}
}
