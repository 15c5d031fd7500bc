/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap_watch.c - when did packets for an address appear on an interface?
 *
 *     tap_watch [-lu] PATTERN ADDRESS
 *
 * Watches every interface whose name matches PATTERN ("vnet*"), also those that
 * appear later, for IPv4 packets to ADDRESS: what the kernel sends there, which
 * on a tap is what the guest gets.  With -l it looks for what arrives in UDP 4341
 * instead and at the packet inside, which is what a LISP router gets on its
 * uplink.  With -u only UDP counts.  On SIGINT or SIGTERM it prints, per source
 * address, the count and the wall-clock times (ms since 1970) of the first
 * packets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LISP_DATA 4341
#define UDP 17
#define LISP_HEADER 8
#define SOURCES_MAX 64
#define TIMES_MAX 100000
#define IFACES_MAX 64

struct source {
	uint32_t address_be;
	unsigned long count;
	double *times; /* of the first TIMES_MAX packets */
};

struct iface {
	int index, wanted;
};

struct watch {
	const char *pattern;
	uint32_t to_be;
	int lisp, udp;
	struct source sources[SOURCES_MAX];
	unsigned n_sources, n_ifaces;
	struct iface ifaces[IFACES_MAX];
	unsigned long other; /* packets of sources beyond SOURCES_MAX */
};

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

/* An index is never used again within a namespace, so names need one look. */
static int
iface_wanted(struct watch *w, int index)
{
	char name[IF_NAMESIZE];
	int wanted;

	for (unsigned i = 0; i < w->n_ifaces; i++)
		if (w->ifaces[i].index == index)
			return w->ifaces[i].wanted;
	if (!if_indextoname((unsigned)index, name))
		return 0;
	wanted = fnmatch(w->pattern, name, 0) == 0;
	if (w->n_ifaces < IFACES_MAX)
		w->ifaces[w->n_ifaces++] = (struct iface){ index, wanted };
	return wanted;
}

/* Returns the length of an IP and UDP header for LISP data, or 0. */
static size_t
outer_length(const uint8_t *p, size_t n)
{
	size_t ip;

	if (n >= 20 && p[0] >> 4 == 4 && p[9] == UDP)
		ip = (size_t)(p[0] & 15) * 4;
	else if (n >= 40 && p[0] >> 4 == 6 && p[6] == UDP)
		ip = 40;
	else
		return 0;
	if (n < ip + 8 || (p[ip + 2] << 8 | p[ip + 3]) != LISP_DATA)
		return 0;
	return ip + 8;
}

static void
note(struct watch *w, uint32_t from_be, double at)
{
	struct source *s = w->sources;

	while (s < w->sources + w->n_sources && s->address_be != from_be)
		s++;
	if (s == w->sources + w->n_sources) {
		if (w->n_sources == SOURCES_MAX) {
			w->other++;
			return;
		}
		s->address_be = from_be;
		s->times = calloc(TIMES_MAX, sizeof(*s->times));
		if (!s->times)
			die("calloc");
		w->n_sources++;
	}
	if (s->count < TIMES_MAX)
		s->times[s->count] = at;
	s->count++;
}

static void
packet_came(struct watch *w, const uint8_t *p, size_t n, double at)
{
	uint32_t from, to;
	size_t skip;

	if (w->lisp) {
		skip = outer_length(p, n);
		if (!skip || n < skip + LISP_HEADER)
			return;
		p += skip + LISP_HEADER;
		n -= skip + LISP_HEADER;
	}
	if (n < 20 || p[0] >> 4 != 4)
		return;
	memcpy(&from, p + 12, 4);
	memcpy(&to, p + 16, 4);
	if (to == w->to_be && (!w->udp || p[9] == UDP))
		note(w, from, at);
}

static void
receive_all(struct watch *w, int fd)
{
	uint8_t data[128];
	char control[256];
	struct sockaddr_ll ll;
	struct cmsghdr *c;
	struct timespec t;
	ssize_t n;

	for (;;) {
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = {
			.msg_name = &ll,
			.msg_namelen = sizeof(ll),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		n = recvmsg(fd, &m, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) /* an interface went down */
			continue;
		if ((ll.sll_pkttype == PACKET_OUTGOING) == w->lisp ||
		    !iface_wanted(w, ll.sll_ifindex))
			continue;
		clock_gettime(CLOCK_REALTIME, &t);
		for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET &&
			    c->cmsg_type == SCM_TIMESTAMPNS)
				memcpy(&t, CMSG_DATA(c), sizeof(t));
		packet_came(w, data, (size_t)n,
		    (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
	}
}

static void
print(const struct watch *w)
{
	char text[INET_ADDRSTRLEN];

	printf("{\"other\": %lu, \"sources\": {", w->other);
	for (unsigned i = 0; i < w->n_sources; i++) {
		const struct source *s = &w->sources[i];

		inet_ntop(AF_INET, &s->address_be, text, sizeof(text));
		printf("%s\n \"%s\": {\"count\": %lu, \"times\": [",
		    i ? "," : "", text, s->count);
		for (unsigned long j = 0; j < s->count && j < TIMES_MAX; j++)
			printf("%s%.3f", j ? ", " : "", s->times[j]);
		printf("]}");
	}
	printf("}}\n");
}

int
main(int argc, char **argv)
{
	static struct watch w;
	struct pollfd fds[2];
	sigset_t set;
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL) };
	int opt, on = 1, bytes = 1 << 22;

	while ((opt = getopt(argc, argv, "lu")) != -1) {
		if (opt == 'l')
			w.lisp = 1;
		else if (opt == 'u')
			w.udp = 1;
		else
			return 2;
	}
	if (argc - optind != 2 ||
	    inet_pton(AF_INET, argv[optind + 1], &w.to_be) != 1) {
		fprintf(stderr, "usage: tap_watch [-lu] PATTERN ADDRESS\n");
		return 2;
	}
	w.pattern = argv[optind];
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fds[0] =
	    (struct pollfd){ .fd = signalfd(-1, &set, 0), .events = POLLIN };
	fds[1] = (struct pollfd){ .events = POLLIN };
	/* ETH_P_ALL: a socket of one protocol is not shown what is sent. */
	fds[1].fd =
	    socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
	if (fds[1].fd < 0)
		die("socket");
	/* An interface that is there already need not be picked out of all. */
	ll.sll_ifindex = (int)if_nametoindex(w.pattern);
	if (ll.sll_ifindex &&
	    bind(fds[1].fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die("bind");
	setsockopt(fds[1].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	setsockopt(
	    fds[1].fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	while (!(fds[0].revents & POLLIN)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		receive_all(&w, fds[1].fd);
	}
	print(&w);
	for (unsigned i = 0; i < w.n_sources; i++)
		free(w.sources[i].times);
	return 0;
}
