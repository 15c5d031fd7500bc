/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload.c - a new configuration, or a kernel that lost ours, in a running xTR.
 *
 * SIGHUP and the control socket come here through main.c, netlink_watch.c when
 * an interface came up again.  A file that does not load, changes what only a
 * restart can, or leaves EIDs in use without a place is refused whole.
 */
#include "reload.h"

#include <stdio.h>
#include <string.h>

#include "xtr/dp.h"
#include "xtr/eids.h"
#include "xtr/map_server.h"
#include "xtr/map_version.h"
#include "xtr/mobility.h"
#include "xtr/partner.h"
#include "xtr/reach.h"
#include "xtr/register.h"
#include "xtr/route.h"
#include "xtr/segment.h"
#include "xtr/status_bits.h"
#include "xtr/smr.h"
#include "xtr/subscribe.h"

static bool
same_addrs(const struct conf_list *a, const struct conf_list *b)
{
	return a->n == b->n &&
	    (a->n == 0 ||
		memcmp(a->items, b->items, a->n * sizeof(struct addr)) == 0);
}

static bool
same_rlocs(const struct conf_list *a, const struct conf_list *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = addr_equal(&conf_at(*a, struct conf_rloc, i)->address,
		    &conf_at(*b, struct conf_rloc, i)->address);
	return same;
}

/* The locators of our records, which the status bits count. */
static bool
same_locators(const struct conf_site *a, const struct conf_site *b)
{
	bool same =
	    same_rlocs(&a->rlocs, &b->rlocs) && a->partners.n == b->partners.n;

	for (size_t i = 0; same && i < a->partners.n; i++)
		same = same_rlocs(
		    &conf_at(a->partners, struct conf_partner, i)->rlocs,
		    &conf_at(b->partners, struct conf_partner, i)->rlocs);
	return same;
}

/* What a running process cannot change; NULL if nothing of it did. */
static const char *
needs_restart(const struct xtr_conf *a, const struct xtr_conf *b)
{
	if (strcmp(a->state.directory, b->state.directory) != 0)
		return "state.directory";
	if (strcmp(a->control.socket, b->control.socket) != 0)
		return "control.socket";
	if (!same_addrs(&a->listen, &b->listen))
		return "listen";
	if (memcmp(a->site.xtr_id, b->site.xtr_id, 16) != 0)
		return "site.xtr-id (or the RLOC it is derived from)";
	if (a->dataplane.kind != b->dataplane.kind ||
	    strcmp(a->dataplane.device, b->dataplane.device) != 0 ||
	    a->dataplane.mtu != b->dataplane.mtu ||
	    a->dataplane.table != b->dataplane.table)
		return "dataplane";
	if ((a->map_server.enabled || a->map_resolver.enabled) !=
	    (b->map_server.enabled || b->map_resolver.enabled))
		return "the map-server and map-resolver roles";
	return NULL;
}

struct homeless { /* dynamic EIDs that a new configuration has no place for */
	const struct xtr_conf *conf;
	unsigned n;
	struct eid first;
};

static bool
find_homeless(void *arg, struct eid_entry *e)
{
	struct homeless *h = arg;

	if (!e->is_static && e->state != EID_ABSENT &&
	    !conf_mobile_find(h->conf, &e->eid) && h->n++ == 0)
		h->first = e->eid;
	return true;
}

/* Interfaces come and go: only that it is there now. */
static bool
missing_segments(const struct xtr *x, const struct xtr_conf *new,
    const char *file, FILE *errors)
{
	const struct conf_list *prefixes = &new->mobility.prefixes;
	bool missing = false;

	for (size_t i = 0; x->route && i < prefixes->n; i++) {
		const struct conf_mobile_prefix *p =
		    conf_at(*prefixes, struct conf_mobile_prefix, i);

		if (!p->segment || p->prefix.iid || route_ifindex(p->segment))
			continue;
		fprintf(errors,
		    "%s:%u:%u: mobility.prefixes[%zu].segment: there is no "
		    "interface '%s'\n",
		    file, p->pos.line, p->pos.col, i, p->segment);
		missing = true;
	}
	return missing;
}

/* True, and a line in 'errors', if the new file cannot be applied to 'x'. */
static bool
conflicts(const struct xtr *x, const struct xtr_conf *new, const char *file,
    FILE *errors)
{
	const char *what = needs_restart(x->conf, new);
	struct homeless h = { .conf = new };
	char buf[EID_STR_MAX];

	if (what) {
		fprintf(
		    errors, "%s: a change of %s needs a restart\n", file, what);
		return true;
	}
	if (missing_segments(x, new, file, errors))
		return true;
	eids_walk(x->eids, find_homeless, &h);
	if (h.n)
		fprintf(errors,
		    "%s: mobility.prefixes: %u EIDs in use are in none of "
		    "them, "
		    "%s first\n",
		    file, h.n, eid_str(&h.first, buf));
	return h.n > 0;
}

/* What we installed at the LISP device and on the segments, once more. */
static enum err
reinstall(struct xtr *x)
{
	enum err err = dp_reload(x);

	if (err || !x->segments)
		return err;
	err = segments_start(x);
	segments_reconcile(x);
	return err;
}

static bool
install_eid(void *arg, struct eid_entry *e)
{
	if (!e->is_static && eid_is_ours(e))
		segment_eid_here(arg, e);
	return true;
}

void
xtr_reinstall(struct xtr *x)
{
	if (reinstall(x))
		log_error("reload", "the data plane is not as it should be");
	eids_walk(x->eids, install_eid, x);
}

static bool
install_moved(void *arg, struct eid_entry *e)
{
	return segment_is_new(arg, &e->eid) ? install_eid(arg, e) : true;
}

/* The record of the EID is another one now (RFC 9301 6.1). */
static void
solicit(struct xtr *x, const struct eid_entry *e)
{
	const bool moving = smr_is_open(x, &e->eid);

	if (!e->is_static &&
	    (e->state != EID_LOCAL || e->contested || e->verifying))
		return;
	smr_record_changed(x, e);
	if (!moving) /* no other site holds packets */
		smr_release_drained(x, &e->eid);
}

/* Every table and the kernel follow 'conf'; goes on after an error. */
static enum err
follow(struct xtr *x, const struct xtr_conf *conf)
{
	const bool same = same_locators(&x->conf->site, &conf->site);
	enum err err, e;

	x->conf = conf;
	err = eids_reload(x);
	e = mobility_reload(x);
	err = err ? err : e;
	map_versions_reload(x);
	if (!same)
		x->status_bits_from =
		    mono_add_ms(xtr_now(x), STATUS_BITS_OFF_MS);
	reach_reload(x);
	partners_reload(x);
	if (x->map_server)
		map_server_reload(x);
	registers_reload(x, solicit);
	subscriptions_reload(x);
	e = reinstall(x);
	eids_walk(x->eids, install_moved, x);
	return err ? err : e;
}

enum err
xtr_reload(struct xtr *x, const char *file, char *error, size_t size)
{
	const struct xtr_conf *old = x->conf;
	struct xtr_conf *new;
	FILE *errors = fmemopen(error, size, "w");
	enum err err;

	if (!errors)
		return ERR_NOMEM;
	error[0] = '\0';
	new = xtr_conf_load(file, errors);
	if (!new || conflicts(x, new, file, errors)) {
		fclose(errors);
		xtr_conf_free(new);
		return ERR_POLICY;
	}
	fclose(errors);
	err = follow(x, new);
	if (err) {
		snprintf(error, size,
		    "%s; the log says why; the former configuration stays",
		    err_str(err));
		if (follow(x, old))
			log_error("reload",
			    "not all went back to the former configuration");
		else
			xtr_conf_free(new);
		return err;
	}
	xtr_conf_free((struct xtr_conf *)(uintptr_t)old);
	log_info("reload", "configuration reloaded");
	return ERR_OK;
}
