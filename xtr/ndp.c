/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ndp.c - a neighbour discovery proxy for what is elsewhere.
 *
 * A packet socket per segment with a filter in the kernel, so that only
 * solicitations wake us.  Duplicate address detection (source "::") is never
 * answered: a VM that comes back must get its address.  We also keep silent for
 * EIDs that live here or are arriving, which answer for themselves.
 *
 * The interface is told to take all multicast; a bridge with multicast snooping
 * may still keep a solicitation from us until its membership entry of the old
 * place of the VM ages out.
 */
#include "ndp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xtr/eids.h"
#include "xtr/neighbour.h"

enum {
	TURN = 64, /* frames per turn of the loop */
	FRAME_MAX = 2048,
};

struct ndp {
	struct xtr *x;
	char segment[IFNAMSIZ];
	struct addr mac;
	int fd;
	struct loop_fd *event;
};

bool
ndp_answers(const struct xtr *x, const char *segment, const struct addr *target)
{
	const struct eid eid = eid_host(0, target);
	const struct conf_mobile_prefix *p = conf_mobile_find(x->conf, &eid);
	const struct eid_entry *e;

	if (!p || !p->segment || strcmp(p->segment, segment) != 0 ||
	    addr_equal(&p->gateway, target))
		return false;
	e = eids_find(x->eids, &eid);
	return !e || (!eid_is_ours(e) && e->state != EID_ARRIVING);
}

static void
on_frame(struct ndp *n, const uint8_t *bytes, size_t len,
    const struct sockaddr_ll *from)
{
	static const struct addr unspecified = { AFI_IPV6, { 0 } };
	uint8_t answer[NEIGHBOUR_FRAME_MAX];
	struct neighbour_solicitation s;
	size_t size;

	if (from->sll_pkttype == PACKET_OUTGOING ||
	    !neighbour_solicitation_parse(bytes, len, &s) ||
	    addr_equal(&s.source, &unspecified) ||
	    !ndp_answers(n->x, n->segment, &s.target))
		return;
	size = neighbour_answer(&s, &n->mac, answer);
	if (send(n->fd, answer, size, 0) < 0)
		n->x->counters.kernel_errors++;
}

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct ndp *n = arg;

	(void)what;
	for (unsigned i = 0; i < TURN; i++) {
		struct sockaddr_ll from = { 0 };
		uint8_t frame[FRAME_MAX];
		socklen_t size = sizeof(from);
		ssize_t len = recvfrom(fd, frame, sizeof(frame), 0,
		    (struct sockaddr *)&from, &size);

		if (len < 0)
			return;
		on_frame(n, frame, (size_t)len, &from);
	}
}

/* Solicitations with the hop limit of this link, and nothing else. */
static bool
set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 7),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 255, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 40),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_SOLICIT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(*code),
		code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		   sizeof(program)) == 0;
}

static bool
listen_on(int fd, int ifindex)
{
	const struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IPV6),
		.sll_ifindex = ifindex };
	const struct packet_mreq all = { .mr_ifindex = ifindex,
		.mr_type = PACKET_MR_ALLMULTI };

	/* The filter first: the socket gets frames as soon as it is bound. */
	return set_filter(fd) &&
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
	    setsockopt(
		fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0;
}

enum err
ndp_new(struct xtr *x, const char *segment, int ifindex, const struct addr *mac,
    struct ndp **out)
{
	struct ndp *n = calloc(1, sizeof(*n));

	if (!n)
		return ERR_NOMEM;
	n->x = x;
	snprintf(n->segment, sizeof(n->segment), "%s", segment);
	n->mac = *mac;
	n->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (n->fd < 0 || !listen_on(n->fd, ifindex)) {
		log_error("segment", "%s: neighbour solicitations: %s", segment,
		    strerror(errno));
		ndp_free(n);
		return ERR_IO;
	}
	n->event = loop_fd_new(x->loop, n->fd, LOOP_READ, on_readable, n);
	if (!n->event) {
		ndp_free(n);
		return ERR_NOMEM;
	}
	*out = n;
	return ERR_OK;
}

void
ndp_free(struct ndp *n)
{
	if (!n)
		return;
	loop_fd_free(n->event);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}
