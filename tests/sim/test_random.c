/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_random.c - moves, aborts and crashes at random between three sites, over
 * a network that loses, doubles and re-orders; at the end all must agree.
 *
 * SEEDS=n runs the seeds 1 to n, SEED=n that one alone (with SIM_LOG=1 to see
 * what happened).  Each has AGENT_VMS VMs, which move at the same time.
 */
#include "stories.h"

#include <stdio.h>

enum {
	CHAOS_MS = 90000,   /* as long as things happen */
	SETTLE_MS = 330000, /* resync, Notify and registration: all over */
	SEEDS_DEFAULT = 50,
};

static const struct sim_options options = {
	/* The mark of a host that has died must end, too. */
	.extra = "  arriving-time: 2m\n",
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
	struct world *w = arg;
	const unsigned from = roll(w, SIM_NODES), to = roll(w, SIM_NODES);

	loop_timer_set(w->chaos, 500 + roll(w, 8000));
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
traffic_due(void *arg)
{
	struct world *w = arg;

	loop_timer_set(w->traffic, 500);
	for (unsigned i = 0; i < AGENT_VMS; i++) {
		char to[ADDR_STR_MAX];

		addr_str(&w->a.vms[i].eids[0].addr, to);
		sim_packet(w->s, CLIENT, "10.3.0.10", to);
	}
}

static void
on_packet(void *arg, enum sim_name n, const struct addr *to)
{
	struct world *w = arg;

	for (unsigned i = 0; i < AGENT_VMS; i++)
		if (addr_equal(&w->a.vms[i].eids[0].addr, to))
			w->stories[i].delivered[n]++;
}

static void
world_open(struct world *w, uint64_t seed)
{
	struct sim *s = sim_new_with(
	    &(struct sim_options){ .seed = seed * UINT64_C(0x9e3779b97f4a7c15),
		/* The mark of a host that has died must end, too. */
		.extra = "  arriving-time: 2m\n" });

	*w = (struct world){ .s = s, .seed = seed };
	agents_init(&w->a, s);
	s->on_packet = on_packet;
	s->packet_arg = w;
	s->delay_us = 1000 + roll(w, 40000);
	s->jitter_us = roll(w, 3) ? 1 + roll(w, 300000) : 0;
	s->loss_percent = roll(w, 3) ? roll(w, 30) : 0;
	s->dup_percent = roll(w, 3) ? roll(w, 30) : 0;
	for (unsigned i = 0; i < AGENT_VMS; i++) {
		struct story *y = &w->stories[i];

		y->w = w;
		y->vm = &w->a.vms[i];
		y->timer = loop_timer_new(s->loop, story_due, y);
		loop_timer_set(y->timer, 1 + roll(w, 1000));
	}
	w->chaos = loop_timer_new(s->loop, chaos_due, w);
	if (roll(w, 2))
		loop_timer_set(w->chaos, 5000);
	w->traffic = loop_timer_new(s->loop, traffic_due, w);
	loop_timer_set(w->traffic, 500);
}

static void
world_close(struct world *w)
{
	for (unsigned i = 0; i < AGENT_VMS; i++)
		loop_timer_free(w->stories[i].timer);
	loop_timer_free(w->chaos);
	loop_timer_free(w->traffic);
	agents_fini(&w->a);
	w->s->on_packet = NULL;
	w->s->acked = NULL;
	sim_free(w->s);
}

/* Everything ends well from now on. */
static void
settle_down(struct world *w)
{
	struct sim *s = w->s;

	w->closing = true;
	loop_timer_cancel(w->chaos);
	sim_run(s, 30000); /* migrations end */
	s->loss_percent = s->dup_percent = 0;
	s->jitter_us = 0;
	memset(s->cut, 0, sizeof(s->cut));
	for (unsigned i = 0; i < SIM_NODES; i++)
		if (!s->nodes[i].up)
			sim_start(s, i);
	/* The hosts that died are back. */
	for (unsigned i = 0; i < AGENT_VMS; i++)
		for (unsigned h = 0; h < SIM_HOSTS; h++) {
			struct stay *t = &w->a.vms[i].stays[h];

			t->reclaims = 0;
			if (!t->frozen)
				continue;
			t->frozen = false;
			t->said[OWNERSHIP].open = t->said[MARK].open = false;
			stay_resync(t);
		}
	sim_run(s, SETTLE_MS);
}

static void
complain(const struct world *w, const struct vm *vm, const struct eid *eid,
    const char *what, const char *is, const char *should)
{
	char text[EID_STR_MAX];

	for (unsigned n = 0; n < SIM_SITES; n++) {
		const struct eid_entry *e =
		    eids_find(w->s->nodes[n].x.eids, eid);

		print_message("  dc%u: %s, owner %02x, generation %llu\n",
		    n + 1, e ? eid_state_str(e->state) : "none",
		    e ? e->owner[0] - 0xa0u : 0,
		    e ? (unsigned long long)e->generation : 0);
	}
	for (unsigned h = 0; h < SIM_HOSTS; h++)
		print_message("  host %u: state %d, own %llu, reclaims %u%s\n",
		    h, vm->stays[h].state, (unsigned long long)vm->stays[h].own,
		    vm->stays[h].reclaims,
		    vm->at == (int)h ? ", it is here" : "");
	fail_msg("SEED=%llu: %s, VM at host %d: %s is '%s', should be '%s'",
	    (unsigned long long)w->seed, eid_str(eid, text), vm->at, what, is,
	    should);
}

static bool
is_at(const struct vm *vm, enum sim_name n)
{
	return vm->at >= 0 && (enum sim_name)(vm->at % SIM_SITES) == n;
}

/*
 * A packet for an away EID comes to where the VM is: by the entry of the site
 * that it meets, or by that of the next (a Map-Notify may aim at the last but
 * one).
 */
static bool
leads_home(struct world *w, const struct vm *vm, const struct eid *eid,
    enum sim_name n)
{
	for (unsigned hops = 0; hops < SIM_SITES; hops++) {
		const struct eid_entry *e =
		    eids_find(sim_xtr(w->s, n)->eids, eid);
		unsigned next = 0;

		if (is_at(vm, n))
			return true;
		if (!e || e->state != EID_AWAY || !e->n_away)
			return false;
		for (; next < SIM_SITES; next++) {
			const struct addr a = sim_addr(sim_rloc(next));

			if (addr_equal(&a, &e->away[0]))
				break;
		}
		n = (enum sim_name)next;
		if (n >= CLIENT)
			return false;
	}
	return false;
}

static void
check_site(struct world *w, const struct vm *vm, const struct eid *eid,
    enum sim_name n)
{
	const struct eid_entry *e = eids_find(sim_xtr(w->s, n)->eids, eid);
	const bool here = is_at(vm, n);
	uint8_t owner[16];

	if (here) {
		sim_host_id((unsigned)vm->at, owner);
		if (!e || e->state != EID_LOCAL)
			complain(w, vm, eid, sim_rloc(n),
			    e ? eid_state_str(e->state) : "none", "local");
		if (memcmp(e->owner, owner, 16) != 0)
			complain(w, vm, eid, "owner", "another", "the host");
		if (e->contested || e->verifying)
			complain(w, vm, eid, "owner", "disputed", "clear");
		return;
	}
	if (e && (eid_is_ours(e) || e->state == EID_ARRIVING))
		complain(w, vm, eid, sim_rloc(n), eid_state_str(e->state),
		    "away or absent");
	/* Of one that has ended an entry may be left, if the site was down. */
	if (e && e->state == EID_AWAY && vm->at >= 0 &&
	    !leads_home(w, vm, eid, n))
		complain(w, vm, eid, "away entry", "another site", "the site");
}

static void
check_eid(struct world *w, const struct vm *vm, const struct eid *eid)
{
	const char *rloc =
	    vm->at < 0 ? "" : sim_rloc((enum sim_name)(vm->at % SIM_SITES));
	char text[EID_STR_MAX];

	eid_str(eid, text);
	for (unsigned n = 0; n < SIM_SITES; n++)
		check_site(w, vm, eid, n);
	if (strcmp(sim_registered(w->s, text), rloc) != 0)
		complain(w, vm, eid, "registration", sim_registered(w->s, text),
		    rloc);
	/* Of one that has ended a mapping may be left: nobody is there. */
	if (vm->at >= 0 && eid == &vm->eids[0] &&
	    strcmp(sim_cached(w->s, text), rloc) != 0)
		complain(w, vm, eid, "the client's cache",
		    sim_cached(w->s, text), rloc);
}

static void
check(struct world *w)
{
	for (unsigned i = 0; i < AGENT_VMS; i++)
		for (unsigned n = 0; n < SIM_NODES; n++)
			w->stories[i].delivered[n] = 0;
	sim_run(w->s, 5000);
	for (unsigned i = 0; i < AGENT_VMS; i++) {
		struct vm *vm = &w->a.vms[i];

		for (unsigned j = 0; j < vm->n_eids; j++)
			check_eid(w, vm, &vm->eids[j]);
		for (unsigned n = 0; n < SIM_SITES; n++) {
			const bool here = is_at(vm, n);

			if ((w->stories[i].delivered[n] > 8) != here)
				complain(w, vm, &vm->eids[0], sim_rloc(n),
				    "packets", here ? "some" : "none");
		}
	}
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
	struct world w;

	running = seed;
	world_open(&w, seed);
	sim_run(w.s, CHAOS_MS);
	settle_down(&w);
	check(&w);
	world_close(&w);
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
