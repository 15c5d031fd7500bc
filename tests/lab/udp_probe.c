/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp_probe.c - a steady stream of UDP to an echo service, and what became of it.
 *
 *     udp_probe [-r packets/s] [-s bytes] [-d seconds] [-b source] ADDRESS PORT
 *
 * Sends numbered packets until SIGINT, SIGTERM or the end of -d, waits one
 * second for the last echoes and prints one JSON object: counts, the longest
 * gap between two echoes with its wall-clock ends (ms since 1970), round-trip
 * times.  "reordered" are echoes older than one that came before; they are not
 * lost.  "tail_lost" counts the losses among the last half second of sending: 0
 * means that the other side answers now.
 *
 * Times of reception are the kernel's (SO_TIMESTAMPNS), so that a busy machine
 * delays the program and not the measurement.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x6c61626d6f766531ULL
#define SIZE_MIN 24
#define SIZE_MAX_UDP 1400
#define LINGER_MS 1000.0
#define PACKETS_MAX 4000000 /* 4 MB of marks: over an hour at 1000/s */
#define BURST_MAX 64	    /* packets sent per turn after a delay */

struct probe {
	int fd;
	double rate;
	size_t size;
	uint64_t id; /* of this run, so that old echoes do not count */
	uint32_t sent, received, duplicated, reordered, refused, highest;
	uint8_t *seen;	/* one per sequence number */
	double last_ms; /* wall clock of the last echo; 0 before */
	double gap_ms, gap_start_ms, gap_end_ms;
	double first_ms, rtt_min, rtt_max, rtt_sum;
};

struct payload {
	uint64_t magic, id;
	uint32_t seq;
	uint32_t pad;
	double sent_ms;
};

static double
clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

static void
send_one(struct probe *p)
{
	char data[SIZE_MAX_UDP] = { 0 };
	struct payload body = {
		.magic = MAGIC,
		.id = p->id,
		.seq = p->sent,
		.sent_ms = clock_ms(CLOCK_REALTIME),
	};

	memcpy(data, &body, sizeof(body));
	/* ECONNREFUSED and such belong to earlier packets; they show as losses. */
	if (send(p->fd, data, p->size, 0) < 0) {
		p->refused++;
		if (send(p->fd, data, p->size, 0) < 0 && errno == EAGAIN)
			return;
	}
	p->sent++;
}

static void
echo_came(struct probe *p, const struct payload *body, double at)
{
	double gap = at - p->last_ms, rtt = at - body->sent_ms;

	if (p->seen[body->seq]) {
		p->duplicated++;
		return;
	}
	p->seen[body->seq] = 1;
	if (p->received && body->seq < p->highest)
		p->reordered++;
	else
		p->highest = body->seq;
	if (p->received && gap > p->gap_ms) {
		p->gap_ms = gap;
		p->gap_start_ms = p->last_ms;
		p->gap_end_ms = at;
	}
	if (!p->received++) {
		p->first_ms = at;
		p->rtt_min = rtt;
	}
	p->last_ms = at;
	p->rtt_sum += rtt;
	if (rtt < p->rtt_min)
		p->rtt_min = rtt;
	if (rtt > p->rtt_max)
		p->rtt_max = rtt;
}

static void
receive_all(struct probe *p)
{
	char data[SIZE_MAX_UDP], control[256];
	struct payload body;
	struct cmsghdr *c;
	struct timespec t;
	ssize_t n;

	for (;;) {
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		n = recvmsg(p->fd, &m, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN) {
			p->refused++;
			continue;
		}
		if (n < 0)
			return;
		clock_gettime(CLOCK_REALTIME, &t);
		for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET &&
			    c->cmsg_type == SCM_TIMESTAMPNS)
				memcpy(&t, CMSG_DATA(c), sizeof(t));
		memcpy(&body, data, sizeof(body));
		if ((size_t)n == p->size && body.magic == MAGIC &&
		    body.id == p->id && body.seq < p->sent)
			echo_came(p, &body,
			    (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
	}
}

static void
run(struct probe *p, int sigfd, double seconds)
{
	struct itimerspec every = { 0 };
	struct pollfd fds[3];
	double start = clock_ms(CLOCK_MONOTONIC),
	       stop = seconds > 0 ? start + seconds * 1e3 : 0;
	double now, until = 0;
	uint64_t ticks;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), n;

	every.it_interval.tv_nsec = every.it_value.tv_nsec = 1000000;
	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
		die("timerfd");
	fds[0] = (struct pollfd){ .fd = p->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = timer, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("poll");
		now = clock_ms(CLOCK_MONOTONIC);
		receive_all(p);
		if (!until &&
		    ((fds[2].revents & POLLIN) || (stop && now >= stop) ||
			p->sent >= PACKETS_MAX)) {
			until = now + LINGER_MS;
			fds[2].fd = -1;
		}
		if (until && (now >= until || p->received == p->sent))
			return;
		if (!(fds[1].revents & POLLIN) ||
		    read(timer, &ticks, sizeof(ticks)) < 0)
			continue;
		for (n = 0; !until && n < BURST_MAX && p->sent < PACKETS_MAX &&
		     (double)p->sent < (now - start) * p->rate / 1e3;
		     n++)
			send_one(p);
	}
}

static void
print(const struct probe *p)
{
	uint32_t tail = (uint32_t)(p->rate / 2), tail_lost = 0, i;

	if (tail > p->sent)
		tail = p->sent;
	for (i = p->sent - tail; i < p->sent; i++)
		tail_lost += !p->seen[i];
	printf(
	    "{\"sent\": %u, \"received\": %u, \"lost\": %u, \"duplicated\": "
	    "%u, "
	    "\"reordered\": %u, \"refused\": %u, \"tail_lost\": %u,\n"
	    " \"gap_ms\": %.3f, \"gap_start_ms\": %.3f, \"gap_end_ms\": %.3f,\n"
	    " \"first_ms\": %.3f, \"last_ms\": %.3f,\n"
	    " \"rtt_min_ms\": %.3f, \"rtt_avg_ms\": %.3f, \"rtt_max_ms\": "
	    "%.3f}\n",
	    p->sent, p->received, p->sent - p->received, p->duplicated,
	    p->reordered, p->refused, tail_lost, p->gap_ms, p->gap_start_ms,
	    p->gap_end_ms, p->first_ms, p->last_ms, p->rtt_min,
	    p->received ? p->rtt_sum / p->received : 0.0, p->rtt_max);
}

static int
open_socket(const char *source, const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST };
	struct addrinfo *to, *from = NULL;
	int fd, on = 1, bytes = 1 << 20;

	if (getaddrinfo(address, port, &hints, &to))
		die(address);
	fd = socket(to->ai_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (source &&
	    (getaddrinfo(source, NULL, &hints, &from) ||
		bind(fd, from->ai_addr, from->ai_addrlen) < 0))
		die(source);
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		die("connect");
	freeaddrinfo(to);
	if (from)
		freeaddrinfo(from);
	return fd;
}

int
main(int argc, char **argv)
{
	struct probe p = { .rate = 1000,
		.size = 64,
		.id = (uint64_t)(clock_ms(CLOCK_REALTIME) * 1e3) };
	const char *source = NULL;
	double seconds = 0;
	sigset_t set;
	int opt, sigfd;

	while ((opt = getopt(argc, argv, "r:s:d:b:")) != -1) {
		if (opt == 'r')
			p.rate = atof(optarg);
		else if (opt == 's')
			p.size = (size_t)atoi(optarg);
		else if (opt == 'd')
			seconds = atof(optarg);
		else if (opt == 'b')
			source = optarg;
		else
			return 2;
	}
	if (argc - optind != 2 || p.rate <= 0 ||
	    p.size < sizeof(struct payload) || p.size > SIZE_MAX_UDP) {
		fprintf(stderr,
		    "usage: udp_probe [-r packets/s] [-s bytes] [-d seconds] "
		    "[-b source] ADDRESS PORT\n");
		return 2;
	}
	p.seen = calloc(PACKETS_MAX, 1);
	if (!p.seen)
		die("calloc");
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, 0);
	p.fd = open_socket(source, argv[optind], argv[optind + 1]);
	run(&p, sigfd, seconds);
	print(&p);
	free(p.seen);
	return 0;
}
