/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_register.c - Map-Register in, its Map-Notify out.  RFC 9301 5.6, 5.7, 8.2.
 *
 * input.c has decoded the whole message.  Here: whose key, nonce, then each
 * record by itself: one that the site may not register is refused, the others
 * count.  The Map-Notify says what is registered now, so it serves the first
 * message and a repeated one alike.
 */
#include "xtr/ms.h"

#include <string.h>

#include "xtr/ms_subscribe.h"
#include "xtr/output.h"

/*
 * A byte-identical copy of the last one (its Map-Notify was lost, RFC 9301 5.7
 * asks for the original to be repeated) is told from a replay by its MAC.
 */
static bool
is_copy(const struct peer *p, const struct map_register *m)
{
	return p->heard && m->nonce == p->nonce &&
	    m->auth.algorithm == p->algorithm && m->auth.len == p->auth_len &&
	    memcmp(m->auth.data, p->mac, m->auth.len) == 0;
}

static bool
has_too_many(const struct map_server *ms, const struct mapping *m)
{
	return m->n_locators > ms->x->conf->map_server.locators_max;
}

/* May 's' register this record? */
static bool
is_allowed(const struct map_server *ms, const struct ms_site *s,
    const struct mapping *m, const struct eid *eid)
{
	return !has_too_many(ms, m) && ms_site_may(ms, s, eid);
}

/* How long it holds without another Map-Register, RFC 9301 5.6, 8.2. */
static uint32_t
lifetime_s(const struct map_register *m, uint32_t ttl_min)
{
	if (!m->use_ttl)
		return REGISTER_EXPIRY_S;
	if (ttl_min == LISP_TTL_LOCAL)
		ttl_min = TTL_LOCAL_MIN;
	return (ttl_min < TTL_MAX_MIN ? ttl_min : TTL_MAX_MIN) * 60;
}

/*
 * The record as we keep and repeat it: host bits masked, no locator without an
 * address, no p bit (RFC 9301 5.4).
 */
static void
normalise(struct mapping *m, const struct eid *eid)
{
	unsigned n = 0;

	m->eid.addr = eid->addr;
	for (unsigned i = 0; i < m->n_locators; i++) {
		struct locator *l = &m->locators[i];

		if (!l->addr.opaque && l->addr.addr.afi == AFI_NONE)
			continue;
		l->probed = false;
		if (i != n)
			m->locators[n] = *l;
		n++;
	}
	m->n_locators = (uint8_t)n;
}

static void
log_moved(struct map_server *ms, const struct eid *eid, const struct peer *to)
{
	char e[EID_STR_MAX], a[ADDR_STR_MAX];
	uint32_t held;

	ms->x->counters.registrations_moved++;
	if (log_allowed(&ms->moved_log, xtr_now(ms->x), &held))
		log_info("map-server", "%s moved to %s, site %s (%u more)",
		    eid_str(eid, e), addr_str(&to->addr, a), to->site->name,
		    held);
}

/* Registers one record of 'm'. */
static enum err
put(struct map_server *ms, struct peer *p, const struct map_register *m,
    struct mapping *map, const struct eid *eid)
{
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct ms_entry e = { .eid = *eid,
		.peer = p,
		.flags = (uint8_t)((m->proxy ? MS_PROXY : 0) |
		    (m->merge ? MS_MERGE : 0) | (m->use_ttl ? MS_USE_TTL : 0)),
		.lifetime_s = lifetime_s(m, map->ttl_min),
		.record = bytes };
	struct ms_told told;
	bool changed;
	enum err err;

	normalise(map, eid);
	mapping_encode(&w, map);
	if (w.err)
		return w.err;
	e.len = (uint16_t)wire_written(&w);
	ms_publish_begin(ms, eid);
	err = ms_table_put(ms, &e, &changed, &told);
	if (!err)
		ms_publish_end(ms, eid);
	if (err || !changed)
		return err;
	if (told.n && !m->merge)
		log_moved(ms, eid, p);
	ms_notify_changed(ms, eid, &told);
	return ERR_OK;
}

static void
log_refused(struct map_server *ms, const struct peer *p, const struct eid *eid,
    enum err err)
{
	char e[EID_STR_MAX], a[ADDR_STR_MAX];
	uint32_t held;

	ms->x->counters.registrations_refused++;
	if (log_allowed(&ms->refused_log, xtr_now(ms->x), &held))
		log_warning("map-server",
		    "site %s, %s: %s refused: %s (%u more not logged)",
		    p->site->name, addr_str(&p->addr, a), eid_str(eid, e),
		    err == ERR_FULL ? "more locators than locators-max, or no "
				      "room for registrations"
				    : err_str(err),
		    held);
}

/* Applies every record; the last reason for which one was refused. */
static enum err
apply(struct map_server *ms, struct peer *p, const struct map_register *m)
{
	struct records left = m->records;
	enum err result = ERR_OK;
	struct mapping map;
	struct eid eid;

	while (records_next(&left, &map)) {
		enum err err = lisp_addr_eid(&map.eid, map.eid_bits, &eid);

		if (!err && has_too_many(ms, &map))
			err = ERR_FULL;
		else if (!err && !ms_site_may(ms, p->site, &eid))
			err = ERR_POLICY;
		else if (!err && map.ttl_min == 0)
			/* Counts from the registrant only. */
			(void)ms_table_withdraw(ms, &eid, p);
		else if (!err)
			err = put(ms, p, m, &map, &eid);
		if (err) {
			log_refused(ms, p, &eid, err);
			result = err;
		}
	}
	return result;
}

/*
 * What is registered now of the EIDs of 'm'; TTL 0 where nothing is, and that
 * was asked for.  Returns the number of records.
 */
static unsigned
present_records(struct map_server *ms, const struct peer *p,
    const struct map_register *m, struct wire_writer *w)
{
	struct records left = m->records;
	struct mapping map;
	struct eid eid;
	unsigned n = 0;

	while (records_next(&left, &map)) {
		const struct registration *r;

		if (lisp_addr_eid(&map.eid, map.eid_bits, &eid) ||
		    !is_allowed(ms, p->site, &map, &eid))
			continue;
		r = ms_find(ms, &eid);
		if (r) {
			ms_record_put(w, r);
		} else if (map.ttl_min == 0) {
			normalise(&map, &eid);
			mapping_encode(w, &map);
		} else {
			continue;
		}
		n++;
	}
	return n;
}

/* The Map-Notify that acknowledges 'm': its nonce, its key, RFC 9301 5.7. */
static void
acknowledge(struct map_server *ms, const struct peer *p,
    const struct datagram *dg, const struct map_register *m)
{
	struct map_notify reply = { .type = LISP_MAP_NOTIFY,
		.nonce = m->nonce,
		.auth = { .key_id = m->auth.key_id,
		    .algorithm = m->auth.algorithm,
		    .len = m->auth.len } };
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes)), head = w;

	map_notify_header(&w, &reply);
	reply.n_records = present_records(ms, p, m, &w);
	if (!reply.n_records)
		return;
	map_notify_header(&head, &reply); /* now with their number */
	ms_notify_send(
	    ms, p, dg->to.afi == dg->from.afi ? &dg->to : NULL, dg->port, &w);
}

enum err
map_server_on_map_register(
    struct xtr *x, const struct datagram *dg, struct map_register *m)
{
	struct map_server *ms = x->map_server;
	const struct auth_key *key;
	struct ms_site *s;
	struct peer *p;
	enum err err;

	if (!x->conf->map_server.enabled)
		return ERR_ROLE;
	if (dg->ecm)
		return ERR_UNSUPPORTED; /* NAT traversal */
	if (!m->n_records)
		return ERR_MALFORMED;
	err = ms_site_verify(ms, dg, m, &s, &key);
	if (!err)
		err = ms_peer_get(ms, s, dg, m, &p);
	if (err)
		return err;
	if (!key->replay_off && p->heard) {
		if (is_copy(p, m)) {
			if (mono_before(xtr_now(x), p->copy_after))
				return ERR_RATE;
			p->copy_after = mono_add_ms(xtr_now(x), 1000);
			if (m->want_notify)
				acknowledge(ms, p, dg, m);
			return ERR_OK;
		}
		if (m->nonce <= p->nonce)
			return ERR_REPLAY;
	}

	ms_peer_heard(ms, p, dg, m);
	err = apply(ms, p, m);
	if (m->want_notify)
		acknowledge(ms, p, dg, m);
	return err;
}
