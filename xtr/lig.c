/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lig.c - asks a Map-Resolver about an EID and waits for the Map-Reply.
 *
 * For xtrctl only: it needs no daemon, no privilege and may block.  The answer
 * comes from whoever the mapping system asked, so the socket is not connected;
 * the nonces of what was sent say which Map-Reply is ours.
 */
#include "xtr/lig.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/ctl_json.h"
#include "common/lisp.h"
#include "common/msg.h"

struct lig {
	int fd;
	const struct eid *eid;
	const struct addr *resolver;
	struct addr itr; /* our address towards the resolver */
	uint16_t port;	 /* our UDP port */
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

static enum err
lig_open(struct lig *l)
{
	struct sockaddr_storage ss;
	unsigned len;
	socklen_t out_len = sizeof(ss);
	struct addr ignored;
	enum err err = source_towards(l->resolver, &l->itr);

	if (err)
		return err;
	addr_to_sockaddr(&l->itr, 0, &ss, &len);
	l->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&ss, len) < 0 ||
	    getsockname(l->fd, (struct sockaddr *)&ss, &out_len) < 0)
		return ERR_IO;
	return addr_from_sockaddr((struct sockaddr *)&ss, &ignored, &l->port);
}

/*
 * Inner addresses are of one family (RFC 9301 5.8): of the EID's, the source
 * unspecified if our RLOC is of the other one; for a MAC, RLOCs.
 */
static void
inner_addresses(const struct lig *l, struct ecm *ecm)
{
	static const uint8_t zero[16];
	uint16_t afi = l->eid->addr.afi;

	ecm->source = l->itr;
	ecm->destination = l->eid->addr;
	if (afi == AFI_MAC)
		ecm->destination = *l->resolver;
	else if (afi != l->itr.afi)
		ecm->source = addr_make(afi, zero);
}

static enum err
lig_send(struct lig *l)
{
	struct map_request m = { .n_itr_rlocs = 1, .n_records = 1 };
	struct ecm ecm = { .source_port = l->port,
		.destination_port = LISP_CONTROL_PORT };
	uint8_t request[512], packet[1024];
	struct wire_writer w = wire_writer(request, sizeof(request));
	struct sockaddr_storage ss;
	unsigned len;

	if (getrandom(&m.nonce, sizeof(m.nonce), 0) != sizeof(m.nonce))
		return ERR_IO;
	m.itr_rlocs[0] = lisp_addr_from_addr(&l->itr);
	m.records[0].eid = lisp_addr_from_eid(l->eid);
	m.records[0].eid_bits = l->eid->bits;
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
	addr_to_sockaddr(l->resolver, LISP_CONTROL_PORT, &ss, &len);
	return sendto(l->fd, packet, wire_written(&w), 0,
		   (struct sockaddr *)&ss, len) < 0
	    ? ERR_IO
	    : ERR_OK;
}

static json_t *
record_row(const struct mapping *m, const struct addr *from, int64_t rtt_us)
{
	struct eid eid;
	bool plain = !lisp_addr_eid(&m->eid, m->eid_bits, &eid);

	return json_pack("{s:o, s:I, s:I, s:s, s:b, s:i, s:o, s:o, s:f}", "eid",
	    plain ? ctl_json_eid(&eid) : ctl_json_prefix(&m->eid, m->eid_bits),
	    "iid", plain ? (json_int_t)eid.iid : (json_int_t)0, "ttl_min",
	    (json_int_t)m->ttl_min, "action",
	    ctl_action_str(m->n_locators, m->action), "authoritative",
	    (int)m->authoritative, "version", (int)m->version, "locators",
	    ctl_json_locators(m), "from", ctl_json_addr(from), "rtt_ms",
	    (double)rtt_us / 1000);
}

/* The rows of a datagram that answers us, or NULL. */
static json_t *
read_reply(const struct lig *l, const uint8_t *bytes, size_t len,
    const struct addr *from)
{
	struct map_reply reply;
	struct mapping m;
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
		    rows, record_row(&m, from, now_us() - l->sent_us[i]));
	return rows;
}

/* Waits until 'end_us'.  NULL if nothing came that is for us. */
static json_t *
lig_wait(const struct lig *l, int64_t end_us)
{
	uint8_t bytes[65536];
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	struct sockaddr_storage ss;
	int64_t left_us;
	json_t *rows = NULL;

	while (!rows && (left_us = end_us - now_us()) > 0) {
		socklen_t ss_len = sizeof(ss);
		struct addr from;
		uint16_t port;
		ssize_t n;

		if (poll(&p, 1, (int)(left_us / 1000) + 1) <= 0)
			continue;
		n = recvfrom(l->fd, bytes, sizeof(bytes), 0,
		    (struct sockaddr *)&ss, &ss_len);
		/* An ICMP error: perhaps the next try finds it up. */
		if (n < 0)
			continue;
		if (!addr_from_sockaddr((struct sockaddr *)&ss, &from, &port))
			rows = read_reply(l, bytes, (size_t)n, &from);
	}
	return rows;
}

enum err
lig_ask(const struct eid *eid, const struct addr *resolver, json_t **rows)
{
	struct lig l = { .fd = -1, .eid = eid, .resolver = resolver };
	enum err err = lig_open(&l);
	int saved;

	*rows = NULL;
	while (!err && !*rows && l.tries < LIG_TRIES) {
		err = lig_send(&l);
		if (!err)
			*rows = lig_wait(
			    &l, now_us() + LIG_WAIT_MS * INT64_C(1000));
	}
	saved = errno;
	if (l.fd >= 0)
		close(l.fd);
	errno = saved;
	if (err)
		return err;
	return *rows ? ERR_OK : ERR_NOT_FOUND;
}
