/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers_packet.c - peers by a packet socket on the tap, where BPF programs are
 * not permitted.
 *
 * A classic filter lets IPv4 and IPv6 through; only their headers are copied.
 * Nothing wakes us for a packet: a timer takes a bounded number from each
 * socket, the small buffer drops the rest in the kernel.  That is the sampling:
 * 10,000 packets a second cost as much as 5,000.
 */
#include "peers_source.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/wire.h"

enum {
	INTERVAL_MS = 50,
	PER_INTERVAL = 256, /* packets taken of a tap */
	SNAP = 64,	    /* Ethernet and IP header */
	BUFFER = 262144,
	BATCH = 64,
	ND_FIRST = 133, /* RFC 4861 4: router solicitation ... redirect */
	ND_LAST = 137,
};

struct watch {
	struct watch *next_watch, **prev_watch;
	struct source *source;
	int fd;
	struct addr mac;
	struct peer_list *list;
};

struct source {
	struct loop *loop;
	unsigned max;
	struct loop_timer *timer;
	struct watch *watches;
};

/* EtherType 0x0800 or 0x86dd; whole, so that its length is known. */
static const struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IPV6, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 0x40000),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* Neighbour discovery is with the gateway, which is no peer. */
static bool
is_nd(const uint8_t *ip6, struct wire_reader *rest)
{
	uint8_t type = wire_get_u8(rest);

	return ip6[6] == IPPROTO_ICMPV6 && type >= ND_FIRST && type <= ND_LAST;
}

/* The peer of a frame that the guest sent (or received); false if none. */
static bool
frame_peer(const struct watch *w, const uint8_t *frame, size_t len, bool sent,
    struct addr *out)
{
	struct wire_reader r = wire_reader(frame, len);
	const uint8_t *to = wire_take(&r, 6), *from = wire_take(&r, 6);
	uint16_t type = wire_get_u16(&r);
	const uint8_t *ip;

	if (r.err || (to[0] & 1))
		return false; /* to a group: that is nobody */
	/* A bridge floods frames that are for others. */
	if (w->mac.afi == AFI_MAC &&
	    memcmp(w->mac.bytes, sent ? from : to, 6) != 0)
		return false;
	if (type == ETHERTYPE_IP && (ip = wire_take(&r, 20)))
		*out = addr_make(AFI_IPV4, ip + (sent ? 16 : 12));
	else if (type == ETHERTYPE_IPV6 && (ip = wire_take(&r, 40)) &&
	    !is_nd(ip, &r))
		*out = addr_make(AFI_IPV6, ip + (sent ? 24 : 8));
	else
		return false;
	return !addr_is_martian(out);
}

/* One batch; returns how many packets there were. */
static int
drain(struct watch *w, struct mono now)
{
	uint8_t frames[BATCH][SNAP];
	struct sockaddr_ll from[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH];
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ frames[i], SNAP };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_name = &from[i];
		msgs[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	/* MSG_TRUNC: the length is that of the packet, not of our cut. */
	n = recvmmsg(w->fd, msgs, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	for (int i = 0; i < n; i++) {
		size_t len = msgs[i].msg_len;
		/* What the host sends into the tap goes to the guest. */
		bool sent = from[i].sll_pkttype != PACKET_OUTGOING;
		struct addr peer;

		if (frame_peer(
			w, frames[i], len < SNAP ? len : SNAP, sent, &peer))
			peer_list_note(w->list, &peer,
			    sent ? PEER_SENT : PEER_RECEIVED, len, now);
	}
	return n;
}

static void
watch_drain(struct watch *w)
{
	struct mono now = loop_now(w->source->loop);

	for (int n = 0; n < PER_INTERVAL; n += BATCH)
		if (drain(w, now) < BATCH)
			break;
}

static void
on_timer(void *arg)
{
	struct source *s = arg;

	for (struct watch *w = s->watches; w; w = w->next_watch)
		watch_drain(w);
	if (s->watches)
		loop_timer_set(s->timer, INTERVAL_MS);
}

static void
source_close(void *source)
{
	struct source *s = source;

	loop_timer_free(s->timer);
	free(s);
}

static void *
source_open(struct loop *loop, unsigned max)
{
	struct source *s = calloc(1, sizeof(*s));
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		log_info("peers", "packet: %s", strerror(errno));
	else
		close(fd);
	if (!s || fd < 0) {
		free(s);
		return NULL;
	}
	s->loop = loop;
	s->max = max;
	s->timer = loop_timer_new(loop, on_timer, s);
	if (!s->timer) {
		source_close(s);
		return NULL;
	}
	return s;
}

static int
open_socket(unsigned ifindex)
{
	const struct sock_fprog prog = { sizeof(filter) / sizeof(filter[0]),
		(struct sock_filter *)(uintptr_t)filter };
	const struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex };
	const int buffer = BUFFER;
	/* Protocol 0: nothing comes before the filter is set. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) <
		0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	return fd;
}

static void
watch_free(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	peer_list_free(w->list);
	free(w);
}

static void *
source_watch(void *source, const struct peer_nic *nic, enum err *err)
{
	struct source *s = source;
	struct watch *w = calloc(1, sizeof(*w));

	*err = ERR_NOMEM;
	if (!w)
		return NULL;
	w->source = s;
	w->mac = nic->mac;
	w->list = peer_list_new(s->max);
	w->fd = open_socket(nic->ifindex);
	if (!w->list || w->fd < 0) {
		if (w->list)
			*err = ERR_IO;
		watch_free(w);
		return NULL;
	}
	*err = ERR_OK;
	return w;
}

static void
source_unwatch(void *source, void *watch, bool forget)
{
	struct watch *w = watch;

	(void)source;
	(void)forget; /* nothing outlives the socket */
	watch_free(w);
}

static void
source_link(void *source, void *watch)
{
	struct source *s = source;
	struct watch *w = watch;

	if (!s->watches)
		loop_timer_set(s->timer, INTERVAL_MS);
	w->next_watch = s->watches;
	if (w->next_watch)
		w->next_watch->prev_watch = &w->next_watch;
	w->prev_watch = &s->watches;
	s->watches = w;
}

static void
source_unlink(void *source, void *watch)
{
	struct watch *w = watch;

	(void)source;
	if (w->next_watch)
		w->next_watch->prev_watch = w->prev_watch;
	*w->prev_watch = w->next_watch;
}

static unsigned
source_read(void *source, void *watch, struct peer_seen *out, unsigned max)
{
	struct watch *w = watch;

	(void)source;
	watch_drain(w);
	return peer_list_read(w->list, out, max);
}

const struct peer_source peers_packet = { "packet", source_open, source_close,
	source_watch, source_unwatch, source_link, source_unlink, source_read };
