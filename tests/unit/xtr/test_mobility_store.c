/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mobility_store.c - dynamic EIDs over a restart: all that is promised of
 * them comes back, times go on as if nothing had been (docs/cpm.md 6.12).
 */
#include "registering.h"
#include "xtr/store.h"

static void
commit(struct node *n)
{
	input_turn_end(&n->x);
	loop_poll(n->x.loop);
}

/* The process ends, 'away_ms' pass, another one begins. */
static void
restart(struct node *n, int64_t away_ms)
{
	commit(n);
	node_stop(n);
	clock_advance(&n->clock, away_ms * 1000);
	node_start(n);
	mobility_start(&n->x);
}

static struct eid_entry *
find(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return eids_find(n->x.eids, &e);
}

static struct eid_entry *
known(struct node *n, enum eid_state state)
{
	struct eid_entry *e = dynamic(n, VM, state);

	e->generation = 100;
	e->seen = 105;
	memset(e->owner, 0x11, 16);
	memset(e->vm_id, 0x22, 16);
	e->mac = A("02:00:00:00:00:01");
	e->changed_ms = (int64_t)clock_wall_ms(&n->clock) - 50;
	return e;
}

static void
test_fields(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_LOCAL);

	mobile_of(e)->committed_ms = 77;
	mobile_of(e)->unfinished = true;
	mobility_save(&n->x, e);
	restart(n, 10);
	e = find(n, VM);
	assert_non_null(e);
	assert_int_equal(e->state, EID_LOCAL);
	assert_false(e->is_static);
	assert_int_equal(e->generation, 100);
	assert_int_equal(e->seen, 105);
	assert_int_equal(e->owner[15], 0x11);
	assert_int_equal(e->vm_id[15], 0x22);
	assert_int_equal(e->mac.bytes[5], 1);
	assert_false(e->incoming || e->gone || e->incoming_told);
	assert_int_equal(e->n_away, 0);
	assert_ptr_equal(e->mobile, &n->mobile[0]);
	assert_int_equal(mobile_of(e)->committed_ms, 77);
}

/* What is left of an away-time goes on; it may be over already. */
static void
test_away(void **state)
{
	struct node *n = *state;

	for (int over = 0; over < 2; over++) {
		struct eid_entry *e = known(n, EID_AWAY);

		e->n_away = 2;
		e->away[0] = A("203.0.113.2");
		e->away[1] = A("2001:db8:2::2");
		e->away_site[0] = 0xcc;
		e->away_until_ms = (int64_t)clock_wall_ms(&n->clock) + 5000;
		mobility_save(&n->x, e);
		restart(n, over ? 6000 : 2000);
		e = find(n, VM);
		assert_int_equal(e->state, EID_AWAY);
		assert_int_equal(e->n_away, 2);
		assert_int_equal(e->away[1].bytes[15], 2);
		assert_int_equal(e->away_site[0], 0xcc);
		node_run(n, over ? 0 : 2999);
		assert_int_equal(e->state, over ? EID_ABSENT : EID_AWAY);
		node_run(n, 1);
		assert_int_equal(find(n, VM)->state, EID_ABSENT);
		mobility_forget(&n->x, find(n, VM));
	}
}

/* The incoming mark, what was told of it, and its end. */
static void
test_incoming(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_ABSENT);

	mobility_mark(e, true);
	e->incoming_told = true;
	e->incoming_from[3] = 0x44;
	eids_set_state(n->x.eids, e, EID_ARRIVING);
	mobility_arm(e, TASK_INCOMING, 9000);
	mobility_save(&n->x, e);
	restart(n, 4000);
	e = find(n, VM);
	assert_int_equal(e->state, EID_ARRIVING);
	assert_true(e->incoming);
	assert_int_equal(e->incoming_from[3], 0x44);
	assert_int_equal(n->x.mobility->n_marks, 1);
	node_run(n, 4998);
	assert_true(e->incoming);
	node_run(n, 3);
	assert_false(e->incoming);
	assert_int_equal(e->state, EID_ABSENT);
	assert_int_equal(n->x.mobility->n_marks, 0);
}

/* The memory of an absent one counts from when it went. */
static void
test_memory(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_ABSENT);
	const int64_t day_ms = 86400 * 1000;

	e->changed_ms = (int64_t)clock_wall_ms(&n->clock);
	mobility_save(&n->x, e);
	restart(n, day_ms - 5000);
	assert_non_null(find(n, VM));
	node_run(n, 4999);
	assert_non_null(find(n, VM));
	node_run(n, 1);
	assert_null(find(n, VM));
	restart(n, 0);
	assert_null(find(n, VM)); /* from the store, too */
}

static void
test_forgotten(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_LOCAL);

	mobility_save(&n->x, e);
	mobility_forget(&n->x, e);
	restart(n, 0);
	assert_null(find(n, VM));
}

static void
put(struct node *n, const char *eid, const void *value, size_t len)
{
	const struct eid e = E(eid);
	uint8_t key[STORE_EID_KEY];

	store_eid_key(&e, key);
	assert_int_equal(
	    store_put(n->x.store, STORE_EID, key, sizeof(key), value, len),
	    ERR_OK);
}

/* Values of another version or length, or of no state, are left out. */
static void
test_strange_values(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_LOCAL);
	const struct eid eid = E(VM);
	uint8_t key[STORE_EID_KEY], value[512];
	const void *good;
	size_t len;

	mobility_save(&n->x, e);
	store_eid_key(&eid, key);
	good = store_get(n->x.store, STORE_EID, key, sizeof(key), &len);
	assert_non_null(good);
	assert_true(len < sizeof(value));
	memcpy(value, good, len);
	put(n, "10.1.1.11", value, len - 1);
	put(n, "10.1.1.12", value, len + 1);
	value[0]++;
	put(n, "10.1.1.13", value, len);
	value[0]--;
	value[1] = EID_STATES;
	put(n, "10.1.1.14", value, len);
	value[1] = EID_LOCAL;
	put(n, "10.7.7.7", value, len); /* in no mobile prefix */
	value[3] = AWAY_RLOCS_MAX + 1;
	put(n, "10.1.1.15", value, len);
	assert_int_equal(
	    store_put(n->x.store, STORE_EID, "x", 1, value, len), ERR_OK);
	restart(n, 0);
	assert_non_null(find(n, VM));
	assert_null(find(n, "10.1.1.11"));
	assert_null(find(n, "10.1.1.12"));
	assert_null(find(n, "10.1.1.13"));
	assert_null(find(n, "10.1.1.14"));
	assert_null(find(n, "10.7.7.7"));
	assert_int_equal(find(n, "10.1.1.15")->n_away, 0);
}

/* What became a static host is one, whatever is remembered of it. */
static void
test_static_now(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_AWAY);
	struct addr hosts[2] = { n->static_hosts[0], e->eid.addr };

	e->n_away = 1;
	e->away[0] = A("203.0.113.2");
	e->away_until_ms = (int64_t)clock_wall_ms(&n->clock) + 60000;
	mobility_save(&n->x, e);
	n->mobile[0].static_hosts = (struct conf_list){ hosts, 2 };
	restart(n, 0);
	assert_true(find(n, VM)->is_static);
	assert_true(eid_is_ours(find(n, VM)));
	assert_int_equal(eids_count(n->x.eids), 5);
}

/* After a turn that could not be written all is written again. */
static void
test_unsaved(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = known(n, EID_LOCAL);

	mobility_save(&n->x, e);
	commit(n);
	e->generation = 200; /* as if that turn had failed */
	mobility_unsaved(&n->x);
	assert_true(n->x.mobility->unsaved);
	node_run(n, 999);
	assert_true(n->x.mobility->unsaved);
	node_run(n, 1);
	assert_false(n->x.mobility->unsaved);
	restart(n, 0);
	assert_int_equal(find(n, VM)->generation, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		TEST(test_away),
		TEST(test_incoming),
		TEST(test_memory),
		TEST(test_forgotten),
		TEST(test_strange_values),
		TEST(test_static_now),
		TEST(test_unsaved),
	};

	return cmocka_run_group_tests_name(
	    "xtr/mobility_store", tests, NULL, NULL);
}
