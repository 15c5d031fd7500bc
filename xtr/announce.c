/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce.c - series of gratuitous ARPs and unsolicited NAs.
 *
 * segment.c says what is true now; a series repeats it, because a host that
 * misses it talks to the wrong MAC for half a minute.  One packet socket that
 * receives nothing serves all segments.
 */
#include "announce.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/table.h"

/* Before the second and the third; docs/cpm.md 6.4. */
static const int64_t pauses_ms[] = { 100, 400 };
enum { PAUSES = sizeof(pauses_ms) / sizeof(*pauses_ms) };

struct series {
	struct table_node node;
	struct eid eid;
	struct announcer *owner;
	struct loop_timer *timer;
	unsigned sent;
	int ifindex;
	size_t len;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
};

struct announcer {
	struct xtr *x;
	int fd;
	struct table series;
	struct log_limit log;
};

enum err
announcer_new(struct xtr *x, struct announcer **out)
{
	struct announcer *a = calloc(1, sizeof(*a));

	if (!a)
		return ERR_NOMEM;
	a->x = x;
	a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		log_error("segment", "packet socket: %s", strerror(errno));
		free(a);
		return ERR_IO;
	}
	if (table_init(&a->series, (size_t)x->conf->mobility.eids_max,
		offsetof(struct series, node), offsetof(struct series, eid),
		sizeof(struct eid))) {
		close(a->fd);
		free(a);
		return ERR_NOMEM;
	}
	*out = a;
	return ERR_OK;
}

static void
end(struct series *s)
{
	table_remove(&s->owner->series, &s->node);
	loop_timer_free(s->timer);
	free(s);
}

void
announcer_free(struct announcer *a)
{
	struct table_iter i;
	struct table_node *n;

	if (!a)
		return;
	i = table_iter(&a->series);
	while ((n = table_next(&i)) != NULL)
		end(table_entry(n, struct series, node));
	table_fini(&a->series);
	close(a->fd);
	free(a);
}

static void
send_frame(struct announcer *a, int ifindex, const uint8_t *frame, size_t len)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_ifindex = ifindex };
	uint32_t suppressed;

	if (sendto(a->fd, frame, len, 0, (const struct sockaddr *)&to,
		sizeof(to)) >= 0)
		return;
	a->x->counters.kernel_errors++;
	if (log_allowed(&a->log, xtr_now(a->x), &suppressed))
		log_warning("segment",
		    "frame on interface %d: %s (%u more not shown)", ifindex,
		    strerror(errno), suppressed);
}

static void
series_due(void *arg)
{
	struct series *s = arg;

	send_frame(s->owner, s->ifindex, s->frame, s->len);
	if (s->sent == PAUSES)
		end(s);
	else
		loop_timer_set(s->timer, pauses_ms[s->sent++]);
}

static struct series *
series_of(struct announcer *a, const struct eid *eid)
{
	struct table_node *n = table_find(&a->series, eid);
	struct series *s = table_entry(n, struct series, node);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->owner = a;
	s->eid = *eid;
	s->timer = loop_timer_new(a->x->loop, series_due, s);
	if (!s->timer || table_add(&a->series, &s->node)) {
		loop_timer_free(s->timer);
		free(s);
		return NULL;
	}
	return s;
}

void
announce(struct announcer *a, int ifindex, const struct neighbour_sender *us,
    const struct eid *eid, const struct addr *mac)
{
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	size_t len = neighbour_announcement(us, &eid->addr, mac, frame);
	struct series *s = series_of(a, eid);

	if (!s) {
		send_frame(a, ifindex, frame, len);
		return;
	}
	s->sent = 0;
	s->ifindex = ifindex;
	s->len = len;
	memcpy(s->frame, frame, len);
	series_due(s);
}

void
announce_cancel(struct announcer *a, const struct eid *eid)
{
	struct table_node *n = table_find(&a->series, eid);

	if (n)
		end(table_entry(n, struct series, node));
}

void
announce_question(struct announcer *a, int ifindex,
    const struct neighbour_sender *us, const struct eid *eid,
    const struct addr *mac)
{
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	size_t len = neighbour_question(us, &eid->addr, mac, frame);

	send_frame(a, ifindex, frame, len);
}
