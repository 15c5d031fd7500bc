/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c - statement -> parts -> every xTR of the site -> again until acked.
 *
 * agent.c says; series.c encodes; notify_leg.c sends and repeats; notify_ack.c
 * reads what comes back.  What is outstanding is found by nonce and xTR.  State
 * that must survive (what was said, the nonces) is agent.c's business, behind
 * the sending: a lost message costs a round trip, a lost nonce would cost the
 * xTRs' trust.
 */
#include "notify.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "notify_state.h"

enum { RECEIVE_BUFFER = 1 << 20, RECEIVE_BATCH = 32, DSCP_CS6 = 0xc0 };

void
notify_nonces(struct notify *n, uint64_t saved)
{
	uint64_t now = clock_wall_ms(loop_clock(n->loop));

	if (saved > now + GENERATION_AHEAD_MS)
		log_error("notify",
		    "saved nonces are more than a day ahead of "
		    "the clock: is it wrong?");
	n->next_nonce = saved + 1 > now ? saved + 1 : now;
	n->ceiling = 0;
}

void
notify_sender(struct notify *n, const uint8_t host_id[16])
{
	memcpy(n->sender_id, host_id, sizeof(n->sender_id));
	for (unsigned i = 0; i < n->n_xtrs; i++)
		memcpy(
		    n->xtrs[i].series.sender_id, host_id, sizeof(n->sender_id));
}

/* ---- notices: one statement, all xTRs ---- */

static void
notice_free(struct notify *n, struct notice *notice)
{
	if (!notice)
		return;
	for (unsigned i = 0; i < notice->n_legs; i++) {
		notify_leg_drop(n, &notice->legs[i]);
		loop_timer_free(notice->legs[i].timer);
	}
	statement_free(notice->m);
	free(notice);
}

/* Takes over 'm' only if it returns a notice. */
static struct notice *
notice_new(struct notify *n, struct statement *m, enum err *err)
{
	struct notice *notice =
	    calloc(1, sizeof(*notice) + n->n_xtrs * sizeof(notice->legs[0]));

	*err = ERR_NOMEM;
	if (!notice)
		return NULL;
	notice->notify = n;
	notice->m = m;
	notice->form = m->form;
	notice->side = m->side;
	notice->generation = m->generation;
	notice->n_legs = notice->n_open = n->n_xtrs;
	for (unsigned i = 0; i < n->n_xtrs; i++) {
		struct leg *leg = &notice->legs[i];
		unsigned like = n->xtrs[i].like;

		leg->notice = notice;
		leg->xtr = i;
		leg->timer = loop_timer_new(n->loop, notify_leg_timer, leg);
		*err = leg->timer ? notify_leg_fill(n, leg,
					like < i ? &notice->legs[like] : NULL)
				  : ERR_NOMEM;
		if (*err) {
			notice->m = NULL;
			notice_free(n, notice);
			return NULL;
		}
	}
	return notice;
}

/* First what moves the EIDs, to all, then what only brings peers. */
static void
notice_send(struct notify *n, struct notice *notice)
{
	for (int copy = 0; copy < (notice->form.twice ? 2 : 1); copy++)
		for (unsigned i = 0; i < notice->n_legs; i++)
			notify_leg_send(n, &notice->legs[i], true);
	for (unsigned i = 0; i < notice->n_legs; i++) {
		struct leg *leg = &notice->legs[i];

		notify_leg_send(n, leg, false);
		notify_leg_sent(leg);
		if (n->hooks->dry_run || leg->n_parts == 0)
			notify_leg_done(n, leg);
	}
}

struct told *
notify_told(const struct notify *n, const uint8_t vm_id[16])
{
	return table_entry(table_find(&n->told, vm_id), struct told, node);
}

static struct told *
told_make(struct notify *n, const uint8_t vm_id[16], enum err *err)
{
	struct told *t = notify_told(n, vm_id);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t) {
		*err = ERR_NOMEM;
		return NULL;
	}
	memcpy(t->vm_id, vm_id, sizeof(t->vm_id));
	*err = table_add(&n->told, &t->node);
	if (*err) {
		free(t);
		return NULL;
	}
	return t;
}

static void
slot_clear(struct notify *n, struct told *t, int slot)
{
	notice_free(n, t->slots[slot]);
	t->slots[slot] = NULL;
}

static void
take_peers(struct statement *m, const struct notice *old)
{
	if (old && old->m && old->m->n_peers && m->form.reason != CPM_ABSENT &&
	    statement_add_peers(m, old->m))
		log_warning("notify", "%s: peers lost: %s", m->name,
		    err_str(ERR_NOMEM));
}

enum err
notify_say(struct notify *n, struct statement *m)
{
	int slot = m->side ? SLOT_SIDE : m->form.mark ? SLOT_MARK : SLOT_OWNER;
	enum err err = ERR_OK;
	struct told *t = told_make(n, m->vm_id, &err);
	struct notice *notice = NULL;

	if (t && slot != SLOT_SIDE) {
		take_peers(m, t->slots[SLOT_MARK]);
		if (slot == SLOT_OWNER)
			take_peers(m, t->slots[SLOT_OWNER]);
	}
	if (t)
		notice = notice_new(n, m, &err);
	if (!notice) {
		statement_free(m);
		return err;
	}
	slot_clear(n, t, slot);
	if (slot == SLOT_OWNER)
		slot_clear(n, t, SLOT_MARK);
	t->slots[slot] = notice;
	notice->told = t;
	n->counters.statements[m->form.reason]++;
	for (unsigned i = 0; m->form.claim && i < notice->n_legs; i++)
		notify_claimed(&notice->legs[i]);
	notice_send(n, notice);
	return ERR_OK;
}

static void
told_free(struct notify *n, struct told *t)
{
	for (int slot = 0; slot < SLOTS; slot++)
		slot_clear(n, t, slot);
	table_remove(&n->told, &t->node);
	free(t);
}

void
notify_forget(struct notify *n, const uint8_t vm_id[16])
{
	struct told *t = notify_told(n, vm_id);

	if (t)
		told_free(n, t);
}

bool
notify_outstanding(const struct notify *n, const uint8_t vm_id[16], bool mark)
{
	const struct told *t = notify_told(n, vm_id);
	const struct notice *notice =
	    t ? t->slots[mark ? SLOT_MARK : SLOT_OWNER] : NULL;

	return notice && notice->n_open > 0;
}

bool
notify_progress(const struct notify *n, const uint8_t vm_id[16], unsigned xtr,
    struct notify_progress *out)
{
	const struct told *t = notify_told(n, vm_id);
	const struct notice *notice = t ? t->slots[SLOT_OWNER] : NULL;
	const struct leg *leg;

	if (!notice)
		notice = t ? t->slots[SLOT_MARK] : NULL;
	if (!notice || xtr >= notice->n_legs)
		return false;
	leg = &notice->legs[xtr];
	*out = (struct notify_progress){ .name = n->xtrs[xtr].conf->name,
		.parts = leg->n_parts,
		.acked = leg->n_acked,
		.sendings = leg->sendings,
		.status = leg->status,
		.alarm = leg->alarm };
	return true;
}

/* ---- sockets and set-up ---- */

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct notify *n = arg;
	uint8_t buf[2048];
	struct sockaddr_storage from;

	(void)what;
	for (int i = 0; i < RECEIVE_BATCH; i++) {
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(fd, buf, sizeof(buf), 0,
		    (struct sockaddr *)&from, &from_len);
		struct addr addr;
		uint16_t port;

		if (len < 0)
			break;
		if (addr_from_sockaddr(
			(const struct sockaddr *)&from, &addr, &port))
			continue;
		notify_received(n, &addr, port, buf, (size_t)len);
	}
}

/* -1 after an error. */
static int
open_socket(struct notify *n, int family, struct loop_fd **watch)
{
	const int buffer = RECEIVE_BUFFER, tos = DSCP_CS6;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	else
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	*watch = loop_fd_new(n->loop, fd, LOOP_READ, on_readable, n);
	return fd;
}

static bool
same_key(const struct conf_agent_xtr *a, const struct conf_agent_xtr *b)
{
	return a->key.key_id == b->key.key_id &&
	    a->key.algorithm == b->key.algorithm &&
	    a->key.secret_len == b->key.secret_len &&
	    memcmp(a->key.secret, b->key.secret, a->key.secret_len) == 0;
}

static void
set_conf(struct notify *n, const struct agent_conf *conf)
{
	const struct conf_agent_xtr *xtrs = conf->xtrs.items;

	n->n_xtrs = (unsigned)conf->xtrs.n;
	if (n->n_xtrs > NOTIFY_XTRS_MAX)
		n->n_xtrs = NOTIFY_XTRS_MAX;
	n->subtype = (uint16_t)conf->cpm_subtype;
	for (unsigned i = 0; i < n->n_xtrs; i++) {
		struct xtr *x = &n->xtrs[i];

		*x = (struct xtr){ .conf = &xtrs[i] };
		x->series = (struct series_conf){ .subtype = n->subtype,
			.payload = (size_t)conf->payload,
			.key = &xtrs[i].key };
		while (!same_key(&xtrs[x->like], &xtrs[i]))
			x->like++;
	}
	notify_sender(n, n->sender_id);
}

struct notify *
notify_new(struct loop *loop, const struct agent_conf *conf,
    const struct notify_hooks *hooks, void *arg)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->loop = loop;
	n->hooks = hooks;
	n->arg = arg;
	n->fd4 = n->fd6 = -1;
	if (table_init(&n->told, NOTIFY_VMS_MAX, offsetof(struct told, node),
		offsetof(struct told, vm_id),
		sizeof(((struct told *)0)->vm_id)) ||
	    table_init(&n->sent, NOTIFY_PARTS_MAX, offsetof(struct sent, node),
		offsetof(struct sent, key), sizeof(struct sent_key))) {
		notify_free(n);
		return NULL;
	}
	set_conf(n, conf);
	if (!hooks->send) {
		n->fd4 = open_socket(n, AF_INET, &n->watch4);
		n->fd6 = open_socket(n, AF_INET6, &n->watch6);
	}
	if (!hooks->send && n->fd4 < 0 && n->fd6 < 0) {
		log_error("notify", "socket: %s", strerror(errno));
		notify_free(n);
		return NULL;
	}
	return n;
}

static void
forget_all(struct notify *n)
{
	struct table_iter it = table_iter(&n->told);
	struct table_node *node;

	while ((node = table_next(&it)))
		told_free(n, table_entry(node, struct told, node));
}

void
notify_reload(struct notify *n, const struct agent_conf *conf)
{
	forget_all(n);
	set_conf(n, conf);
}

void
notify_free(struct notify *n)
{
	if (!n)
		return;
	forget_all(n);
	loop_fd_free(n->watch4);
	loop_fd_free(n->watch6);
	if (n->fd4 >= 0)
		close(n->fd4);
	if (n->fd6 >= 0)
		close(n->fd6);
	table_fini(&n->told);
	table_fini(&n->sent);
	free(n);
}

unsigned
notify_xtrs(const struct notify *n)
{
	return n->n_xtrs;
}

const char *
notify_xtr_name(const struct notify *n, unsigned xtr)
{
	return xtr < n->n_xtrs ? n->xtrs[xtr].conf->name : "";
}

const struct notify_counters *
notify_counters(const struct notify *n)
{
	return &n->counters;
}
