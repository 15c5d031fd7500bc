/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf.c - xtrd's configuration: the cases of tests/conf/xtrd, the shipped
 * examples, and what a dump does not show (keys, derived ids, pointers).
 */
#include "xtr/conf.h"

#include "common/lisp.h"
#include "tests/conf/cases.h"

static bool
cases_load(const char *path, FILE *out, FILE *errors)
{
	struct xtr_conf *c = xtr_conf_load(path, errors);

	if (c)
		xtr_conf_print(out, c);
	xtr_conf_free(c);
	return c;
}

/* Loads tests/conf/xtrd/NAME with its keys. */
static struct xtr_conf *
load(const char *name)
{
	char folder[] = "/tmp/conf-case-XXXXXX", yaml[300], path[300];
	struct cases_text text;
	struct xtr_conf *c;

	snprintf(yaml, sizeof(yaml), "tests/conf/xtrd/%s", name);
	text = cases_read(yaml);
	cases_place(&text, folder, path, sizeof(path), name);
	c = xtr_conf_load(path, stderr);
	assert_non_null(c);
	nftw(folder, cases_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(text.text);
	return c;
}

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static void
keys(void **state)
{
	struct xtr_conf *c = load("keys.yaml");
	const struct conf_mapping_system *m =
	    conf_at(c->mapping_systems, struct conf_mapping_system, 0);
	const struct auth_key *k;

	(void)state;
	k = &conf_at(m->map_servers, struct conf_map_server_peer, 0)
		 ->keys.first.key;
	assert_int_equal(k->key_id, 1);
	assert_int_equal(k->algorithm, AUTH_SHA256_128);
	assert_int_equal(k->accept, 1 << AUTH_SHA256_128);
	assert_int_equal(k->send_len, 0);
	assert_false(k->replay_off);
	assert_int_equal(k->secret_len, strlen("secret of default"));
	assert_memory_equal(k->secret, "secret of default", k->secret_len);

	k = &conf_at(m->map_servers, struct conf_map_server_peer, 1)
		 ->keys.first.key;
	assert_int_equal(k->key_id, 255);
	assert_int_equal(k->algorithm, AUTH_SHA1_96);
	assert_int_equal(k->accept, 1 << AUTH_SHA1_96);
	assert_true(k->replay_off);

	k = &conf_at(m->map_servers, struct conf_map_server_peer, 2)
		 ->keys.first.key;
	assert_int_equal(k->send_len, 32);

	k = &conf_at(c->mobility.hypervisors, struct conf_hypervisor, 0)
		 ->key.key;
	assert_int_equal(k->algorithm, AUTH_SHA256_128_HKDF);
	assert_int_equal(k->accept, 1 << AUTH_SHA256_128_HKDF);
	assert_false(k->replay_off);
	k = &conf_at(c->mobility.sites, struct conf_other_site, 0)->key.key;
	assert_int_equal(k->algorithm, AUTH_SHA256_128);
	assert_false(k->replay_off);
	xtr_conf_free(c);
}

/* Names become pointers; prefixes get their instance. */
static void
resolved(void **state)
{
	struct xtr_conf *c = load("instances.yaml");
	const struct conf_mapping_system *one =
	    conf_at(c->mapping_systems, struct conf_mapping_system, 0);
	const struct conf_mapping_system *two = one + 1;
	const struct conf_mobile_prefix *p =
	    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, 0);
	const struct conf_hypervisor *h =
	    conf_at(c->mobility.hypervisors, struct conf_hypervisor, 0);

	(void)state;
	assert_ptr_equal(
	    conf_at(c->eids, struct conf_eid, 0)->systems.list[0], one);
	assert_ptr_equal(
	    conf_at(c->eids, struct conf_eid, 1)->systems.list[0], two);
	assert_int_equal(conf_at(c->eids, struct conf_eid, 1)->prefix.iid, 7);
	assert_int_equal(p[0].prefix.iid, 0);
	assert_ptr_equal(p[0].systems.list[0], one);
	assert_int_equal(p[1].prefix.iid, 7);
	assert_ptr_equal(p[1].systems.list[0], two);
	assert_ptr_equal(
	    p[2].systems.list[0], two); /* by its own mapping-system */
	assert_int_equal(conf_at(h[1].prefixes, struct eid, 0)->iid, 7);
	assert_int_equal(
	    conf_at(
		conf_at(c->mobility.sites, struct conf_other_site, 0)->prefixes,
		struct eid, 0)
		->iid,
	    7);
	xtr_conf_free(c);
}

static void
mobile_find(void **state)
{
	struct xtr_conf *c = load("instances.yaml");
	const struct conf_mobile_prefix *p =
	    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, 0);
	struct addr a = address("10.1.1.7"), deep = address("10.1.1.129");
	struct addr out = address("10.1.2.1");
	struct eid e = eid_host(0, &a), d = eid_host(7, &deep);
	struct eid other = eid_host(3, &a), none = eid_host(0, &out);

	(void)state;
	assert_ptr_equal(conf_mobile_find(c, &e), &p[0]);
	assert_ptr_equal(conf_mobile_find(c, &d), &p[3]); /* the longer one */
	assert_null(conf_mobile_find(c, &other));
	assert_null(conf_mobile_find(c, &none));
	xtr_conf_free(c);
}

/* Written down in xtrd.conf(5): every implementation must derive the same. */
static void
derived_ids(void **state)
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	struct addr a4 = address("192.0.2.1"), a6 = address("2001:db8::1");
	struct xtr_conf *c = load("two-families.yaml");
	uint8_t id[16];

	(void)state;
	xtr_id_derive(&a4, id);
	assert_memory_equal(id, v4, 16);
	xtr_id_derive(&a6, id);
	assert_memory_equal(id, a6.bytes, 16);
	/* The lowest RLOC, IPv4 before IPv6, wherever it stands. */
	assert_memory_equal(c->site.xtr_id, v4, 16);
	assert_false(c->site.has_xtr_id);
	xtr_id_derive(&(struct addr){ AFI_IPV4, { 192, 0, 2, 2 } }, id);
	assert_memory_equal(
	    conf_at(conf_at(c->mobility.sites, struct conf_other_site, 0)->xtrs,
		struct conf_site_xtr, 0)
		->xtr_id,
	    id, 16);
	xtr_conf_free(c);
}

/* An empty file is a configuration: nothing but defaults. */
static void
defaults(void **state)
{
	struct xtr_conf *c = load("empty.yaml");

	(void)state;
	assert_string_equal(c->site.name, "");
	assert_int_equal(c->mobility.mode, CONF_CPM_PRIORITY);
	assert_int_equal(c->mobility.ttl_min, DYNAMIC_TTL_MIN);
	assert_int_equal(c->mobility.away_time_s, 900);
	assert_int_equal(c->dataplane.kind, CONF_DP_TUN);
	assert_false(c->map_server.enabled);
	assert_false(c->map_resolver.enabled);
	assert_int_equal(c->map_server.locators_max, 32);
	assert_int_equal(c->listen.n, 2);
	assert_null(c->control.group);
	xtr_conf_free(c);
	xtr_conf_free(NULL);
}

static void
addresses_of_vms(void **state)
{
	static const struct {
		const char *eid;
		bool vm;
	} cases[] = {
		{ "10.1.1.10", true },
		{ "10.1.1.254", true },
		{ "10.1.1.1", false }, /* the gateway */
		{ "10.1.1.0", false },
		{ "10.1.1.255", false },
		{ "10.1.1.0/25", false },
	};
	struct conf_mobile_prefix p = { 0 };
	struct eid eid;

	(void)state;
	assert_int_equal(eid_parse("10.1.1.0/24", &p.prefix), ERR_OK);
	assert_int_equal(addr_parse("10.1.1.1", &p.gateway), ERR_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(eid_parse(cases[i].eid, &eid), ERR_OK);
		assert_int_equal(conf_mobile_is_vm(&p, &eid), cases[i].vm);
	}
	/* A /31 has neither; IPv6 has no broadcast. */
	assert_int_equal(eid_parse("10.1.1.2/31", &p.prefix), ERR_OK);
	assert_int_equal(eid_parse("10.1.1.3", &eid), ERR_OK);
	assert_true(conf_mobile_is_vm(&p, &eid));
	assert_int_equal(eid_parse("fd00::/64", &p.prefix), ERR_OK);
	assert_int_equal(eid_parse("fd00::ffff:ffff:ffff:ffff", &eid), ERR_OK);
	assert_true(conf_mobile_is_vm(&p, &eid));
}

int
main(void)
{
	static const struct CMUnitTest more[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(resolved),
		cmocka_unit_test(mobile_find),
		cmocka_unit_test(derived_ids),
		cmocka_unit_test(defaults),
		cmocka_unit_test(addresses_of_vms),
	};

	return cases_main("xtr/conf", "tests/conf/xtrd/*.yaml",
	    "conf/xtrd-*.yaml", more, sizeof(more) / sizeof(more[0]));
}
