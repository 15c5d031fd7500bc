/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_site.c - who may register what, and which site a Map-Register is from.
 */
#include "ms_parts.h"

static bool
may(struct fixture *f, const char *site, const char *eid)
{
	const struct eid e = E(eid);

	return ms_site_may(
	    f->x.map_server, ms_site_get(f->x.map_server, site), &e);
}

static void
test_may(void **state)
{
	struct fixture *f = *state;

	assert_true(may(f, "a", "10.1.0.0/16"));
	assert_true(may(f, "a", "10.1.2.0/24"));
	assert_true(may(f, "a", "10.1.2.3/32"));
	assert_false(may(f, "a", "10.0.0.0/15")); /* wider */
	assert_false(may(f, "a", "10.2.0.0/16")); /* another site's */
	assert_false(may(f, "a", "[7]10.1.2.0/24"));
	assert_true(may(f, "a", "2001:db8:1::/48"));
	assert_true(may(f, "b", "10.2.0.0/16")); /* only as it is */
	assert_false(may(f, "b", "10.2.3.0/24"));
	assert_true(may(f, "b", "10.7.1.5/32")); /* two may */
	assert_true(may(f, "a", "10.7.1.5/32"));
	assert_true(may(f, "c", "10.7.0.0/16"));
	assert_false(may(f, "c", "10.7.1.0/24"));
	assert_false(may(f, "nobody", "10.1.0.0/16"));
}

/* The longest prefix of the site's own decides, not that of others. */
static void
test_longest_own(void **state)
{
	struct fixture *f = *state;

	fixture_conf(f,
	    "map-server:\n"
	    "  sites:\n"
	    "    - { name: a, key-id: 1, key-file: key-a, prefixes: [\n"
	    "        { prefix: 10.0.0.0/8, accept-more-specifics: true },\n"
	    "        { prefix: 10.1.0.0/16 } ] }\n"
	    "    - { name: b, key-id: 2, key-file: key-b, prefixes: [\n"
	    "        { prefix: 10.2.0.0/16, accept-more-specifics: true } ] "
	    "}\n");
	assert_true(may(f, "a", "10.9.0.0/16"));
	assert_true(may(f, "a", "10.1.0.0/16"));
	assert_false(may(f, "a", "10.1.2.0/24"));
	assert_true(may(f, "a", "10.2.3.0/24"));
	assert_true(may(f, "b", "10.2.3.0/24"));
}

static void
test_prefix_match(void **state)
{
	struct fixture *f = *state;
	const struct eid inside = E("10.7.1.5"), wide = E("10.7.2.5"),
			 none = E("10.99.0.1");
	const struct ms_prefix *p = ms_prefix_match(f->x.map_server, &inside);

	assert_int_equal(p->eid.bits, 24);
	assert_true(p->mobile);
	p = ms_prefix_match(f->x.map_server, &wide);
	assert_int_equal(p->eid.bits, 16);
	assert_false(p->mobile);
	assert_null(ms_prefix_match(f->x.map_server, &none));
}

/* A site stays where peers point to, also when it is configured no more. */
static void
test_reload(void **state)
{
	struct fixture *f = *state;
	struct ms_site *a = ms_site_get(f->x.map_server, "a");
	struct ms_site *b = ms_site_get(f->x.map_server, "b");
	const uint32_t number = b->number;

	assert_non_null(a->conf);
	fixture_conf(f,
	    "map-server:\n  sites:\n"
	    "    - { name: new, key-id: 1, key-file: key-a, prefixes: [\n"
	    "        { prefix: 10.1.0.0/16 } ] }\n"
	    "    - { name: b, key-id: 2, key-file: key-b, prefixes: [\n"
	    "        { prefix: 10.8.0.0/16 } ] }\n");
	assert_ptr_equal(ms_site_get(f->x.map_server, "a"), a);
	assert_null(a->conf);
	assert_false(may(f, "a", "10.1.0.0/16"));
	assert_true(may(f, "new", "10.1.0.0/16"));
	assert_ptr_equal(ms_site_get(f->x.map_server, "b"), b);
	assert_int_equal(b->number, number);
	assert_true(may(f, "b", "10.8.0.0/16"));
	assert_false(may(f, "b", "10.2.0.0/16"));
	assert_int_not_equal(
	    ms_site_get(f->x.map_server, "new")->number, number);
}

/* What ms_site_verify() says of a Map-Register. */
static enum err
verify(struct fixture *f, const struct reg *g, const char **site)
{
	static uint8_t bytes[8192];
	const size_t len = reg_encode(f, g, bytes, sizeof(bytes));
	const struct datagram dg = { .bytes = bytes,
		.len = len,
		.from = A(g->from ? g->from : "192.0.2.1") };
	const struct auth_key *key = NULL;
	struct ms_site *s = NULL;
	struct map_register m;
	enum err err;

	assert_int_equal(map_register_decode(bytes, len, &m), ERR_OK);
	err = ms_site_verify(f->x.map_server, &dg, &m, &s, &key);
	if (!err)
		assert_int_equal(key->key_id, m.auth.key_id);
	*site = s ? s->name : NULL;
	return err;
}

#define VERIFY(...) verify(f, &(const struct reg){ __VA_ARGS__ }, &site)

static void
test_verify(void **state)
{
	struct fixture *f = *state;
	const char *site;

	assert_int_equal(
	    VERIFY(.records = { { .eid = "10.1.0.0/16" } }), ERR_OK);
	assert_string_equal(site, "a");
	assert_int_equal(VERIFY(.key = "secret of b", .key_id = 2,
			     .records = { { .eid = "10.7.1.5/32" } }),
	    ERR_OK);
	assert_string_equal(site, "b");
	/* one record in the middle names it */
	assert_int_equal(VERIFY(.records = { { .eid = "10.99.0.0/16" },
				    { .eid = "10.1.0.0/16" } }),
	    ERR_OK);
	assert_string_equal(site, "a");
	assert_int_equal(
	    VERIFY(.key = "wrong", .records = { { .eid = "10.1.0.0/16" } }),
	    ERR_AUTH);
	assert_null(site);
	assert_int_equal(
	    VERIFY(.key_id = 9, .records = { { .eid = "10.1.0.0/16" } }),
	    ERR_KEY_UNKNOWN);
	assert_int_equal(
	    VERIFY(.records = { { .eid = "10.99.0.0/16" } }), ERR_KEY_UNKNOWN);
	assert_int_equal(VERIFY(.algorithm = AUTH_SHA1_96,
			     .records = { { .eid = "10.1.0.0/16" } }),
	    ERR_ALGORITHM);
	assert_int_equal(VERIFY(.key = "secret of c", .key_id = 3,
			     .records = { { .eid = "10.3.0.0/16" } }),
	    ERR_SOURCE);
	assert_int_equal(
	    VERIFY(.key = "secret of c", .key_id = 3, .from = "192.0.2.3",
		.records = { { .eid = "10.3.0.0/16" } }),
	    ERR_OK);
	assert_string_equal(site, "c");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_may),
		T(test_longest_own),
		T(test_prefix_match),
		T(test_reload),
		T(test_verify),
	};

	return cmocka_run_group_tests_name("xtr/ms_site", tests, NULL, NULL);
}
