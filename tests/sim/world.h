/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

/*
 * world.h - VMs that live their stories while the client sends to them, and the
 * question whether all agree when it has become quiet.
 */
#include "stories.h"

#include <stdio.h>

enum {
	SETTLE_MS = 330000, /* resync, Notify and registration: all over */
	TRAFFIC_MS = 500,   /* between two packets to a VM */
};

static void
traffic_due(void *arg)
{
	struct world *w = arg;

	loop_timer_set(w->traffic, TRAFFIC_MS * w->slow);
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
world_open(struct world *w, uint64_t seed, int64_t slow)
{
	struct sim *s = sim_new_with(
	    &(struct sim_options){ .seed = seed * UINT64_C(0x9e3779b97f4a7c15),
		/* The mark of a host that has died must end, too. */
		.extra = "  arriving-time: 2m\n" });

	*w = (struct world){ .s = s, .seed = seed, .slow = slow };
	agents_init(&w->a, s);
	s->on_packet = on_packet;
	s->packet_arg = w;
	for (unsigned i = 0; i < AGENT_VMS; i++) {
		struct story *y = &w->stories[i];

		y->w = w;
		y->vm = &w->a.vms[i];
		y->timer = loop_timer_new(s->loop, story_due, y);
		loop_timer_set(y->timer, 1 + roll(w, 1000));
	}
	w->traffic = loop_timer_new(s->loop, traffic_due, w);
	loop_timer_set(w->traffic, TRAFFIC_MS * w->slow);
}

static void
world_close(struct world *w)
{
	for (unsigned i = 0; i < AGENT_VMS; i++)
		loop_timer_free(w->stories[i].timer);
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
	w->slow = 1;
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

#endif
