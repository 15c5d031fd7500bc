/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_random.c - moves, aborts and crashes at random between three sites, over
 * a network that loses, doubles and re-orders; at the end all must agree.
 *
 * SEEDS=n runs the seeds 1 to n, SEED=n that one alone (with SIM_LOG=1 to see
 * what happened).  Each has AGENT_VMS VMs, which move at the same time.
 */
#include "world.h"

enum {
	CHAOS_MS = 90000, /* as long as things happen */
	SEEDS_DEFAULT = 50,
};

static const struct sim_options options = {
	/* The mark of a host that has died must end, too. */
	.extra = "  arriving-time: 2m\n",
};

struct chaos {
	struct world w;
	struct loop_timer *timer;
};

static void
node_trouble(struct world *w, enum sim_name n)
{
	struct sim_node *node = &w->s->nodes[n];

	if (!node->up) {
		sim_start(w->s, n);
		return;
	}
	if (roll(w, 5) == 0) {
		sim_reload(w->s, n, &options);
		return;
	}
	sim_kill(w->s, n);
	if (n < SIM_SITES && roll(w, 10) == 0)
		sim_lose_store(w->s, n);
	if (roll(w, 2)) /* at once, or a while later */
		sim_start(w->s, n);
}

static void
chaos_due(void *arg)
{
	struct chaos *c = arg;
	struct world *w = &c->w;
	const unsigned from = roll(w, SIM_NODES), to = roll(w, SIM_NODES);

	loop_timer_set(c->timer, 500 + roll(w, 8000));
	switch (roll(w, 6)) {
	case 0: /* the clock is set */
		w->s->clock.fake_wall_us +=
		    ((int64_t)roll(w, 6001) - 3000) * 1000;
		break;
	case 1: /* one way, a while */
	case 2:
		w->s->cut[from][to] = !w->s->cut[from][to];
		break;
	default:
		node_trouble(w, (enum sim_name)from);
	}
}

static void
chaos_open(struct chaos *c, uint64_t seed)
{
	struct world *w = &c->w;
	struct sim *s;

	world_open(w, seed, 1);
	s = w->s;
	s->delay_us = 1000 + roll(w, 40000);
	s->jitter_us = roll(w, 3) ? 1 + roll(w, 300000) : 0;
	s->loss_percent = roll(w, 3) ? roll(w, 30) : 0;
	s->dup_percent = roll(w, 3) ? roll(w, 30) : 0;
	c->timer = loop_timer_new(s->loop, chaos_due, c);
	if (roll(w, 2))
		loop_timer_set(c->timer, 5000);
}

static uint64_t running; /* the seed, for whoever fails */

static int
say_which(void **unused)
{
	(void)unused;
	if (running)
		print_message(
		    "failed: SEED=%llu\n", (unsigned long long)running);
	return 0;
}

static void
run(uint64_t seed)
{
	struct chaos c;

	running = seed;
	chaos_open(&c, seed);
	sim_run(c.w.s, CHAOS_MS);
	loop_timer_free(c.timer);
	settle_down(&c.w);
	check(&c.w);
	world_close(&c.w);
	running = 0;
}

static void
test_random(void **unused)
{
	const char *one = getenv("SEED"), *all = getenv("SEEDS");
	const uint64_t n = all ? strtoull(all, NULL, 10) : SEEDS_DEFAULT;

	(void)unused;
	if (one) {
		run(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= n; seed++)
		run(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_random, say_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
