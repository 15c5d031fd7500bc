/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp_send.c - encapsulated packets to the underlay.
 *
 * Why raw sockets with our own outer header, and not UDP sockets: the source
 * port carries the flow's entropy (RFC 9300 5.3) and changes from packet to
 * packet, but a UDP socket has one port, and 16384 of them are no answer.  With
 * the header ours, TTL, DSCP, ECN, DF and a zero UDP checksum for both families
 * need no control message either.  IPPROTO_RAW never receives anything; the
 * kernel routes by the destination, fills in length, identification and the
 * IPv4 header checksum, and says EMSGSIZE where a packet does not fit.
 *
 * Called by the ops of dp_tun.c; packets are copied, because what they point to
 * is the buffer of the device or of a queue that goes on being used.
 */
#include "dp_send.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lisp.h"
#include "common/wire.h"

enum {
	UDP_HEADER = 8,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	ICMP4_FILTER = 1, /* struct icmp_filter of <linux/icmp.h> */
	SOCKET_BUFFER = 4 << 20,
};

struct queue {
	int fd; /* -1: no RLOC of this family */
	unsigned n;
	size_t used;
	uint8_t *bytes;
	struct mmsghdr messages[DP_SEND_BATCH];
	struct iovec iov[DP_SEND_BATCH];
	struct sockaddr_storage to[DP_SEND_BATCH];
};

struct dp_send {
	struct xtr *x;
	struct queue v4, v6;
	int icmp4, icmp6;
	bool in_batch;
	struct loop_timer *flush; /* due when something is queued outside one */
	struct log_limit log;
};

static enum err
open_raw(int family, int protocol, int *fd)
{
	int size = SOCKET_BUFFER;

	*fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (*fd < 0) {
		log_error("data", "raw IPv%d socket: %s",
		    family == AF_INET ? 4 : 6, strerror(errno));
		return ERR_IO;
	}
	if (setsockopt(*fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		log_debug("data", "send buffer: %s", strerror(errno));
	return ERR_OK;
}

/* A raw ICMP socket gets every ICMP message; we want none. */
static void
receive_nothing(int fd, bool v6)
{
	struct icmp6_filter none6;
	uint32_t none4 = UINT32_MAX;

	ICMP6_FILTER_SETBLOCKALL(&none6);
	if (v6 ? setsockopt(
		     fd, IPPROTO_ICMPV6, ICMP6_FILTER, &none6, sizeof(none6))
	       : setsockopt(fd, SOL_RAW, ICMP4_FILTER, &none4, sizeof(none4)))
		log_debug("data", "ICMP filter: %s", strerror(errno));
}

static enum err
open_family(struct dp_send *s, bool v6)
{
	struct queue *q = v6 ? &s->v6 : &s->v4;
	int family = v6 ? AF_INET6 : AF_INET, on = 1;

	if (q->fd >= 0 || !xtr_rloc(s->x, v6 ? AFI_IPV6 : AFI_IPV4))
		return ERR_OK;
	if (!q->bytes)
		q->bytes = malloc(DP_SEND_BYTES);
	if (!q->bytes)
		return ERR_NOMEM;
	if (open_raw(family, IPPROTO_RAW, &q->fd))
		return ERR_IO;
	/* IPPROTO_RAW implies it; IPv6 learned it late, so say it. */
	if (v6 ? setsockopt(q->fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on))
	       : setsockopt(q->fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on))) {
		log_error("data", "own IPv%d header: %s", v6 ? 6 : 4,
		    strerror(errno));
		return ERR_IO;
	}
	return ERR_OK;
}

/* ICMP goes to our own side, whose families are not those of the RLOCs. */
static void
open_icmp(struct dp_send *s)
{
	if (!open_raw(AF_INET, IPPROTO_ICMP, &s->icmp4))
		receive_nothing(s->icmp4, false);
	if (!open_raw(AF_INET6, IPPROTO_ICMPV6, &s->icmp6))
		receive_nothing(s->icmp6, true);
}

/* Sending. */

static void
refused(struct dp_send *s, const struct queue *q, unsigned i, int error)
{
	char text[ADDR_STR_MAX] = "?";
	uint32_t suppressed;
	struct addr to;
	uint16_t port;

	if (error == EMSGSIZE)
		s->x->counters.data_drop_mtu++;
	else
		s->x->counters.data_drop_io++;
	s->x->counters.kernel_errors++;
	if (!log_allowed(&s->log, xtr_now(s->x), &suppressed))
		return;
	if (!addr_from_sockaddr((const struct sockaddr *)&q->to[i], &to, &port))
		addr_str(&to, text);
	log_warning("data", "%zu octets to %s: %s (%u more not shown)",
	    q->iov[i].iov_len, text, strerror(error), suppressed);
}

/* A packet that the kernel refuses is dropped; the others go on. */
static void
flush(struct dp_send *s, struct queue *q)
{
	unsigned at = 0;

	while (at < q->n) {
		int n = sendmmsg(q->fd, q->messages + at, q->n - at, 0);

		if (n > 0) {
			at += (unsigned)n;
		} else if (errno != EINTR) {
			refused(s, q, at, errno);
			at++;
		}
	}
	q->n = 0;
	q->used = 0;
}

static void
flush_all(void *arg)
{
	struct dp_send *s = arg;

	flush(s, &s->v4);
	flush(s, &s->v6);
}

void
dp_send_batch_begin(struct dp_send *s)
{
	s->in_batch = true;
}

void
dp_send_batch_end(struct dp_send *s)
{
	s->in_batch = false;
	flush_all(s);
}

/* Room for one packet to 'to', sent with the batch; NULL if too long. */
static uint8_t *
queue_room(
    struct dp_send *s, struct queue *q, const struct addr *to, size_t len)
{
	uint8_t *bytes;
	unsigned size;

	if (len > UINT16_MAX)
		return NULL;
	if (q->n == DP_SEND_BATCH || q->used + len > DP_SEND_BYTES)
		flush(s, q);
	if (!s->in_batch && !s->v4.n && !s->v6.n)
		loop_timer_set(s->flush, 0);
	bytes = q->bytes + q->used;
	q->used += len;
	addr_to_sockaddr(to, 0, &q->to[q->n], &size);
	q->iov[q->n] = (struct iovec){ bytes, len };
	q->messages[q->n].msg_hdr = (struct msghdr){
		.msg_name = &q->to[q->n],
		.msg_namelen = size,
		.msg_iov = &q->iov[q->n],
		.msg_iovlen = 1,
	};
	q->n++;
	return bytes;
}

static struct queue *
queue_of(struct dp_send *s, const struct addr *to)
{
	struct queue *q = to->afi == AFI_IPV6 ? &s->v6 : &s->v4;

	return q->fd < 0 ? NULL : q;
}

enum err
dp_send_encapsulated(struct dp_send *s, const struct addr *source,
    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
    const uint8_t *payload, size_t len)
{
	struct queue *q = queue_of(s, rloc);
	bool v6 = rloc->afi == AFI_IPV6;
	size_t header = v6 ? IPV6_HEADER : IPV4_HEADER;
	size_t total = header + UDP_HEADER + len;
	struct wire_writer w;
	uint8_t *packet;

	if (!q)
		return ERR_ROLE;
	packet = queue_room(s, q, rloc, total);
	if (!packet)
		return ERR_FULL;
	w = wire_writer(packet, total);
	if (v6) {
		/* RFC 6438: the flow's entropy for routers that hash it. */
		wire_put_u32(&w, 0x60000000u | (uint32_t)tos << 20 | sport);
		wire_put_u16(&w, (unsigned)(UDP_HEADER + len));
		wire_put_u8(&w, IPPROTO_UDP);
		wire_put_u8(&w, ttl);
	} else {
		wire_put_u16(&w, 0x4500u | tos);
		wire_put_u16(&w, (unsigned)total);
		wire_put_u32(&w, 0x4000); /* DF */
		wire_put_u8(&w, ttl);
		wire_put_u8(&w, IPPROTO_UDP);
		wire_put_u16(&w, 0);
	}
	wire_put_bytes(&w, source->bytes, addr_len(source->afi));
	wire_put_bytes(&w, rloc->bytes, addr_len(rloc->afi));
	wire_put_u16(&w, sport);
	wire_put_u16(&w, LISP_DATA_PORT);
	wire_put_u16(&w, (unsigned)(UDP_HEADER + len));
	wire_put_u16(&w, 0); /* checksum, RFC 9300 5.3 */
	wire_put_bytes(&w, payload, len);
	return w.err;
}

enum err
dp_send_native(
    struct dp_send *s, const struct addr *to, const uint8_t *packet, size_t len)
{
	struct queue *q = queue_of(s, to);
	uint8_t *copy;

	if (!q)
		return ERR_ROLE;
	copy = queue_room(s, q, to, len);
	if (!copy)
		return ERR_FULL;
	memcpy(copy, packet, len);
	return ERR_OK;
}

enum err
dp_send_icmp(struct dp_send *s, const struct addr *to, const uint8_t *message,
    size_t len)
{
	int fd = to->afi == AFI_IPV6 ? s->icmp6 : s->icmp4;
	struct sockaddr_storage ss;
	unsigned size;

	if (fd < 0)
		return ERR_ROLE;
	addr_to_sockaddr(to, 0, &ss, &size);
	if (sendto(fd, message, len, 0, (const struct sockaddr *)&ss, size) >=
	    0)
		return ERR_OK;
	s->x->counters.kernel_errors++;
	return ERR_IO;
}

enum err
dp_send_reload(struct dp_send *s)
{
	enum err err = open_family(s, false);

	return err ? err : open_family(s, true);
}

enum err
dp_send_new(struct xtr *x, struct dp_send **out)
{
	struct dp_send *s = calloc(1, sizeof(*s));
	enum err err = ERR_OK;

	if (!s)
		return ERR_NOMEM;
	s->x = x;
	s->v4.fd = s->v6.fd = s->icmp4 = s->icmp6 = -1;
	s->flush = loop_timer_new(x->loop, flush_all, s);
	if (!s->flush)
		err = ERR_NOMEM;
	if (!err)
		err = dp_send_reload(s);
	if (err) {
		dp_send_free(s);
		return err;
	}
	open_icmp(s);
	*out = s;
	return ERR_OK;
}

void
dp_send_free(struct dp_send *s)
{
	const int fds[] = { s ? s->v4.fd : -1, s ? s->v6.fd : -1,
		s ? s->icmp4 : -1, s ? s->icmp6 : -1 };

	if (!s)
		return;
	loop_timer_free(s->flush);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(s->v4.bytes);
	free(s->v6.bytes);
	free(s);
}
