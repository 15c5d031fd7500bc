/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_table.c - registrations, one block of memory each, and their expiry.
 *
 * ms_register.c puts, ms_answer.c finds.  Bound: registrations_max.  A refresh
 * that says nothing new, which is nearly all of them, costs one lookup: the time
 * in memory moves, while the entry stays where it is in the wheel and is looked
 * at again when its old time comes; the store hears of it now and then (ms_store.c).
 */
#include "xtr/ms.h"

#include <stdlib.h>
#include <string.h>

#include "xtr/ms_subscribe.h"
#include "xtr/output.h"

static int64_t
expiry_us(const struct registration *r)
{
	return r->refreshed_us + r->lifetime_s * US_PER_S;
}

/* Into the slot of the first second at which it is over. */
static void
wheel_link(struct map_server *ms, struct registration *r)
{
	int64_t s = (expiry_us(r) + US_PER_S - 1) / US_PER_S;
	struct registration **slot;

	if (s < ms->wheel_s)
		s = ms->wheel_s;
	slot = &ms->slots[s % MS_WHEEL];
	r->next_in_slot = *slot;
	r->link_in_slot = slot;
	if (*slot)
		(*slot)->link_in_slot = &r->next_in_slot;
	*slot = r;
}

static void
wheel_unlink(struct registration *r)
{
	*r->link_in_slot = r->next_in_slot;
	if (r->next_in_slot)
		r->next_in_slot->link_in_slot = r->link_in_slot;
}

struct registration *
ms_find(const struct map_server *ms, const struct eid *eid)
{
	return trie_find(&ms->registered, eid);
}

/* The one of this xTR in a chain, or NULL. */
static struct registration *
part_of(struct registration *r, const struct peer *peer)
{
	while (r && !ms_peer_same(r->peer, peer))
		r = r->next_merged;
	return r;
}

struct registration *
ms_part_new(struct map_server *ms, const struct ms_entry *e)
{
	struct registration *r = malloc(sizeof(*r) + e->len);

	if (!r)
		return NULL;
	*r = (struct registration){
		.peer = e->peer,
		.registered_ms = (int64_t)clock_wall_ms(ms->x->clock),
		.refreshed_us = xtr_now(ms->x).us,
		.lifetime_s = e->lifetime_s,
		.eid = e->eid,
		.len = e->len,
		.flags = e->flags,
	};
	memcpy(r->record, e->record, e->len);
	return r;
}

void
ms_part_link(struct map_server *ms, struct registration *r)
{
	r->peer->refs++;
	ms->n_registrations++;
	wheel_link(ms, r);
	if (!loop_timer_armed(ms->wheel_timer))
		loop_timer_set(ms->wheel_timer, 1000);
}

/* It is out of its chain already. */
static void
part_free(struct map_server *ms, struct registration *r)
{
	wheel_unlink(r);
	r->peer->refs--;
	ms->n_registrations--;
	free(r);
}

/* Takes 'r' out of its EID's chain and frees it. */
static void
part_remove(struct map_server *ms, struct registration *r)
{
	const struct eid eid = r->eid;
	struct registration *head = ms_find(ms, &eid), **link = &head;
	struct ms_told told = { 0 };

	while (*link != r)
		link = &(*link)->next_merged;
	*link = r->next_merged;
	ms_unsave(ms, r);
	part_free(ms, r);
	if (!head) {
		trie_remove(&ms->registered, &eid);
		ms_notify_cancel(ms, &eid);
		ms_publish(ms, &eid);
		return;
	}
	(void)!trie_add(&ms->registered, &eid, head); /* replaces: no memory */
	for (r = head; r; r = r->next_merged)
		told.peers[told.n++] = r->peer;
	ms_notify_changed(ms, &eid, &told);
	ms_publish(ms, &eid);
}

/* True if 'e' says what 'mine' says, and nobody else has to give way. */
static bool
is_refresh(const struct registration *head, const struct registration *mine,
    const struct ms_entry *e)
{
	return mine->peer == e->peer && mine->flags == e->flags &&
	    mine->lifetime_s == e->lifetime_s && mine->len == e->len &&
	    memcmp(mine->record, e->record, e->len) == 0 &&
	    (!head->next_merged || e->flags & MS_MERGE);
}

static void
refresh(struct map_server *ms, struct registration *r)
{
	uint32_t behind_s;

	r->refreshed_us = xtr_now(ms->x).us;
	behind_s = (uint32_t)(r->refreshed_us / US_PER_S) - r->saved_s;
	if (behind_s >= r->lifetime_s / MS_SAVE_PART)
		ms_save(ms, r);
}

static bool
records_differ(const struct registration *a, const struct registration *b)
{
	struct mapping ma, mb;

	if (a->len == b->len && memcmp(a->record, b->record, a->len) == 0)
		return false;
	ms_record(a, &ma);
	ms_record(b, &mb);
	return !ms_same_locators(&ma, &mb);
}

/*
 * 'n' is about to be registered, beside the present ones ('join') or instead of
 * them: did anything change, and who must hear of it?
 */
static void
find_told(const struct registration *head, const struct registration *mine,
    const struct registration *n, bool join, bool *changed,
    struct ms_told *told)
{
	*changed = !mine || records_differ(mine, n);
	for (const struct registration *r = head; r; r = r->next_merged) {
		if (r == mine || (join && !*changed))
			continue;
		/* Two xTRs of a site that say the same take turns. */
		if (!join && r->peer->site == n->peer->site &&
		    !records_differ(r, n))
			continue;
		told->peers[told->n++] = r->peer;
	}
	if (!join && !mine && head && !told->n)
		*changed = false; /* only whose turn it is */
}

/* Puts 'n' in the place of those of 'head' that have to go. */
static void
replace(struct map_server *ms, struct registration *head,
    const struct registration *mine, struct registration *n, bool join)
{
	struct registration **link = &n->next_merged;

	while (head) {
		struct registration *r = head;

		head = r->next_merged;
		if (join && r != mine) {
			*link = r;
			link = &r->next_merged;
			continue;
		}
		if (r->peer->number != n->peer->number)
			ms_unsave(ms, r);
		part_free(ms, r);
	}
	*link = NULL;
}

enum err
ms_table_put(struct map_server *ms, const struct ms_entry *e, bool *changed,
    struct ms_told *told)
{
	struct registration *head = ms_find(ms, &e->eid), *n;
	struct registration *mine = part_of(head, e->peer);
	const size_t max = (size_t)ms->x->conf->map_server.registrations_max;
	bool join = head && e->flags & MS_MERGE && head->flags & MS_MERGE;
	unsigned merged = 0;
	enum err err;

	*changed = false;
	told->n = 0;
	if (mine && is_refresh(head, mine, e)) {
		refresh(ms, mine);
		return ERR_OK;
	}
	for (n = head; n; n = n->next_merged)
		merged++;
	if (!mine && (!head || join) &&
	    (ms->n_registrations >= max || merged == MS_MERGED_MAX))
		return ERR_FULL;
	n = ms_part_new(ms, e);
	if (!n)
		return ERR_NOMEM;
	if (mine)
		n->registered_ms = mine->registered_ms;
	find_told(head, mine, n, join, changed, told);
	err = trie_add(&ms->registered, &e->eid, n);
	if (err) {
		free(n);
		return err;
	}

	/* From here on nothing can fail. */
	replace(ms, head, mine, n, join);
	ms_part_link(ms, n);
	ms_save(ms, n);
	return ERR_OK;
}

bool
ms_table_withdraw(
    struct map_server *ms, const struct eid *eid, const struct peer *peer)
{
	struct registration *r = part_of(ms_find(ms, eid), peer);

	if (r)
		part_remove(ms, r);
	return r != NULL;
}

/* The lifetime of 'r' is over. */
static void
expired(struct map_server *ms, struct registration *r)
{
	char eid[EID_STR_MAX], addr[ADDR_STR_MAX];

	log_debug("map-server", "%s: registration of %s expired",
	    eid_str(&r->eid, eid), addr_str(&r->peer->addr, addr));
	ms->x->counters.registrations_expired++;
	part_remove(ms, r);
}

void
ms_wheel_turn(struct map_server *ms, int64_t now, size_t budget)
{
	while (budget) {
		struct registration *r = ms->due;

		if (r) {
			budget--;
			if (expiry_us(r) <= now) {
				expired(ms, r);
			} else {
				wheel_unlink(r);
				wheel_link(ms, r);
			}
			continue;
		}
		if (ms->wheel_s > now / US_PER_S)
			return;
		ms->due = ms->slots[ms->wheel_s % MS_WHEEL];
		if (ms->due)
			ms->due->link_in_slot = &ms->due;
		ms->slots[ms->wheel_s % MS_WHEEL] = NULL;
		ms->wheel_s++;
	}
}

static void
wheel_due(void *arg)
{
	struct map_server *ms = arg;
	int64_t now = xtr_now(ms->x).us;

	ms_wheel_turn(ms, now, MS_EXPIRE_BUDGET);
	if (ms->due) /* the rest after the loop has had its turn */
		loop_timer_set(ms->wheel_timer, 0);
	else if (ms->n_registrations)
		loop_timer_set_us(
		    ms->wheel_timer, ms->wheel_s * US_PER_S - now);
	output_arm(ms->x); /* the store was written to */
}

enum err
ms_table_init(struct map_server *ms)
{
	trie_init(
	    &ms->registered, (size_t)ms->x->conf->map_server.registrations_max);
	ms->wheel_s = xtr_now(ms->x).us / US_PER_S;
	ms->wheel_timer = loop_timer_new(ms->x->loop, wheel_due, ms);
	return ms->wheel_timer ? ERR_OK : ERR_NOMEM;
}

static void
recheck_list(struct map_server *ms, struct registration *list)
{
	struct registration *r, *next;

	for (r = list; r; r = next) {
		next = r->next_in_slot;
		if (!r->peer->site->conf ||
		    !ms_site_may(ms, r->peer->site, &r->eid))
			part_remove(ms, r);
	}
}

void
ms_table_recheck(struct map_server *ms)
{
	for (unsigned i = 0; i < MS_WHEEL; i++)
		recheck_list(ms, ms->slots[i]);
	recheck_list(ms, ms->due);
}

void
ms_table_fini(struct map_server *ms)
{
	for (unsigned i = 0; i < MS_WHEEL; i++)
		while (ms->slots[i])
			part_free(ms, ms->slots[i]);
	while (ms->due)
		part_free(ms, ms->due);
	trie_fini(&ms->registered);
	loop_timer_free(ms->wheel_timer);
}
