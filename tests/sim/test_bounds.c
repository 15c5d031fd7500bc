/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bounds.c - what ends: tables that are full, memories that are over, a
 * store that cannot be written.  docs/cpm.md 4.1, 9.
 */
#include "steps.h"

#include <signal.h>
#include <sys/resource.h>

#include "xtr/requesters.h"
#include "xtr/store.h"

static bool
count_one(void *arg, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	(void)key;
	(void)key_len;
	(void)value;
	(void)value_len;
	++*(unsigned *)arg;
	return true;
}

static unsigned
stored(struct sim *s, enum sim_name n, enum store_db db)
{
	unsigned count = 0;

	store_walk(sim_xtr(s, n)->store, db, NULL, 0, count_one, &count);
	return count;
}

static uint64_t
tell_of(struct sim *s, const char *eid, uint8_t reason, uint64_t g)
{
	return sim_cpm(s,
	    &(struct sim_cpm){
		.site = DC1, .reason = reason, .generation = g, .eid = eid });
}

/* A day after the VM has ended nothing of it is left. */
static void
test_memory_over(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	assert_int_equal(stored(s, DC1, STORE_REQUESTER), 1);
	say(s, DC1, CPM_ABSENT, g);
	sim_run(s, 23 * 3600 * 1000);
	assert_string_equal(sim_state(s, DC1), "absent");
	assert_int_equal(entry(s, DC1)->generation, g);
	sim_run(s, 2 * 3600 * 1000);
	assert_string_equal(sim_state(s, DC1), "none");
	assert_int_equal(stored(s, DC1, STORE_EID), 0);
	assert_int_equal(stored(s, DC1, STORE_REQUESTER), 0);
	sim_free(s);
}

/* Where there is no more room, what is only remembered goes; from the store,
 * too. */
static void
test_table_full(void **unused)
{
	struct sim *s =
	    sim_new_with(&(struct sim_options){ .extra = "  eids-max: 1\n" });
	const uint64_t g = settle(s);
	uint64_t nonce;

	(void)unused;
	nonce = tell_of(s, "10.1.1.20", CPM_PRESENT, g);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_INTERNAL);
	assert_string_equal(sim_state_of(s, DC1, "10.1.1.20"), "none");
	/* Status 8 does not use up the nonce: the same octets, once more. */
	say(s, DC1, CPM_ABSENT, g);
	sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.reason = CPM_PRESENT,
		.generation = g,
		.eid = "10.1.1.20",
		.nonce = nonce });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	assert_string_equal(sim_state_of(s, DC1, "10.1.1.20"), "local");
	assert_string_equal(sim_state(s, DC1), "none");
	assert_int_equal(stored(s, DC1, STORE_EID), 1);
	sim_free(s);
}

/* A host cannot announce more arrivals than 4096. */
static void
test_marks_full(void **unused)
{
	struct sim *s = sim_new();
	struct eid eids[CPM_EIDS_MAX];
	struct sim_cpm c = { .site = DC1,
		.reason = CPM_ARRIVING,
		.eids = eids,
		.n_eids = CPM_EIDS_MAX };
	uint64_t nonce = 0;

	(void)unused;
	for (unsigned i = 0; i < CPM_EIDS_MAX; i++)
		eids[i] = sim_eid("2001:db8:1::");
	for (unsigned i = 0; i < 513; i++) {
		for (unsigned j = 0; j < CPM_EIDS_MAX; j++) {
			eids[j].addr.bytes[14] = (uint8_t)(i >> 5);
			eids[j].addr.bytes[15] = (uint8_t)(i << 3 | j);
		}
		assert_int_equal(sim_status(s, nonce), i ? CPM_ACK_DONE : -1);
		nonce = sim_cpm(s, &c);
	}
	assert_int_equal(sim_status(s, nonce), CPM_ACK_INTERNAL);
	/* One is called off: there is room for one. */
	c.n_eids = 1;
	eids[0].addr.bytes[14] = eids[0].addr.bytes[15] = 0;
	c.reason = CPM_ABORTED;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	eids[0].addr.bytes[13] = 1;
	c.reason = CPM_ARRIVING;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	eids[0].addr.bytes[13] = 2;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_INTERNAL);
	sim_free(s);
}

/* Writing to files fails, as on a full disk. */
static void
disk_full(bool full)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = full ? 0 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What cannot be stored is not acked; what could not be is stored later. */
static void
test_disk_full(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);
	struct sim_cpm first = {
		.site = DC1, .reason = CPM_DEPARTING, .generation = g
	};
	struct sim_cpm second = { .site = DC1,
		.reason = CPM_PRESENT,
		.generation = g,
		.eid = "10.1.1.11" };

	(void)unused;
	disk_full(true);
	first.nonce = sim_cpm(s, &first);
	assert_int_equal(sim_status(s, first.nonce), -1);
	sim_cpm(s, &first);
	assert_int_equal(sim_status(s, first.nonce), CPM_ACK_INTERNAL);
	second.nonce = sim_cpm(s, &second);
	sim_run(s, 5000);
	sim_cpm(s, &second);
	assert_int_equal(sim_status(s, second.nonce), CPM_ACK_INTERNAL);
	assert_string_equal(sim_state_of(s, DC1, second.eid), "none");
	disk_full(false);
	/* Nobody else writes anything. */
	sim_run(s, 2000);
	sim_cpm(s, &first);
	assert_int_equal(sim_status(s, first.nonce), CPM_ACK_NOTHING);
	sim_cpm(s, &second);
	assert_int_equal(sim_status(s, second.nonce), CPM_ACK_DONE);
	sim_kill(s, DC1);
	sim_start(s, DC1);
	assert_string_equal(sim_state(s, DC1), "departing");
	assert_string_equal(sim_state_of(s, DC1, second.eid), "local");
	sim_free(s);
}

/*
 * An ITR that only asked, which anybody can say of it, gets one SMR in 3 s
 * whatever moves; none is lost.
 */
static void
test_strangers(void **unused)
{
	struct sim *s = sim_new();
	const struct addr rloc = sim_addr(sim_rloc(CLIENT));
	const uint64_t *received = &sim_xtr(s, CLIENT)->counters.smr_received;
	const uint64_t g = generation(s);
	char eid[] = "10.1.1.10";

	(void)unused;
	for (unsigned i = 0; i < 3; i++, eid[8]++) {
		const struct eid e = sim_eid(eid);

		requesters_note(sim_xtr(s, DC1), &e, &rloc, NULL, false);
		tell_of(s, eid, CPM_PRESENT, g);
	}
	sim_run(s, 1500);
	assert_int_equal(*received, 1);
	sim_run(s, 3000);
	assert_int_equal(*received, 2);
	sim_run(s, 6000);
	assert_int_equal(*received, 3);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_over),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_marks_full),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
