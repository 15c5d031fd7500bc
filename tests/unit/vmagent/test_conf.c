/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf.c - vmagent's configuration: the cases of tests/conf/vmagent, the
 * shipped example, and what a dump does not show.
 */
#include "vmagent/conf.h"

#include "tests/conf/cases.h"

static bool
cases_load(const char *path, FILE *out, FILE *errors)
{
	struct agent_conf *c = agent_conf_load(path, errors);

	if (c)
		agent_conf_print(out, c);
	agent_conf_free(c);
	return c;
}

static void
all_keys(void **state)
{
	char folder[] = "/tmp/conf-case-XXXXXX", path[300];
	struct cases_text text = cases_read("tests/conf/vmagent/all-keys.yaml");
	const struct conf_agent_xtr *x;
	struct agent_conf *c;

	(void)state;
	cases_place(&text, folder, path, sizeof(path), "all-keys.yaml");
	c = agent_conf_load(path, stderr);
	assert_non_null(c);
	assert_int_equal(c->xtrs.n, 2);
	x = c->xtrs.items;
	assert_true(x[0].has_xtr_id);
	assert_int_equal(x[0].key.key_id, 11);
	assert_int_equal(x[0].key.algorithm, AUTH_SHA256_128_HKDF);
	assert_int_equal(x[0].key.accept, 1 << AUTH_SHA256_128_HKDF);
	assert_int_equal(x[0].key.secret_len, strlen("secret of one"));
	assert_memory_equal(
	    x[0].key.secret, "secret of one", x[0].key.secret_len);
	assert_false(x[1].has_xtr_id); /* "any" */
	assert_true(c->has_host_id);
	assert_int_equal(c->peers.source, CONF_PEERS_PACKET);
	assert_int_equal(c->resync_s, 120);
	assert_int_equal(c->job_poll_ms, 250);
	agent_conf_free(c);
	agent_conf_free(NULL);
	nftw(folder, cases_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(text.text);
}

int
main(void)
{
	static const struct CMUnitTest more[] = {
		cmocka_unit_test(all_keys),
	};

	return cases_main("vmagent/conf", "tests/conf/vmagent/*.yaml",
	    "conf/vmagent*.yaml", more, sizeof(more) / sizeof(more[0]));
}
