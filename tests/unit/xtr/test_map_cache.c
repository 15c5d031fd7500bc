/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_map_cache.c - what is kept, how long, what goes at the bound, and which
 * locator a flow gets.  RFC 9301 5.4, 5.5; RFC 9300 9, 12.
 */
#include "common/lcaf.h"
#include "node.h"
#include "tests/unit/common/hex.h"
#include "xtr/ctl_show.h"

static int
setup(void **state)
{
	*state = node_new();
	return 0;
}

static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

static void
store(struct node *n, const char *eid, uint32_t ttl_min, const char *rloc)
{
	const struct mapping m = node_mapping(eid, ttl_min, rloc);
	const struct eid e = E(eid);

	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
}

static struct map_cache_entry *
match(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return map_cache_match(n->x.map_cache, &e);
}

static struct map_cache_entry *
find(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return map_cache_find(n->x.map_cache, &e);
}

static void
test_longest_match(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	store(n, "10.2.3.0/24", 10, "203.0.113.8");
	assert_int_equal(match(n, "10.2.3.4")->eid.bits, 24);
	assert_int_equal(match(n, "10.2.4.4")->eid.bits, 16);
	assert_null(match(n, "10.3.0.1"));
	assert_null(match(n, "[7]10.2.3.4"));
	assert_int_equal(n->n_changed, 2);
}

static void
test_ttl(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", 2, "203.0.113.7");
	node_run(n, 119999);
	assert_non_null(match(n, "10.2.0.1"));
	node_run(n, 2);
	assert_null(match(n, "10.2.0.1"));
	assert_int_equal(n->x.counters.map_cache_expired, 1);
	assert_int_equal(n->n_changed, 2); /* the data plane heard of the end */
}

static void
test_ttl_zero_removes(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	store(n, "10.2.0.0/16", 0, "203.0.113.7");
	assert_null(match(n, "10.2.0.1"));
}

static void
test_ttl_clamped(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", LISP_TTL_LOCAL, "203.0.113.7");
	assert_int_equal(find(n, "10.2.0.0/16")->ttl_min, TTL_LOCAL_MIN);
	store(n, "10.2.0.0/16", UINT32_C(0x80000010), "203.0.113.7");
	assert_int_equal(find(n, "10.2.0.0/16")->ttl_min, TTL_MAX_MIN);
}

/* RFC 9301 5.5: not longer than the first of the more-specifics under it. */
static void
test_less_specific_takes_earliest_expiry(void **state)
{
	struct node *n = *state;

	store(n, "10.2.3.0/24", 5, "203.0.113.8");
	store(n, "10.2.9.0/24", 3, "203.0.113.8");
	store(n, "10.2.0.0/16", 60, "203.0.113.7");
	assert_int_equal(find(n, "10.2.0.0/16")->expires.us,
	    find(n, "10.2.9.0/24")->expires.us);
	/* Its own renewal does not count as one of them. */
	node_run(n, 1000);
	store(n, "10.2.3.0/24", 5, "203.0.113.8");
	assert_int_equal(find(n, "10.2.3.0/24")->expires.us,
	    mono_add_ms(xtr_now(&n->x), 5 * 60000).us);
}

static void
test_replace(void **state)
{
	struct node *n = *state;
	struct map_cache_entry *e;

	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	map_cache_used(find(n, "10.2.0.0/16"), 100, xtr_now(&n->x));
	store(n, "10.2.0.0/16", 10, "203.0.113.9");
	e = find(n, "10.2.0.0/16");
	assert_int_equal(e->n_locators, 1);
	assert_int_equal(e->locators[0].rloc.bytes[3], 9);
	assert_int_equal(e->packets, 1);
	assert_int_equal(map_cache_count(n->x.map_cache), 1);
}

static void
test_negative(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.0/16", 15, NULL);
	const struct eid e = E("10.2.0.0/16");

	m.action = LISP_DROP_POLICY;
	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
	assert_int_equal(find(n, "10.2.0.0/16")->action, LISP_DROP_POLICY);
	assert_int_equal(find(n, "10.2.0.0/16")->n_locators, 0);
}

/* Locators that came in an LCAF: their octets in hex; NULL ends the list. */
static struct map_cache_entry *
store_lcafs(struct node *n, bool plain_too, const char *const *texts)
{
	struct mapping m = node_mapping("10.2.0.0/16", 15, "203.0.113.7");
	const struct eid e = E("10.2.0.0/16");
	uint8_t buf[4][64];

	m.action = LISP_DROP_POLICY;
	m.n_locators = 0;
	for (unsigned i = 0; texts[i]; i++) {
		struct wire_reader r =
		    wire_reader(buf[i], hex(texts[i], buf[i]));
		struct locator *l = &m.locators[m.n_locators++];

		*l = (struct locator){ .priority = (uint8_t)(i + 2),
			.weight = 100,
			.reachable = true };
		lisp_addr_decode(&r, &l->addr);
		assert_int_equal(r.err, ERR_OK);
	}
	if (plain_too) {
		const struct addr a = A("203.0.113.7");

		m.locators[m.n_locators++] = (struct locator){ .priority = 1,
			.weight = 100,
			.reachable = true,
			.addr = lisp_addr_from_addr(&a) };
	}
	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
	memset(buf, 0xee, sizeof(buf)); /* it has copied */
	return find(n, "10.2.0.0/16");
}

static void
lcaf_is(const struct map_cache_entry *e, unsigned i, const char *text)
{
	char buf[LISP_ADDR_STR_MAX];
	struct lisp_addr a;

	assert_true(map_cache_lcaf(e, &e->locators[i], &a));
	assert_string_equal(lisp_addr_str(&a, buf, sizeof(buf)), text);
}

/* A locator we do not act on is kept; none other is No-Action. */
static void
test_lcafs_not_acted_on(void **state)
{
	static const char *const texts[] = { "4003 0000 6300 0000",
		"4003 0000 0a00 0008 0001 0001 c000021f", NULL };
	struct node *n = *state;
	struct map_cache_entry *e = store_lcafs(n, true, texts);
	struct lisp_addr a;

	assert_int_equal(e->n_locators, 1);
	assert_int_equal(e->n_unused, 2);
	assert_int_equal(e->locators[0].rloc.bytes[3], 7);
	assert_false(map_cache_lcaf(e, &e->locators[0], &a));
	lcaf_is(e, 1, "lcaf-99()");
	lcaf_is(e, 2, "elp(192.0.2.31 S)");
	assert_int_equal(e->locators[2].priority, 3);
	assert_ptr_equal(map_cache_pick(&n->x, e, 1), &e->locators[0]);

	e = store_lcafs(n, false, texts);
	assert_int_equal(e->n_locators, 0);
	assert_int_equal(e->n_unused, 2);
	assert_int_equal(e->action, LISP_NO_ACTION);
	assert_null(map_cache_pick(&n->x, e, 1));
}

/* RFC 8060 4.10.1: the first address of a list that we can send to. */
static void
test_lcaf_with_an_address(void **state)
{
	static const char *const texts[] = { "0011 6100",
		"4003 0000 0100 000e 0001 e0000001 0000 0001 cb007108", NULL };
	static const char *const others[] = { "4003 0000 0100 0002 0000",
		NULL };
	struct node *n = *state;
	struct map_cache_entry *e = store_lcafs(n, true, texts);

	assert_int_equal(e->n_locators, 2);
	assert_int_equal(e->n_unused, 1);
	assert_int_equal(e->locators[0].rloc.bytes[3], 8);
	lcaf_is(e, 0, "afi-list(224.0.0.1, none, 203.0.113.8)");
	lcaf_is(e, 2, "dn:a");
	assert_ptr_equal(map_cache_pick(&n->x, e, 1), &e->locators[1]);
	e = store_lcafs(n, false, texts);
	assert_ptr_equal(map_cache_pick(&n->x, e, 1), &e->locators[0]);
	/* replaced by one of another size */
	e = store_lcafs(n, false, others);
	assert_int_equal(e->n_locators, 0);
	lcaf_is(e, 0, "afi-list(none)");
}

static void
test_lcafs_are_shown(void **state)
{
	static const char *const texts[] = {
		"4003 0000 0a00 0008 0001 0001 c000021f",
		"4003 0000 0100 000e 0001 e0000001 0000 0001 cb007108", NULL
	};
	struct node *n = *state;
	json_t *request = json_pack("{s:s}", "what", "map-cache");
	json_t *reply, *locators;
	const char *error;
	char *text;

	store_lcafs(n, true, texts);
	reply = ctl_show(&n->x, request, &error);
	assert_non_null(reply);
	locators = json_object_get(
	    json_array_get(json_object_get(reply, "rows"), 0), "locators");
	text = json_dumps(locators, JSON_COMPACT);
	assert_string_equal(text,
	    "[{\"rloc\":\"203.0.113.8\",\"priority\":3,\"weight\":100,"
	    "\"reachable\":true,"
	    "\"lcaf\":\"afi-list(224.0.0.1, none, 203.0.113.8)\"},"
	    "{\"rloc\":\"203.0.113.7\",\"priority\":1,\"weight\":100,"
	    "\"reachable\":true},"
	    "{\"rloc\":\"elp(192.0.2.31 S)\",\"priority\":2,\"weight\":100,"
	    "\"reachable\":true,\"used\":false}]");
	free(text);
	json_decref(reply);
	json_decref(request);
}

/* A record may have 64 KB of them. */
static void
test_lcafs_are_bounded(void **state)
{
	static uint8_t name[500] = { 0, AFI_NAME, 'a' };
	static uint8_t list[] = { 0x40, 3, 0, 0, 1, 0, 0, 6, 0, 1, 203, 0, 113,
		9 };
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.0/16", 15, "203.0.113.7");
	const struct eid eid = E("10.2.0.0/16");
	struct map_cache_entry *e;
	struct lisp_addr a;

	m.n_locators = 80;
	for (unsigned i = 0; i < 4; i++)
		m.locators[i].addr = (struct lisp_addr){ .opaque = name,
			.opaque_len = sizeof(name) };
	for (unsigned i = 4; i < m.n_locators; i++)
		m.locators[i].addr = (struct lisp_addr){ .opaque = list,
			.opaque_len = sizeof(list) };
	assert_int_equal(map_cache_store(&n->x, &eid, &m), ERR_OK);
	e = find(n, "10.2.0.0/16");
	assert_int_equal(e->n_locators, 76);
	assert_int_equal(e->n_unused, 0);
	lcaf_is(e, 63, "afi-list(203.0.113.9)");
	assert_false(map_cache_lcaf(e, &e->locators[64], &a));
	assert_int_equal(e->locators[75].rloc.bytes[3], 9);
}

static void
test_remove_under(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.2.0.0/16");

	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	store(n, "10.2.3.0/24", 10, "203.0.113.7");
	store(n, "10.2.3.4/32", 10, "203.0.113.7");
	store(n, "10.3.0.0/16", 10, "203.0.113.7");
	map_cache_remove_under(&n->x, &e);
	assert_int_equal(map_cache_count(n->x.map_cache), 2);
	assert_int_equal(match(n, "10.2.3.4")->eid.bits, 16);
}

/* At the bound the least recently used one goes. */
static void
test_bound(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];

	for (unsigned i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "10.2.%u.0/24", i);
		store(n, text, 10, "203.0.113.7");
		node_run(n, 10);
	}
	/* The oldest two are in use; the third is not. */
	map_cache_used(find(n, "10.2.0.0/24"), 1, xtr_now(&n->x));
	map_cache_used(find(n, "10.2.1.0/24"), 1, xtr_now(&n->x));
	node_run(n, 10);
	store(n, "10.2.200.0/24", 10, "203.0.113.7");
	assert_int_equal(map_cache_count(n->x.map_cache), 64);
	assert_int_equal(n->x.counters.map_cache_evicted, 1);
	assert_non_null(find(n, "10.2.0.0/24"));
	assert_non_null(find(n, "10.2.1.0/24"));
	assert_null(find(n, "10.2.2.0/24"));
	/* All of them unused: it still ends. */
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "10.3.%u.0/24", i);
		store(n, text, 10, "203.0.113.7");
	}
	assert_int_equal(map_cache_count(n->x.map_cache), 64);
}

/* Refresh at 90 % of the TTL, only if used in the last minute. */
static void
test_refresh(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	store(n, "10.3.0.0/16", 10, "203.0.113.7");
	store(n, "10.4.0.0/16", 10, "203.0.113.7");
	node_run(n, 475000); /* more than a minute before it would be asked */
	map_cache_used(find(n, "10.4.0.0/16"), 1, xtr_now(&n->x));
	node_run(n, 25000);
	map_cache_used(find(n, "10.2.0.0/16"), 1, xtr_now(&n->x));
	node_run(n, 39000);
	assert_int_equal(node_count(n, LISP_MAP_REQUEST), 0);
	node_run(n, 1500);
	assert_int_equal(node_count(n, LISP_MAP_REQUEST), 1);
}

static void
test_survives_restart(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.5.0.0/16", 15, NULL);
	const struct eid e = E("10.5.0.0/16");

	m.action = LISP_SEND_MAP_REQUEST;
	store(n, "10.2.0.0/16", 10, "2001:db8:7::7");
	store(n, "10.3.0.0/16", 1, "203.0.113.7");
	store(n, "10.4.0.0/16", 60, "203.0.113.7");
	store(n, "10.4.0.0/16", 0, "203.0.113.7");
	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
	node_stop(n);
	clock_advance(&n->clock, INT64_C(120000000));
	node_start(n);
	assert_int_equal(map_cache_count(n->x.map_cache), 2);
	assert_int_equal(find(n, "10.5.0.0/16")->action, LISP_SEND_MAP_REQUEST);
	assert_int_equal(find(n, "10.2.0.0/16")->locators[0].rloc.afi, 2);
	assert_int_equal(find(n, "10.2.0.0/16")->locators[0].priority, 1);
	assert_true(find(n, "10.2.0.0/16")->locators[0].reachable);
	/* What is old is asked for again once it is used ... */
	node_run(n, 10000);
	assert_int_equal(node_count(n, LISP_MAP_REQUEST), 0);
	map_cache_used(find(n, "10.2.0.0/16"), 1, xtr_now(&n->x));
	node_run(n, 20000);
	assert_true(node_count(n, LISP_MAP_REQUEST) >= 1);
	/* ... and ends with its TTL. */
	node_run(n, 8 * 60000);
	assert_null(find(n, "10.2.0.0/16"));
	node_stop(n);
	node_start(n);
	assert_null(find(n, "10.2.0.0/16"));
	assert_null(find(n, "10.3.0.0/16"));
}

static void
store_number(struct node *n, unsigned i, uint32_t ttl_min)
{
	char text[EID_STR_MAX];

	snprintf(text, sizeof(text), "10.%u.%u.0/24", 128 + i / 256, i % 256);
	store(n, text, ttl_min, "203.0.113.7");
}

/* However many come due, or must go, a turn of the loop does some of them. */
static void
test_all_expire_at_once(void **state)
{
	struct node *n = *state;
	size_t left = 2000;
	unsigned turns = 0;

	n->conf.itr.cache_max = 4096;
	for (unsigned i = 0; i < left; i++)
		store_number(n, i, 10);
	clock_advance(&n->clock, INT64_C(11) * 60000000);
	while (map_cache_count(n->x.map_cache)) {
		loop_poll(n->x.loop);
		assert_true(left - map_cache_count(n->x.map_cache) <= 256);
		left = map_cache_count(n->x.map_cache);
		assert_true(++turns < 100);
	}
	assert_true(turns > 10);
	assert_int_equal(n->x.counters.map_cache_expired, 2000);
}

static void
test_remove_many_under(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.128.0.0/9");
	size_t left;

	n->conf.itr.cache_max = 4096;
	for (unsigned i = 0; i < 2000; i++)
		store_number(n, i, 10);
	store(n, "10.128.0.0/9", 10, "203.0.113.8");
	node_run(n, 1000);
	map_cache_remove_under(&n->x, &e);
	left = map_cache_count(n->x.map_cache);
	assert_true(left < 2001 && left > 1000);
	/* Stored since then: not what is meant. */
	node_run(n, 0);
	map_cache_remove_under(&n->x, &e);
	clock_advance(&n->clock, 1000);
	store(n, "10.200.1.0/24", 10, "203.0.113.9");
	node_run(n, 1000);
	assert_int_equal(map_cache_count(n->x.map_cache), 2);
	assert_int_equal(match(n, "10.128.9.1")->eid.bits, 9);
	assert_non_null(find(n, "10.200.1.0/24"));
}

/* After a reload the bound may be smaller: each entry stored takes some away. */
static void
test_smaller_bound(void **state)
{
	struct node *n = *state;
	size_t before, after;

	n->conf.itr.cache_max = 4096;
	for (unsigned i = 0; i < 1000; i++)
		store_number(n, i, 10);
	n->conf.itr.cache_max = 16;
	for (unsigned i = 1000; i < 1100; i++) {
		before = map_cache_count(n->x.map_cache);
		store_number(n, i, 10);
		after = map_cache_count(n->x.map_cache);
		assert_true(after <= before && before - after < 100);
	}
	assert_int_equal(map_cache_count(n->x.map_cache), 16);
}

/* Refreshes take half of the lookups; the others wait and come, too. */
static void
test_refresh_of_many(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "10.2.%u.0/24", i);
		store(n, text, 10, "203.0.113.7");
	}
	node_run(n, 530000);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "10.2.%u.0/24", i);
		map_cache_used(find(n, text), 1, xtr_now(&n->x));
	}
	node_run(n, 10500);
	assert_int_equal(
	    pending_count(n->x.pending), n->conf.itr.pending_max / 2);
	assert_int_equal(n->x.counters.map_request_refused, 0);
	/* The answers of the first make room for the next. */
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < 40; i++) {
			snprintf(text, sizeof(text), "10.2.%u.0/24", i);
			const struct eid e = E(text);
			struct lookup *l = pending_find(n->x.pending, &e);

			if (l && l->asking) {
				store(n, text, 10, "203.0.113.7");
				pending_remove(l);
				map_cache_used(
				    find(n, text), 1, xtr_now(&n->x));
			}
		}
		node_run(n, 800);
	}
	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "10.2.%u.0/24", i);
		assert_true(mono_diff_us(find(n, text)->expires,
				xtr_now(&n->x)) > INT64_C(500) * 1000000);
	}
}

static void
test_origin(void **state)
{
	struct node *n = *state;
	const struct addr from = A("203.0.113.99");
	const struct eid e = E("10.2.0.0/16");

	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	map_cache_set_origin(n->x.map_cache, &e, CACHE_MAP_REPLY, &from);
	assert_int_equal(find(n, "10.2.0.0/16")->origin, CACHE_MAP_REPLY);
	assert_true(addr_equal(&find(n, "10.2.0.0/16")->from, &from));
	node_stop(n);
	node_start(n);
	assert_int_equal(find(n, "10.2.0.0/16")->origin, CACHE_EARLIER_RUN);
	assert_int_equal(find(n, "10.2.0.0/16")->from.afi, AFI_NONE);
}

struct seen {
	char text[256];
};

static bool
see(void *arg, struct map_cache_entry *e)
{
	struct seen *s = arg;
	char buf[EID_STR_MAX];
	const size_t len = strlen(s->text);

	snprintf(
	    s->text + len, sizeof(s->text) - len, "%s ", eid_str(&e->eid, buf));
	return true;
}

static void
test_walk_about(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.2.3.0/24");
	struct seen s = { "" };

	store(n, "10.0.0.0/8", 10, "203.0.113.7");
	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	store(n, "10.2.3.0/24", 10, "203.0.113.7");
	store(n, "10.2.3.4/32", 10, "203.0.113.7");
	store(n, "10.2.4.0/24", 10, "203.0.113.7");
	map_cache_walk_about(n->x.map_cache, &e, see, &s);
	assert_string_equal(
	    s.text, "10.0.0.0/8 10.2.0.0/16 10.2.3.0/24 10.2.3.4/32 ");
}

/* A crash loses nothing of a few changes; of very many what is not written yet. */
static void
test_snapshot_is_soon(void **state)
{
	struct node *n = *state;
	struct store *s;
	size_t len;
	uint8_t key[STORE_EID_KEY];
	const struct eid e = E("10.2.0.0/16");

	store_eid_key(&e, key);
	store(n, "10.2.0.0/16", 10, "203.0.113.7");
	s = n->x.store;
	assert_non_null(store_get(s, STORE_MAPCACHE, key, sizeof(key), &len));
	map_cache_remove(&n->x, &e);
	assert_null(store_get(s, STORE_MAPCACHE, key, sizeof(key), &len));
	/* Many changes: the ring grows around its end. */
	n->conf.itr.cache_max = 4096;
	for (unsigned i = 0; i < 70; i++)
		store_number(n, i, 10);
	node_run(n, 25);
	for (unsigned i = 70; i < 1000; i++)
		store_number(n, i, 10);
	node_run(n, 2000);
	node_stop(n);
	node_start(n);
	assert_int_equal(map_cache_count(n->x.map_cache), 1000);
}

/* Locators: { address, priority, weight, reachable } */
struct given {
	const char *rloc;
	uint8_t priority, weight;
	bool reachable;
};

static struct map_cache_entry *
store_many(struct node *n, const struct given *list, unsigned count)
{
	struct mapping m = node_mapping("10.2.0.0/16", 10, NULL);
	const struct eid e = E("10.2.0.0/16");

	for (unsigned i = 0; i < count; i++) {
		const struct addr a = A(list[i].rloc);

		m.locators[i] = (struct locator){
			.priority = list[i].priority,
			.weight = list[i].weight,
			.reachable = list[i].reachable,
			.addr = lisp_addr_from_addr(&a),
		};
	}
	m.n_locators = (uint8_t)count;
	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
	return find(n, "10.2.0.0/16");
}

static const char *
picked(struct node *n, const struct map_cache_entry *e, uint32_t hash)
{
	static char buf[ADDR_STR_MAX];
	const struct cache_locator *l = map_cache_pick(&n->x, e, hash);

	return l ? addr_str(&l->rloc, buf) : "none";
}

static void
test_pick_rules(void **state)
{
	static const struct given list[] = {
		{ "203.0.113.1", 255, 100, true }, /* never */
		{ "203.0.113.2", 1, 100, false },  /* not reachable */
		{ "192.0.2.1", 1, 100, true },	   /* our own */
		{ "127.0.0.1", 1, 100, true },	   /* no RLOC at all */
		{ "203.0.113.3", 3, 100, true },   /* the best of the rest */
		{ "203.0.113.4", 4, 100, true },
	};
	struct node *n = *state;
	struct map_cache_entry *e = store_many(n, list, 6);

	for (uint32_t h = 0; h < 100; h++)
		assert_string_equal(picked(n, e, h), "203.0.113.3");
	e = store_many(n, list, 4);
	assert_string_equal(picked(n, e, 1), "none");
}

static void
test_pick_family(void **state)
{
	static const struct given list[] = {
		{ "203.0.113.1", 1, 100, true },
		{ "2001:db8:7::7", 2, 100, true },
	};
	struct node *n = *state;
	struct map_cache_entry *e = store_many(n, list, 2);

	assert_string_equal(picked(n, e, 1), "203.0.113.1");
	/* An xTR without IPv4 takes the IPv6 one, worse or not. */
	n->conf.site.rlocs = (struct conf_list){ &n->rlocs[1], 1 };
	assert_string_equal(picked(n, e, 1), "2001:db8:7::7");
}

static void
shares(struct node *n, const struct map_cache_entry *e, unsigned out[4])
{
	memset(out, 0, 4 * sizeof(out[0]));
	for (uint32_t h = 0; h < 40000; h++) {
		const struct cache_locator *l =
		    map_cache_pick(&n->x, e, h * 2654435761u);

		out[l->rloc.bytes[3] & 3]++;
	}
}

static void
test_pick_weights(void **state)
{
	static const struct given weighted[] = {
		{ "203.0.113.0", 1, 30, true },
		{ "203.0.113.1", 1, 20, true },
		{ "203.0.113.2", 1, 20, true },
		{ "203.0.113.3", 1, 10, true },
	};
	static const struct given none[] = {
		{ "203.0.113.0", 1, 0, true },
		{ "203.0.113.1", 1, 0, true },
	};
	static const struct given one[] = {
		{ "203.0.113.0", 1, 0, true },
		{ "203.0.113.1", 1, 7, true },
	};
	struct node *n = *state;
	unsigned s[4];

	/* RFC 9301 5.4: 30, 20, 20, 10 are 37.5, 25, 25, 12.5 %. */
	shares(n, store_many(n, weighted, 4), s);
	assert_in_range(s[0], 14500, 15500);
	assert_in_range(s[1], 9600, 10400);
	assert_in_range(s[2], 9600, 10400);
	assert_in_range(s[3], 4700, 5300);
	/* All 0: even; 0 beside others: nothing. */
	shares(n, store_many(n, none, 2), s);
	assert_in_range(s[0], 19500, 20500);
	shares(n, store_many(n, one, 2), s);
	assert_int_equal(s[0], 0);
}

/* A lost locator moves only its own flows. */
static void
test_pick_stability(void **state)
{
	struct given list[] = {
		{ "203.0.113.0", 1, 30, true },
		{ "203.0.113.1", 1, 20, true },
		{ "203.0.113.2", 1, 50, true },
	};
	struct node *n = *state;
	static uint8_t before[1000];
	struct map_cache_entry *e = store_many(n, list, 3);

	for (uint32_t h = 0; h < 1000; h++)
		before[h] = map_cache_pick(&n->x, e, h)->rloc.bytes[3];
	list[2].reachable = false;
	e = store_many(n, list, 3);
	for (uint32_t h = 0; h < 1000; h++)
		if (before[h] != 2)
			assert_int_equal(
			    map_cache_pick(&n->x, e, h)->rloc.bytes[3],
			    before[h]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_longest_match),
		TEST(test_ttl),
		TEST(test_ttl_zero_removes),
		TEST(test_ttl_clamped),
		TEST(test_less_specific_takes_earliest_expiry),
		TEST(test_replace),
		TEST(test_negative),
		TEST(test_lcafs_not_acted_on),
		TEST(test_lcaf_with_an_address),
		TEST(test_lcafs_are_shown),
		TEST(test_lcafs_are_bounded),
		TEST(test_remove_under),
		TEST(test_bound),
		TEST(test_refresh),
		TEST(test_survives_restart),
		TEST(test_all_expire_at_once),
		TEST(test_remove_many_under),
		TEST(test_smaller_bound),
		TEST(test_refresh_of_many),
		TEST(test_origin),
		TEST(test_walk_about),
		TEST(test_snapshot_is_soon),
		TEST(test_pick_rules),
		TEST(test_pick_family),
		TEST(test_pick_weights),
		TEST(test_pick_stability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
