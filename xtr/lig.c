/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lig.c - asks a Map-Resolver about an EID and waits for the Map-Reply.
 *
 * For xtrctl only: it needs no daemon, no privilege and may block.  The answer
 * comes from whoever the mapping system asked, so the socket is not connected;
 * the nonces of what was sent say which Map-Reply is ours.  It may come by the
 * other family: there is a socket of each, on one port number.
 */
#include "xtr/lig.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/ctl_json.h"
#include "common/lisp.h"
#include "common/msg.h"

/*
 * Where a packet to the rest of the world would go, to learn the source address:
 * documentation prefixes, to which nothing is sent.
 */
static const char *const elsewhere[] = { "203.0.113.1", "2001:db8::1" };

struct lig {
	const struct lig_question *q;
	/* Towards the resolver; of the other family, or none. */
	int fd[2];
	struct addr itr[2];
	unsigned n_itr;
	uint16_t port; /* our UDP port */
	int said;      /* by ICMP: the last errno */
	uint64_t nonces[LIG_TRIES];
	int64_t sent_us[LIG_TRIES];
	unsigned tries;
};

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The source address that the kernel would take towards 'to'. */
static enum err
source_towards(const struct addr *to, struct addr *out)
{
	struct sockaddr_storage ss;
	unsigned len;
	socklen_t out_len = sizeof(ss);
	uint16_t port;
	int fd, saved;
	enum err err = ERR_IO;

	addr_to_sockaddr(to, LISP_CONTROL_PORT, &ss, &len);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_IO;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&ss, &out_len) == 0)
		err = addr_from_sockaddr((struct sockaddr *)&ss, out, &port);
	saved = errno;
	close(fd);
	errno = saved;
	return err;
}

/* A socket on 'itr' and 'port', or -1. */
static int
open_on(const struct addr *itr, uint16_t port)
{
	const bool v4 = itr->afi == AFI_IPV4;
	const int on = 1;
	struct sockaddr_storage ss;
	unsigned len;
	int fd, saved;

	addr_to_sockaddr(itr, port, &ss, &len);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* An ICMP error then is an error of the socket: why nobody answers. */
	(void)setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
	    v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static enum err
lig_open(struct lig *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr other, ignored;
	enum err err = source_towards(&l->q->resolver, &l->itr[0]);

	if (err)
		return err;
	l->fd[0] = open_on(&l->itr[0], 0);
	if (l->fd[0] < 0 ||
	    getsockname(l->fd[0], (struct sockaddr *)&ss, &len) < 0)
		return ERR_IO;
	err = addr_from_sockaddr((struct sockaddr *)&ss, &ignored, &l->port);
	if (err)
		return err;
	l->n_itr = 1;

	/* Without the other family it goes on, too. */
	if (addr_parse(elsewhere[l->itr[0].afi == AFI_IPV4], &other) ||
	    source_towards(&other, &l->itr[1]) || addr_is_martian(&l->itr[1]))
		return ERR_OK;
	l->fd[1] = open_on(&l->itr[1], l->port);
	if (l->fd[1] >= 0)
		l->n_itr = 2;
	return ERR_OK;
}

/*
 * Inner addresses are of one family (RFC 9301 5.8): of the EID's, the source
 * unspecified if we have no RLOC of it; for a MAC, RLOCs.
 */
static void
inner_addresses(const struct lig *l, struct ecm *ecm)
{
	static const uint8_t zero[16];
	uint16_t afi = l->q->eid.addr.afi;

	ecm->source = l->itr[0];
	ecm->destination = l->q->eid.addr;
	if (afi == AFI_MAC)
		ecm->destination = l->q->resolver;
	else if (afi != l->itr[0].afi)
		ecm->source = l->n_itr > 1 ? l->itr[1] : addr_make(afi, zero);
}

static enum err
lig_send(struct lig *l)
{
	struct map_request m = { .n_itr_rlocs = l->n_itr, .n_records = 1 };
	struct ecm ecm = { .source_port = l->port,
		.destination_port = LISP_CONTROL_PORT };
	uint8_t request[512], packet[1024];
	struct wire_writer w = wire_writer(request, sizeof(request));
	struct sockaddr_storage ss;
	unsigned len;

	if (getrandom(&m.nonce, sizeof(m.nonce), 0) != sizeof(m.nonce))
		return ERR_IO;
	for (unsigned i = 0; i < l->n_itr; i++)
		m.itr_rlocs[i] = lisp_addr_from_addr(&l->itr[i]);
	if (l->q->source.addr.afi != AFI_NONE)
		m.source_eid = lisp_addr_from_eid(&l->q->source);
	m.records[0].eid = lisp_addr_from_eid(&l->q->eid);
	m.records[0].eid_bits = l->q->eid.bits;
	map_request_encode(&w, &m);
	if (w.err)
		return w.err;
	inner_addresses(l, &ecm);
	ecm.payload = request;
	ecm.payload_len = wire_written(&w);
	w = wire_writer(packet, sizeof(packet));
	ecm_encode(&w, &ecm);
	if (w.err)
		return w.err;

	l->nonces[l->tries] = m.nonce;
	l->sent_us[l->tries++] = now_us();
	addr_to_sockaddr(&l->q->resolver, LISP_CONTROL_PORT, &ss, &len);
	for (unsigned i = 0; i < 2; i++) {
		if (sendto(l->fd[0], packet, wire_written(&w), 0,
			(struct sockaddr *)&ss, len) >= 0)
			return ERR_OK;
		/* The first may only report what became of the one before. */
		if (l->tries > 1)
			l->said = errno;
	}
	return l->tries > 1 ? ERR_OK : ERR_IO;
}

static json_t *
record_row(const struct lig *l, unsigned nth, const struct mapping *m,
    const struct addr *from, int64_t rtt_us)
{
	char nonce[20];
	struct eid eid;
	bool plain = !lisp_addr_eid(&m->eid, m->eid_bits, &eid);

	snprintf(nonce, sizeof(nonce), "%016llx",
	    (unsigned long long)l->nonces[nth]);
	return json_pack("{s:o, s:I, s:I, s:s, s:b, s:i, s:o, s:o, s:f,"
			 " s:o, s:s, s:i}",
	    "eid",
	    plain ? ctl_json_eid(&eid) : ctl_json_prefix(&m->eid, m->eid_bits),
	    "iid", plain ? (json_int_t)eid.iid : (json_int_t)0, "ttl_min",
	    (json_int_t)m->ttl_min, "action",
	    ctl_action_str(m->n_locators, m->action), "authoritative",
	    (int)m->authoritative, "version", (int)m->version, "locators",
	    ctl_json_locators(m), "from", ctl_json_addr(from), "rtt_ms",
	    (double)rtt_us / 1000, "resolver", ctl_json_addr(&l->q->resolver),
	    "nonce", nonce, "try", (int)nth + 1);
}

/* The rows of a datagram that answers us, or NULL. */
static json_t *
read_reply(const struct lig *l, const uint8_t *bytes, size_t len,
    const struct addr *from)
{
	struct map_reply reply;
	struct mapping m;
	int64_t now = now_us();
	unsigned i = 0;
	json_t *rows;

	if (msg_type(bytes, len) != LISP_MAP_REPLY ||
	    map_reply_decode(bytes, len, &reply))
		return NULL;
	while (i < l->tries && l->nonces[i] != reply.nonce)
		i++;
	if (i == l->tries)
		return NULL;
	rows = json_array();
	while (records_next(&reply.records, &m))
		json_array_append_new(
		    rows, record_row(l, i, &m, from, now - l->sent_us[i]));
	return rows;
}

/* What a socket has, if it is for us. */
static json_t *
lig_receive(struct lig *l, int fd)
{
	static const int wanted[] = { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
		EACCES, EMSGSIZE };
	uint8_t bytes[65536];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr from;
	uint16_t port;
	ssize_t n = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
	    (struct sockaddr *)&ss, &len);

	/* An ICMP error: perhaps the next try finds it up. */
	for (unsigned i = 0; n < 0 && i < sizeof(wanted) / sizeof(*wanted); i++)
		if (errno == wanted[i])
			l->said = errno;
	if (n < 0 || addr_from_sockaddr((struct sockaddr *)&ss, &from, &port))
		return NULL;
	return read_reply(l, bytes, (size_t)n, &from);
}

/* The queue of ICMP errors wakes poll() until it is read. */
static void
forget_errors(int fd)
{
	uint8_t bytes[64], control[512];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	do {
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
	} while (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0);
}

/* Waits until 'end_us'.  NULL if nothing came that is for us. */
static json_t *
lig_wait(struct lig *l, int64_t end_us)
{
	int64_t left_us;
	json_t *rows = NULL;

	while (!rows && (left_us = end_us - now_us()) > 0) {
		struct pollfd p[2] = { { .fd = l->fd[0], .events = POLLIN },
			{ .fd = l->fd[1], .events = POLLIN } };

		if (poll(p, 2, (int)(left_us / 1000) + 1) <= 0)
			continue;
		for (unsigned i = 0; i < 2 && !rows; i++) {
			if (p[i].revents)
				rows = lig_receive(l, l->fd[i]);
			if (p[i].revents & POLLERR)
				forget_errors(l->fd[i]);
		}
	}
	return rows;
}

enum err
lig_ask(const struct lig_question *q, json_t **rows)
{
	struct lig l = { .q = q, .fd = { -1, -1 } };
	enum err err = lig_open(&l);
	int saved;

	*rows = NULL;
	while (!err && !*rows && l.tries < LIG_TRIES) {
		err = lig_send(&l);
		if (!err)
			*rows = lig_wait(
			    &l, now_us() + LIG_WAIT_MS * INT64_C(1000));
	}
	saved = err ? errno : l.said;
	for (unsigned i = 0; i < 2; i++)
		if (l.fd[i] >= 0)
			close(l.fd[i]);
	errno = saved;
	if (err)
		return err;
	return *rows ? ERR_OK : ERR_NOT_FOUND;
}

unsigned
lig_resolve(
    const char *name, struct addr out[LIG_ADDRESSES_MAX], const char **error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct addrinfo *list = NULL;
	unsigned n = 0;
	uint16_t port;
	int code;

	if (!addr_parse(name, &out[0]) && out[0].afi != AFI_MAC)
		return 1;
	code = getaddrinfo(name, NULL, &hints, &list);
	if (code) {
		*error = gai_strerror(code);
		return 0;
	}
	for (const struct addrinfo *i = list; i && n < LIG_ADDRESSES_MAX;
	     i = i->ai_next)
		if (!addr_from_sockaddr(i->ai_addr, &out[n], &port))
			n++;
	freeaddrinfo(list);
	if (!n)
		*error = "no IP address";
	return n;
}
