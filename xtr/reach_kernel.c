/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_kernel.c - interfaces and routes as signs of reachability.
 *
 * netlink_watch.c hears that something changed; what is so now is asked for
 * here, of the kernel itself, so that nothing depends on hearing every event.
 * Results go to reach.c.  Interfaces are few and come in one list (getifaddrs);
 * routes are looked up one by one, the way a packet would be.
 */
#include "reach_kernel.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "xtr/reach_probe.h"
#include "xtr/route.h"

struct reach_kernel {
	struct xtr *x;
	struct loop_timer *timer;
	struct mono began; /* the last sweep */
	bool again;	   /* something changed during it */
	struct addr *list; /* still to be looked at: [at, n) */
	size_t at, n;
	struct ifaddrs *links; /* as they were when it began */
};

/* --- our own RLOCs --- */

static bool
link_is_up(const struct ifaddrs *links, const char *name)
{
	for (const struct ifaddrs *i = links; i; i = i->ifa_next)
		if (strcmp(i->ifa_name, name) == 0)
			return (i->ifa_flags & IFF_UP) &&
			    (i->ifa_flags & IFF_RUNNING);
	return false;
}

/* The interface that has the address, or NULL. */
static const char *
link_with(const struct ifaddrs *links, const struct addr *rloc)
{
	for (const struct ifaddrs *i = links; i; i = i->ifa_next) {
		struct addr a;
		uint16_t port;

		if (i->ifa_addr &&
		    !addr_from_sockaddr(i->ifa_addr, &a, &port) &&
		    addr_equal(&a, rloc))
			return i->ifa_name;
	}
	return NULL;
}

static void
look_at_own(const struct reach_kernel *k)
{
	struct xtr *x = k->x;
	const struct conf_list *rlocs = &x->conf->site.rlocs;

	for (size_t i = 0; i < rlocs->n; i++) {
		const struct conf_rloc *c =
		    conf_at(*rlocs, struct conf_rloc, i);
		const char *has_it = link_with(k->links, &c->address);
		enum reach_state state = REACH_DOWN;

		if (!x->conf->reachability.interfaces)
			state = REACH_UNKNOWN;
		else if (has_it &&
		    link_is_up(k->links, c->interface ? c->interface : has_it))
			state = REACH_UP;
		reach_set(x, &c->address, REACH_INTERFACE, state);
	}
}

/* --- those of others --- */

static enum reach_state
route_state(const struct reach_kernel *k, const struct addr *rloc)
{
	struct xtr *x = k->x;
	char name[IF_NAMESIZE];
	int ifindex;
	enum err err;

	/* One of a family that we have no RLOC of is not used anyway. */
	if (!x->conf->reachability.routes || !xtr_rloc(x, rloc->afi))
		return REACH_UNKNOWN;
	err = route_lookup(x->route, rloc, &ifindex);
	if (err)
		return err == ERR_NOT_FOUND ? REACH_DOWN : REACH_UNKNOWN;
	if (!if_indextoname((unsigned)ifindex, name))
		return REACH_UNKNOWN;
	/* An RLOC is never resolved through the overlay. */
	if (strcmp(name, x->conf->dataplane.device) == 0 ||
	    (k->links && !link_is_up(k->links, name)))
		return REACH_DOWN;
	return REACH_UNKNOWN;
}

static void
look_at(const struct reach_kernel *k, const struct addr *rloc)
{
	struct reach_rloc *r = reach_find(k->x, rloc);
	bool was_down;

	if (!r || r->own)
		return;
	was_down = r->down & (1u << REACH_ROUTE);
	reach_set(k->x, rloc, REACH_ROUTE, route_state(k, rloc));
	r = reach_find(k->x, rloc);
	if (r && was_down && !(r->down & (1u << REACH_ROUTE)))
		reach_probe_attend(r);
}

void
reach_kernel_added(struct reach_rloc *r)
{
	const struct reach_kernel *k = r->x->reach_kernel;
	const struct addr addr = r->addr;

	if (k)
		look_at(k, &addr);
}

/* --- sweeps --- */

static bool
list_one(void *arg, struct reach_rloc *r)
{
	struct reach_kernel *k = arg;

	if (!r->own)
		k->list[k->n++] = r->addr;
	return true;
}

static void
begin(struct reach_kernel *k)
{
	k->began = xtr_now(k->x);
	k->again = false;
	k->at = k->n = 0;
	freeifaddrs(k->links);
	if (getifaddrs(&k->links)) {
		k->links = NULL; /* says nothing about any interface */
		k->again = true;
		return;
	}
	look_at_own(k);
	k->list = calloc(reach_count(k->x) + 1, sizeof(*k->list));
	if (k->list)
		reach_walk(k->x, list_one, k);
}

static void
go_on(struct reach_kernel *k)
{
	for (unsigned i = 0; i < KERNEL_TURN && k->at < k->n; i++)
		look_at(k, &k->list[k->at++]);
	if (k->at < k->n) {
		loop_timer_set(k->timer, 0);
		return;
	}
	free(k->list);
	k->list = NULL;
	if (k->again)
		loop_timer_at(k->timer, mono_add_ms(k->began, KERNEL_PAUSE_MS));
}

static void
due(void *arg)
{
	struct reach_kernel *k = arg;

	if (!k->list)
		begin(k);
	go_on(k);
}

void
reach_kernel_changed(struct xtr *x)
{
	struct reach_kernel *k = x->reach_kernel;
	struct mono at, may;

	if (!k)
		return;
	if (k->list) {
		k->again = true;
		return;
	}
	if (loop_timer_armed(k->timer))
		return;
	at = mono_add_ms(xtr_now(x), KERNEL_SETTLE_MS);
	may = mono_add_ms(k->began, KERNEL_PAUSE_MS);
	loop_timer_at(k->timer, mono_before(at, may) ? may : at);
}

struct reach_kernel *
reach_kernel_new(struct xtr *x)
{
	struct reach_kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->x = x;
	k->timer = loop_timer_new(x->loop, due, k);
	if (!k->timer) {
		free(k);
		return NULL;
	}
	begin(k);
	go_on(k);
	return k;
}

void
reach_kernel_free(struct reach_kernel *k)
{
	if (!k)
		return;
	loop_timer_free(k->timer);
	freeifaddrs(k->links);
	free(k->list);
	free(k);
}
