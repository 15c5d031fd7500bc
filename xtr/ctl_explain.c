/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_explain.c - what happens to a packet for an EID, and why, for ctl.c.
 *
 * It goes the way of forward_out(): the entry of ours that decides, else the
 * map-cache, else the question that is under way or would be asked.  Which
 * locator a flow gets is not worked out here but asked of map_cache_pick(); what
 * is said of the others are the rules of RFC 9300 9 and RFC 9301 5.4 in words.
 */
#include "xtr/ctl_explain.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl_json.h"
#include "common/ctl_server.h"
#include "common/lisp.h"
#include "xtr/ctl_show.h"
#include "xtr/eids.h"
#include "xtr/forward.h"
#include "xtr/inner.h"
#include "xtr/map_cache.h"
#include "xtr/pending.h"
#include "xtr/proxy.h"
#include "xtr/reach.h"
#include "xtr/register.h"
#include "xtr/resolver.h"

enum {
	SAMPLES = 256,	   /* flows, for the shares of locators */
	RESOLVERS_MAX = 8, /* named in the answer */
	LINE_MAX_ = 512,
};

struct explain {
	struct xtr *x;
	struct eid eid;
	bool has_source, has_flow;
	struct eid source;
	uint8_t protocol;
	uint16_t sport, dport;
	uint32_t hash; /* with 'has_flow' */

	json_t *row, *text;
};

/* --- the answer --- */

__attribute__((format(printf, 2, 3))) static void
say(struct explain *e, const char *fmt, ...)
{
	char line[LINE_MAX_];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	json_array_append_new(e->text, json_string(line));
}

static void
set(struct explain *e, const char *key, json_t *value)
{
	json_object_set_new(e->row, key, value);
}

/* What the data plane does: one word for programs, a sentence for people. */
__attribute__((format(printf, 3, 4))) static void
decide(struct explain *e, const char *word, const char *fmt, ...)
{
	char why[LINE_MAX_];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	set(e, "decision", json_string(word));
	set(e, "why", json_string(why));
	say(e, "packets: %s: %s", word, why);
}

/* --- locators --- */

struct shares {
	unsigned of[LISP_LOCATORS_MAX];
	const struct cache_locator *chosen; /* of the flow, or of all flows */
};

static void
shares_get(const struct explain *e, const struct map_cache_entry *m,
    struct shares *out)
{
	*out = (struct shares){ .chosen = NULL };
	if (e->has_flow) {
		out->chosen = map_cache_pick(e->x, m, e->hash);
		return;
	}
	for (uint32_t i = 0; i < SAMPLES; i++) {
		const struct cache_locator *l =
		    map_cache_pick(e->x, m, i * UINT32_C(2654435761));

		if (l)
			out->of[l - m->locators]++;
		out->chosen = l;
	}
	if (out->chosen && out->of[out->chosen - m->locators] != SAMPLES)
		out->chosen = NULL;
}

/* An RLOC that is down, with the cause that is shown. */
static const char *
down_by(const struct explain *e, const struct addr *rloc)
{
	static const char *const words[REACH_CAUSES] = {
		[REACH_CONFIG] = "down: configured",
		[REACH_INTERFACE] = "down: interface",
		[REACH_ROUTE] = "down: no route",
		[REACH_PROBE] = "down: no answer to probes",
		[REACH_ICMP] = "down: ICMP",
		[REACH_ECHO] = "down: echo-nonce",
	};
	const struct reach_rloc *r = reach_find(e->x, rloc);
	const enum reach_cause cause = r ? reach_why(r) : REACH_CAUSES;

	return cause < REACH_CAUSES && words[cause] ? words[cause] : "down";
}

/* Why packets go to it or not. */
static const char *
verdict(const struct explain *e, const struct map_cache_entry *m,
    const struct cache_locator *l, const struct shares *s)
{
	const unsigned share = s->of[l - m->locators];

	if (l == s->chosen)
		return e->has_flow ? "chosen for this flow" : "chosen";
	if (share)
		return "by flow";
	if (l->priority == LISP_PRIORITY_UNUSABLE)
		return "never: priority 255";
	if (addr_is_martian(&l->rloc))
		return "never: no address of a router";
	if (xtr_rloc_is_own(e->x, &l->rloc))
		return "never: it is ours";
	if (!l->reachable)
		return "down: R bit";
	if (l->status_down)
		return "down: locator-status-bits";
	if (!reach_is_up(e->x, &l->rloc))
		return down_by(e, &l->rloc);
	if (!xtr_rloc(e->x, l->rloc.afi))
		return "no RLOC of ours has its family";
	if (s->chosen && l->priority > s->chosen->priority)
		return "worse priority";
	for (unsigned i = 0; i < m->n_locators; i++)
		if (s->of[i] && m->locators[i].priority < l->priority)
			return "worse priority";
	if (!l->weight)
		return "weight 0";
	return e->has_flow ? "for other flows" : "not used";
}

static void
locators(
    struct explain *e, const struct map_cache_entry *m, const struct shares *s)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < m->n_locators; i++) {
		const struct cache_locator *l = &m->locators[i];
		const char *why = verdict(e, m, l, s);
		char rloc[ADDR_STR_MAX];
		json_t *o = ctl_cache_locator(m, l);

		json_object_set_new(o, "verdict", json_string(why));
		if (s->of[i])
			json_object_set_new(
			    o, "share", json_real((double)s->of[i] / SAMPLES));
		json_array_append_new(array, o);
		if (s->of[i] && l != s->chosen)
			say(e, "locator: %s, priority %u, weight %u: %s, %u %%",
			    addr_str(&l->rloc, rloc), l->priority, l->weight,
			    why, (100 * s->of[i] + SAMPLES / 2) / SAMPLES);
		else
			say(e, "locator: %s, priority %u, weight %u: %s",
			    addr_str(&l->rloc, rloc), l->priority, l->weight,
			    why);
	}
	for (unsigned i = 0; i < m->n_unused; i++) {
		json_t *o =
		    ctl_cache_locator(m, &m->locators[m->n_locators + i]);

		json_object_set_new(o, "verdict", json_string("not read"));
		json_array_append_new(array, o);
	}
	if (m->n_unused)
		say(e, "locators: %u more, of kinds that we do not act on",
		    m->n_unused);
	set(e, "locators", array);
}

/* The outer header of a packet to 'rloc'. */
static void
outer(struct explain *e, const struct addr *rloc)
{
	const struct addr *from = xtr_rloc(e->x, rloc->afi);
	char to[ADDR_STR_MAX], source[ADDR_STR_MAX] = "?";

	set(e, "rloc", ctl_json_addr(rloc));
	set(e, "source_rloc", from ? ctl_json_addr(from) : json_null());
	if (from)
		addr_str(from, source);
	if (!e->has_flow) {
		decide(
		    e, "encapsulate", "%s to %s", source, addr_str(rloc, to));
		return;
	}
	set(e, "source_port", json_integer(inner_flow_port(e->hash)));
	decide(e, "encapsulate", "%s port %u to %s", source,
	    inner_flow_port(e->hash), addr_str(rloc, to));
}

/* --- a question to the mapping system --- */

static const char *
whom(struct explain *e, json_t *array)
{
	static const char none[] = "nobody";
	const unsigned count = resolver_count(e->x, &e->eid);
	const char *first = none;

	for (unsigned i = 0; i < count && i < RESOLVERS_MAX; i++) {
		const struct addr *r = resolver_nth(e->x, &e->eid, i);

		if (r)
			json_array_append_new(array, ctl_json_addr(r));
	}
	if (json_array_size(array))
		first = json_string_value(json_array_get(array, 0));
	return first;
}

static bool
lookup(struct explain *e)
{
	const struct lookup *l = pending_find(e->x->pending, &e->eid);
	const struct mono now = xtr_now(e->x);
	json_t *resolvers = json_array();
	const char *first = whom(e, resolvers);

	set(e, "resolvers", resolvers);
	if (l && l->asking) {
		int64_t next_ms = mono_diff_us(l->next, now) / 1000;

		set(e, "lookup",
		    json_pack("{s:i, s:I, s:i, s:b}", "tries", (int)l->tries,
			"next_ms", (json_int_t)(next_ms > 0 ? next_ms : 0),
			"packets", (int)l->n_packets, "smr_invoked",
			l->invoked));
		say(e,
		    "lookup: %u Map-Request%s sent, %u packet%s waiting, "
		    "next in %lld ms",
		    l->tries, l->tries == 1 ? "" : "s", l->n_packets,
		    l->n_packets == 1 ? "" : "s",
		    (long long)(next_ms > 0 ? next_ms : 0));
		return true;
	}
	set(e, "lookup", json_null());
	if (!json_array_size(resolvers) || !e->x->conf->site.rlocs.n) {
		decide(e, "drop", "no mapping, and %s",
		    e->x->conf->site.rlocs.n ? "no Map-Resolver is configured"
					     : "no RLOC of ours");
		return false;
	}
	if (l && mono_before(now, l->earliest)) {
		say(e, "lookup: the next one may start in %lld ms",
		    (long long)(mono_diff_us(l->earliest, now) / 1000));
		return true;
	}
	say(e, "lookup: a packet would ask %s", first);
	return true;
}

static void
no_mapping(struct explain *e)
{
	set(e, "kind", json_string("none"));
	say(e, "entry: none covers it, neither of ours nor in the map-cache");
	if (!lookup(e))
		return;
	decide(e, "queue",
	    "at most %lld of them, for a second, until the Map-Reply",
	    (long long)e->x->conf->itr.queue_packets);
}

/* --- the map-cache --- */

static const char *const origins[CACHE_ORIGINS] = {
	[CACHE_UNKNOWN] = "unknown",
	[CACHE_MAP_REPLY] = "map-reply",
	[CACHE_MAP_NOTIFY] = "map-notify",
	[CACHE_EARLIER_RUN] = "earlier-run",
};

static void
origin(struct explain *e, const struct map_cache_entry *m)
{
	const struct mono now = xtr_now(e->x);
	const long long age_s = mono_diff_us(now, m->learned) / 1000000;
	const long long left_s = mono_diff_us(m->expires, now) / 1000000;
	const char *word = m->origin < CACHE_ORIGINS && origins[m->origin]
	    ? origins[m->origin]
	    : "unknown";
	char from[ADDR_STR_MAX];

	set(e, "origin", json_string(word));
	set(e, "from", ctl_json_addr(&m->from));
	set(e, "age_s", json_integer(age_s));
	set(e, "ttl_s", json_integer(left_s));
	set(e, "ttl_min", json_integer(m->ttl_min));
	set(e, "packets", json_integer((json_int_t)m->packets));
	if (m->origin == CACHE_MAP_REPLY)
		say(e, "learned: %lld s ago by a Map-Reply from %s", age_s,
		    addr_str(&m->from, from));
	else if (m->origin == CACHE_MAP_NOTIFY)
		say(e, "learned: %lld s ago by a Map-Notify", age_s);
	else if (m->origin == CACHE_EARLIER_RUN)
		say(e, "learned: before the restart %lld s ago", age_s);
	else
		say(e, "learned: %lld s ago", age_s);
	say(e, "lasts: %lld s of %u min", left_s, m->ttl_min);
}

/* As forward.c's function of that name. */
static void
out_of_lisp(struct explain *e, const char *action)
{
	const struct conf_itr *c = &e->x->conf->itr;
	struct addr petr;

	if (proxy_attracts(e->x, &e->eid))
		decide(e, "drop", "%s, but we attract its packets", action);
	else if (c->use_petr.n && !proxy_petr(e->x, e->hash, &petr))
		decide(e, "drop", "%s, but no PETR can be used", action);
	else if (c->use_petr.n) {
		say(e, "use-petr: %s goes through a PETR", action);
		outer(e, &petr);
	} else if (!c->natively_forward)
		decide(
		    e, "drop", "%s, but itr.natively-forward is off", action);
	else if (c->eid_space.n)
		decide(
		    e, "drop", "%s, but an EID space leads back here", action);
	else
		decide(e, "native", "%s, out as they are", action);
}

static void
negative(struct explain *e, const struct map_cache_entry *m)
{
	const char *action = ctl_action_str(0, m->action);

	switch (m->action) {
	case LISP_SEND_MAP_REQUEST:
		if (lookup(e))
			decide(e, "queue", "%s: each lookup is asked again",
			    action);
		return;
	case LISP_NATIVELY_FORWARD:
		out_of_lisp(e, action);
		return;
	default:
		decide(e, "drop", "the mapping says %s", action);
	}
}

static void
by_cache(struct explain *e)
{
	const struct map_cache_entry *m =
	    map_cache_match(e->x->map_cache, &e->eid);
	char prefix[EID_STR_MAX];
	struct shares s;

	if (!m) {
		no_mapping(e);
		return;
	}
	set(e, "kind", json_string("map-cache"));
	set(e, "entry", ctl_json_eid(&m->eid));
	set(e, "action", json_string(ctl_action_str(m->n_locators, m->action)));
	say(e, "entry: %s in the map-cache, %s", eid_str(&m->eid, prefix),
	    m->n_locators ? "positive" : "negative");
	origin(e, m);
	shares_get(e, m, &s);
	locators(e, m, &s);
	if (!m->n_locators)
		negative(e, m);
	else if (s.chosen)
		outer(e, &s.chosen->rloc);
	else if (map_cache_pick(e->x, m, 0))
		decide(e, "encapsulate",
		    "the flow decides among the locators of the best priority");
	else
		decide(e, "drop", "no locator can be used");
}

/* --- EIDs of ours --- */

static void
own_registered(struct explain *e, const struct eid_entry *o)
{
	const bool yes =
	    e->x->registers && register_is_confirmed(e->x, &o->eid);

	set(e, "registered", json_boolean(yes));
	say(e, "registered: %s",
	    yes ? "a Map-Server has confirmed it" : "not confirmed");
}

static void
away(struct explain *e, const struct eid_entry *o)
{
	const struct addr *rloc = forward_away_rloc(e->x, o);
	const long long left_s =
	    (o->away_until_ms - (int64_t)clock_wall_ms(e->x->clock)) / 1000;
	json_t *array = json_array();
	char buf[ADDR_STR_MAX];

	set(e, "away_s", json_integer(left_s));
	for (unsigned i = 0; i < o->n_away; i++) {
		const bool chosen = rloc == &o->away[i];
		json_t *l = ctl_json_rloc(&o->away[i], 1, 100, true);

		json_object_set_new(l, "verdict",
		    json_string(chosen ? "chosen" : "another one was first"));
		json_array_append_new(array, l);
	}
	set(e, "locators", array);
	say(e, "moved: to %s; known here for %lld s more",
	    o->n_away ? addr_str(&o->away[0], buf) : "nobody knows whom",
	    left_s);
	if (rloc)
		outer(e, rloc);
	else
		decide(e, "drop", "no locator of the other site can be used");
}

static void
own(struct explain *e, const struct eid_entry *o)
{
	const char *state = o->is_static ? "static" : eid_state_str(o->state);
	char prefix[EID_STR_MAX];

	set(e, "kind", json_string("eid"));
	set(e, "entry", ctl_json_eid(&o->eid));
	set(e, "state", json_string(state));
	if (o->state == EID_AWAY)
		say(e, "entry: %s, which is at another site now",
		    eid_str(&o->eid, prefix));
	else
		say(e, "entry: %s of this site, %s", eid_str(&o->eid, prefix),
		    state);
	if (eid_is_ours(o))
		own_registered(e, o);
	switch (o->state) {
	case EID_AWAY:
		away(e, o);
		return;
	case EID_HELD:
		decide(e, "hold", "dropped until it is known who has it");
		return;
	default:
		decide(e, "deliver",
		    "the kernel routes them; what comes encapsulated goes to "
		    "the host");
	}
}

static void
explain(struct explain *e)
{
	const struct eid_entry *o = forward_entry(e->x, &e->eid);
	const bool arriving = o && o->state == EID_ARRIVING && !o->is_static;
	char buf[EID_STR_MAX];

	if (e->has_source && !forward_source_allowed(e->x, &e->source.addr)) {
		set(e, "kind", json_string("source"));
		decide(e, "drop", "%s is in a mobile prefix and not here",
		    eid_str(&e->source, buf));
		return;
	}
	if (e->eid.iid)
		say(e, "instance: %u; the data plane belongs to instance 0",
		    e->eid.iid);
	if (o && (arriving || o->incoming))
		say(e, "announced: it is on its way here");
	if (o && !arriving)
		own(e, o);
	else if (addr_is_martian(&e->eid.addr)) {
		set(e, "kind", json_string("none"));
		decide(e, "drop", "it is no address of a host");
	} else {
		by_cache(e);
	}
}

/* --- the question --- */

/* "tcp:40000:443", "udp:5:6", "icmp", "47". */
static bool
flow_parse(struct explain *e, const char *text)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} names[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP }, { "icmp", IPPROTO_ICMP },
		{ "icmpv6", IPPROTO_ICMPV6 } };
	const size_t len = strcspn(text, ":");
	unsigned sport = 0, dport = 0;
	char *end;
	int used = 0;
	long n = strtol(text, &end, 10);

	if (end == text || end != text + len || n < 0 || n > 255) {
		n = -1;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i].name) == len &&
			    memcmp(names[i].name, text, len) == 0)
				n = names[i].protocol;
	}
	if (n < 0)
		return false;
	if (text[len] &&
	    (sscanf(text + len, ":%5u:%5u%n", &sport, &dport, &used) != 2 ||
		text[len + (size_t)used] || sport > 65535 || dport > 65535))
		return false;
	e->protocol = (uint8_t)n;
	e->sport = (uint16_t)sport;
	e->dport = (uint16_t)dport;
	return true;
}

/* The hash that a packet of the flow gets; false if there is no such packet. */
static bool
flow_hash(struct explain *e)
{
	const bool v4 = e->eid.addr.afi == AFI_IPV4;
	const uint16_t len = v4 ? 28 : 48;
	uint8_t packet[48] = { 0 };
	struct wire_writer w = wire_writer(packet, sizeof(packet));
	struct inner in;

	if (v4) {
		wire_put_u16(&w, 0x4500);
		wire_put_u16(&w, len);
		wire_put_u32(&w, 0);
		wire_put_u8(&w, 64);
		wire_put_u8(&w, e->protocol);
		wire_put_u16(&w, 0);
		wire_put_bytes(&w, e->source.addr.bytes, 4);
		wire_put_bytes(&w, e->eid.addr.bytes, 4);
	} else {
		wire_put_u32(&w, UINT32_C(6) << 28);
		wire_put_u16(&w, 8);
		wire_put_u8(&w, e->protocol);
		wire_put_u8(&w, 64);
		wire_put_bytes(&w, e->source.addr.bytes, 16);
		wire_put_bytes(&w, e->eid.addr.bytes, 16);
	}
	wire_put_u16(&w, e->sport);
	wire_put_u16(&w, e->dport);
	if (v4) {
		const uint16_t sum = checksum_fold(checksum_add(0, packet, 20));

		packet[10] = (uint8_t)(sum >> 8);
		packet[11] = (uint8_t)sum;
	}
	if (inner_parse(packet, len, &in))
		return false;
	e->hash = inner_flow_hash(&in);
	return true;
}

/* What is wrong with the request, or NULL. */
static const char *
read_request(struct explain *e, const json_t *request)
{
	const char *eid = ctl_string(request, "eid");
	const char *source = ctl_string(request, "source");
	const char *flow = ctl_string(request, "flow");

	if (!eid || eid_parse(eid, &e->eid) || !eid_is_host(&e->eid))
		return "\"eid\": an address expected";
	if (source &&
	    (eid_parse(source, &e->source) || !eid_is_host(&e->source) ||
		e->source.addr.afi != e->eid.addr.afi))
		return "\"source\": an address of the same family expected";
	e->has_source = source;
	if (!flow)
		return NULL;
	if (!source || e->eid.addr.afi == AFI_MAC)
		return "\"flow\" goes with a source";
	if (!flow_parse(e, flow) || !flow_hash(e))
		return "\"flow\": PROTOCOL[:PORT:PORT] expected";
	e->has_flow = true;
	return NULL;
}

json_t *
ctl_explain(struct xtr *x, const json_t *request, const char **error)
{
	struct explain e = { .x = x };

	*error = read_request(&e, request);
	if (*error)
		return NULL;
	e.row = json_pack("{s:o, s:I}", "eid", ctl_json_eid(&e.eid), "iid",
	    (json_int_t)e.eid.iid);
	e.text = json_array();
	explain(&e);
	set(&e, "text", e.text);
	return json_pack("[o]", e.row);
}
