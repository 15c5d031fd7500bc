/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reload.c - a new configuration file in a running xTR: refused whole, with
 * the reason, or followed by all tables.  What it does to a handover is in
 * tests/sim/test_reload.c.
 */
#include "xtr/reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "xtr/dp.h"
#include "xtr/eids.h"
#include "xtr/mobility_entry.h"

struct fixture {
	char folder[64], file[96], error[512];
	struct clock clock;
	struct xtr x;
	struct dp dp;
	struct dp_ops ops;
};

static unsigned n_reloaded;
static enum err dp_err;

static enum err
on_dp_reload(struct dp *dp)
{
	(void)dp;
	n_reloaded++;
	return dp_err;
}

/* The parts of a file that tests change. */
struct text {
	const char *eid, *mobile, *state, *socket, *xtr_id, *table, *more;
};

static void
write_conf(struct fixture *f, const struct text *t)
{
	FILE *file = fopen(f->file, "w");

#define OR(member, dflt) (t->member ? t->member : (dflt))
	assert_non_null(file);
	fprintf(file,
	    "site: { name: dc1, rlocs: [ { address: 192.0.2.1 } ],\n"
	    "  xtr-id: %s }\n"
	    "mapping-systems: [ { name: corp, map-servers: [\n"
	    "  { address: 198.51.100.10, key-id: 1, key-file: key } ] } ]\n"
	    "eids: [ { prefix: %s } ]\n"
	    "mobility: { prefixes: [ { prefix: %s,\n"
	    "  mapping-system: corp } ] }\n"
	    "dataplane: { kind: none, table: %s }\n"
	    "state: { directory: %s, size: 16M }\n"
	    "control: { socket: %s }\n%s",
	    OR(xtr_id, "00000000-0000-0000-0000-0000000000aa"),
	    OR(eid, "10.1.0.0/16"), OR(mobile, "10.1.1.0/24"),
	    OR(table, "4341"), OR(state, "state"), OR(socket, "sock"),
	    OR(more, ""));
	fclose(file);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[96];
	FILE *key;

	log_level_set(LOG_LEVEL_ERROR);
	strcpy(f->folder, "/tmp/reload-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", f->folder);
	key = fopen(path, "w");
	fputs("secret\n", key);
	fclose(key);
	chmod(path, 0600);
	snprintf(f->file, sizeof(f->file), "%s/xtrd.yaml", f->folder);
	write_conf(f, &(struct text){ 0 });
	clock_fake(&f->clock, INT64_C(1800000000000000));
	f->x.clock = &f->clock;
	f->x.loop = loop_new(&f->clock);
	f->x.conf = xtr_conf_load(f->file, stderr);
	assert_non_null(f->x.conf);
	assert_int_equal(xtr_open(&f->x), ERR_OK);
	f->ops = (struct dp_ops){ .name = "test", .reload = on_dp_reload };
	assert_int_equal(dp_init(&f->dp, &f->ops), ERR_OK);
	f->x.dp = &f->dp;
	n_reloaded = 0;
	dp_err = ERR_OK;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	xtr_close(&f->x);
	dp_fini(&f->dp);
	loop_free(f->x.loop);
	xtr_conf_free((struct xtr_conf *)(uintptr_t)f->x.conf);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static enum err
reload(struct fixture *f)
{
	memset(f->error, 0x55, sizeof(f->error));
	return xtr_reload(&f->x, f->file, f->error, sizeof(f->error));
}

static struct eid_entry *
find(struct fixture *f, const char *eid)
{
	struct eid e;

	assert_int_equal(eid_parse(eid, &e), ERR_OK);
	return eids_find(f->x.eids, &e);
}

static void
test_followed(void **state)
{
	struct fixture *f = *state;
	const struct xtr_conf *old = f->x.conf;

	write_conf(
	    f, &(struct text){ .eid = "10.2.0.0/16", .mobile = "10.2.1.0/24" });
	assert_int_equal(reload(f), ERR_OK);
	assert_string_equal(f->error, "");
	assert_ptr_not_equal(f->x.conf, old);
	assert_non_null(find(f, "10.2.0.0/16"));
	assert_null(find(f, "10.1.0.0/16"));
	assert_int_equal(n_reloaded, 1);
}

/* The same file again changes nothing that can be seen. */
static void
test_same(void **state)
{
	struct fixture *f = *state;
	struct eid_entry *e = find(f, "10.1.0.0/16");

	assert_int_equal(reload(f), ERR_OK);
	assert_int_equal(reload(f), ERR_OK);
	assert_ptr_equal(find(f, "10.1.0.0/16"), e);
}

static void
refused(struct fixture *f, const struct text *t, const char *why)
{
	const struct xtr_conf *old = f->x.conf;

	write_conf(f, t);
	assert_int_equal(reload(f), ERR_POLICY);
	if (!strstr(f->error, why))
		fail_msg("%s", f->error);
	assert_non_null(strstr(f->error, f->file));
	assert_ptr_equal(f->x.conf, old);
	assert_non_null(find(f, "10.1.0.0/16"));
	assert_int_equal(n_reloaded, 0);
}

#define REFUSED(why, ...) \
	refused(f, \
	    &(struct text){ \
		.eid = "10.2.0.0/16", .mobile = "10.2.1.0/24", __VA_ARGS__ }, \
	    why)

/* What only a restart can change; then nothing else changes, either. */
static void
test_needs_restart(void **state)
{
	struct fixture *f = *state;

	REFUSED("state.directory needs a restart", .state = "other");
	REFUSED("control.socket needs a restart", .socket = "other");
	REFUSED(
	    "site.xtr-id", .xtr_id = "00000000-0000-0000-0000-0000000000bb");
	REFUSED("dataplane needs a restart", .table = "4342");
	REFUSED("listen needs a restart", .more = "listen: [ 192.0.2.1 ]\n");
	REFUSED("roles needs a restart",
	    .more = "map-resolver: { forward-to: [ 198.51.100.10 ] }\n");
}

/* A file with errors: all of them, as at the start. */
static void
test_bad_file(void **state)
{
	struct fixture *f = *state;

	REFUSED(":12:1: unknown key 'frob'\n", .more = "\nfrob: 1\nfrib: 2\n");
	assert_non_null(strstr(f->error, ":13:1: unknown key 'frib'\n"));
	unlink(f->file);
	assert_int_equal(reload(f), ERR_POLICY);
	assert_non_null(strstr(f->error, "No such file"));
}

/* However much there is to say, it fits into what the caller has. */
static void
test_short_buffer(void **state)
{
	struct fixture *f = *state;
	char error[32];

	write_conf(f, &(struct text){ .more = "frob: 1\nfrib: 2\nfrub: 3\n" });
	memset(error, 0x55, sizeof(error));
	assert_int_equal(
	    xtr_reload(&f->x, f->file, error, sizeof(error) - 1), ERR_POLICY);
	assert_true(memchr(error, '\0', sizeof(error) - 1) != NULL);
	assert_int_equal(error[sizeof(error) - 1], 0x55);
}

/* An EID in use must keep a place; one only remembered need not. */
static void
test_homeless(void **state)
{
	struct fixture *f = *state;
	const struct conf_mobile_prefix *p =
	    conf_at(f->x.conf->mobility.prefixes, struct conf_mobile_prefix, 0);
	struct eid_entry *e;
	struct eid eid;

	assert_int_equal(eid_parse("10.1.1.10", &eid), ERR_OK);
	assert_int_equal(mobility_entry(&f->x, &eid, p, &e), ERR_OK);
	for (unsigned s = EID_ARRIVING; s < EID_STATES; s++) {
		eids_set_state(f->x.eids, e, (enum eid_state)s);
		REFUSED("1 EIDs in use are in none of them, 10.1.1.10/32");
	}
	eids_set_state(f->x.eids, e, EID_ABSENT);
	assert_int_equal(reload(f), ERR_OK);
	assert_ptr_equal(find(f, "10.1.1.10"), e);
	assert_null(e->mobile);
}

static void
test_reinstall(void **state)
{
	struct fixture *f = *state;

	xtr_reinstall(&f->x);
	assert_int_equal(n_reloaded, 1);
	assert_int_equal(reload(f), ERR_OK);
	assert_int_equal(n_reloaded, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_followed),
		TEST(test_same),
		TEST(test_needs_restart),
		TEST(test_bad_file),
		TEST(test_short_buffer),
		TEST(test_homeless),
		TEST(test_reinstall),
	};

	return cmocka_run_group_tests_name("xtr/reload", tests, NULL, NULL);
}
