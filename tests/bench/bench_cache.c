/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_cache.c - the map-cache with a million entries: memory, longest match,
 * and how long the loop is held up when all of them expire or are refreshed.
 *
 * The table is that of a whole xTR on a fake clock (tests/unit/xtr/node.h) with
 * its store; the clock follows the real one, so that a turn that takes long
 * finds as much more to do as it would have.  Map-Requests are answered in the
 * next turns, by as many Map-Replies as one turn takes from its sockets.
 */
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "common/service.h"
#include "tests/bench/bench.h"
#include "tests/unit/xtr/node.h"

enum {
	ENTRIES = 1000000,
	LOOKUPS = 4000000,
	ROUNDS = 3,
	REPLIES_PER_TURN = 256,
	TTL_MIN = 10,
};

/* --- a million prefixes --- */

/* A number without a pattern for each index; no two alike (odd multiplier). */
static uint32_t
scatter(uint32_t i)
{
	return i * UINT32_C(2654435761);
}

/* 32.0.0.0/3 holds 2^24 of these /27. */
static struct eid
eid_number(uint32_t i)
{
	const uint32_t bits =
	    UINT32_C(0x20000000) | (scatter(i) >> 3 & UINT32_C(0x1fffffe0));
	const uint8_t bytes[4] = { (uint8_t)(bits >> 24), (uint8_t)(bits >> 16),
		(uint8_t)(bits >> 8), (uint8_t)bits };
	const struct addr a = addr_make(AFI_IPV4, bytes);

	return eid_make(0, &a, 27);
}

static struct mapping
mapping_number(const struct eid *eid)
{
	static const uint8_t rlocs[2][4] = { { 203, 0, 113, 7 },
		{ 198, 51, 100, 7 } };
	struct mapping m = { .ttl_min = TTL_MIN,
		.eid_bits = eid->bits,
		.authoritative = true,
		.n_locators = 2 };

	m.eid = lisp_addr_from_eid(eid);
	for (unsigned i = 0; i < 2; i++) {
		const struct addr a = addr_make(AFI_IPV4, rlocs[i]);

		m.locators[i] = (struct locator){ .priority = 1,
			.weight = 50,
			.reachable = true,
			.addr = lisp_addr_from_addr(&a) };
	}
	return m;
}

/* What of it would have to be kept anyway, without padding or pointers. */
enum {
	RAW_LOCATOR = 2 + 4 + 1 + 1 + 1, /* AFI, address, priority, weight, R */
	RAW = 4 + 2 + 4 + 1		 /* instance-ID, AFI, address, length */
	    + 1 + 4 + 8			 /* action, TTL, expiry */
	    + 8 + 8 + 8			 /* last use, packets, octets */
	    + 1 + 2 * RAW_LOCATOR,
};

/* --- the xTR --- */

struct question {
	uint64_t nonce;
	struct eid eid;
};

struct world {
	struct node *n;
	struct question *asked; /* a ring: first to be answered at 'done' */
	size_t n_asked, done;
	bool silent; /* nobody answers */
	double longest_us, longest_cpu_us;
};

static void
on_message(void *arg, const struct addr *to, uint16_t port,
    const uint8_t *bytes, size_t len)
{
	struct world *w = arg;
	struct map_request m;
	struct ecm ecm;
	struct question *q = &w->asked[w->n_asked % ENTRIES];

	(void)to;
	(void)port;
	if (msg_type(bytes, len) != LISP_ECM || ecm_decode(bytes, len, &ecm) ||
	    map_request_decode(ecm.payload, ecm.payload_len, &m) ||
	    lisp_addr_eid(&m.records[0].eid, m.records[0].eid_bits, &q->eid))
		return;
	q->nonce = m.nonce;
	w->n_asked++;
}

static void
start(struct world *w, int64_t cache_max)
{
	struct node *n = node_new();

	node_stop(n);
	n->conf.itr.cache_max = cache_max;
	n->conf.itr.pending_max = 4096;
	n->conf.state.size_mib = 4096;
	node_start(n);
	*w = (struct world){ .n = n,
		.asked = calloc(ENTRIES, sizeof(*w->asked)) };
	assert_non_null(w->asked);
	output_divert(&n->x, on_message, w);
}

static void
stop(struct world *w)
{
	node_free(w->n);
	free(w->asked);
}

static void
fill(struct world *w, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct eid eid = eid_number(i);
		const struct mapping m = mapping_number(&eid);

		assert_int_equal(map_cache_store(&w->n->x, &eid, &m), ERR_OK);
		if (i % 1000 == 0)
			input_turn_end(&w->n->x);
	}
	input_turn_end(&w->n->x);
	assert_int_equal(map_cache_count(w->n->x.map_cache), count);
}

/* --- memory --- */

static double
resident(void)
{
	unsigned long all, here;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &here), 2);
	fclose(f);
	return (double)here * (double)sysconf(_SC_PAGESIZE);
}

static void
measure_bytes(void)
{
	struct bench_rounds r = { 0 };

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct world w;
		struct store *store;
		double before;

		start(&w, ENTRIES);
		/* The store's pages are a file's. */
		store = w.n->x.store;
		w.n->x.store = NULL;
		malloc_trim(0);
		before = resident();
		fill(&w, ENTRIES);
		bench_round(&r, (resident() - before) / ENTRIES, RAW);
		w.n->x.store = store;
		stop(&w);
	}
	bench_print("cache.bytes", "bytes per entry",
	    "the octets of the record's fields, two IPv4 locators", &r);
}

/* --- longest match --- */

static int
compare_prefix(const void *a, const void *b)
{
	return memcmp(a, b, 4);
}

/* Ours and a binary search in a sorted array, both with the same addresses. */
static void
measure_lookups(void)
{
	struct bench_rounds r = { 0 };
	uint8_t(*sorted)[4] = calloc(ENTRIES, sizeof(*sorted));
	struct world w;
	struct store *store;

	assert_non_null(sorted);
	start(&w, ENTRIES);
	store = w.n->x.store;
	w.n->x.store = NULL;
	fill(&w, ENTRIES);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		const struct eid eid = eid_number(i);

		memcpy(sorted[i], eid.addr.bytes, 4);
	}
	qsort(sorted, ENTRIES, sizeof(*sorted), compare_prefix);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t hits[2] = { 0 };
		double at[3];

		at[0] = bench_now_us();
		for (uint32_t i = 0; i < LOOKUPS; i++) {
			struct eid eid = eid_number(scatter(i) % ENTRIES);

			eid.addr.bytes[3] |= i & 31;
			eid = eid_host(0, &eid.addr);
			hits[0] +=
			    map_cache_match(w.n->x.map_cache, &eid) != NULL;
		}
		at[1] = bench_now_us();
		for (uint32_t i = 0; i < LOOKUPS; i++) {
			struct eid eid = eid_number(scatter(i) % ENTRIES);

			eid.addr.bytes[3] |= i & 31;
			eid = eid_host(0, &eid.addr);
			eid.addr.bytes[3] &= 0xe0;
			hits[1] += bsearch(eid.addr.bytes, sorted, ENTRIES, 4,
				       compare_prefix) != NULL;
		}
		at[2] = bench_now_us();
		assert_int_equal(hits[0], LOOKUPS);
		assert_int_equal(hits[1], LOOKUPS);
		bench_round(&r, LOOKUPS / ((at[1] - at[0]) / 1e6),
		    LOOKUPS / ((at[2] - at[1]) / 1e6));
	}
	bench_print("cache.lookups", "lookups per second",
	    "binary search in a sorted array of the same prefixes", &r);
	w.n->x.store = store;
	stop(&w);
	free(sorted);
}

/* --- the loop --- */

static void
answer_some(struct world *w)
{
	for (unsigned i = 0; i < REPLIES_PER_TURN && w->done < w->n_asked;
	     i++) {
		const struct question *q = &w->asked[w->done++ % ENTRIES];
		const struct mapping mapping = mapping_number(&q->eid);
		const struct map_reply m = { .nonce = q->nonce,
			.n_records = 1 };
		uint8_t bytes[512];
		struct wire_writer out = wire_writer(bytes, sizeof(bytes));
		struct datagram dg = { .bytes = bytes,
			.from = A("203.0.113.7"),
			.port = LISP_CONTROL_PORT };

		map_reply_header(&out, &m);
		mapping_encode(&out, &mapping);
		dg.len = wire_written(&out);
		/* It may be late: counted there. */
		(void)!input_datagram(&w->n->x, &dg);
	}
	input_turn_end(&w->n->x);
}

/* One turn with what came meanwhile; the clock follows. */
static void
turn(struct world *w)
{
	const double before = bench_now_us(), cpu_before = bench_cpu_us();
	double us, cpu_us;

	if (w->done < w->n_asked && !w->silent)
		answer_some(w);
	loop_poll(w->n->x.loop);
	us = bench_now_us() - before;
	cpu_us = bench_cpu_us() - cpu_before;
	if (us > w->longest_us)
		w->longest_us = us;
	if (cpu_us > w->longest_cpu_us)
		w->longest_cpu_us = cpu_us;
	clock_advance(&w->n->clock, (int64_t)us + 1);
}

static bool
expired(struct world *w)
{
	return map_cache_count(w->n->x.map_cache) == 0;
}

static bool
refreshed(struct world *w)
{
	return w->done >= ENTRIES;
}

/*
 * Turns from 'at_ms' after now until 'over', at the latest at 'end_ms'; the
 * clock jumps a millisecond when nothing is due.
 */
static double
stall_us(struct world *w, int64_t at_ms, int64_t end_ms,
    bool (*over)(struct world *))
{
	const struct mono begin = clock_mono(&w->n->clock);

	clock_advance(&w->n->clock, at_ms * 1000);
	w->longest_us = w->longest_cpu_us = 0;
	while (!over(w) &&
	    mono_before(clock_mono(&w->n->clock), mono_add_ms(begin, end_ms))) {
		turn(w);
		clock_advance(&w->n->clock, 100);
	}
	return w->longest_us;
}

static bool
use_one(void *arg, struct map_cache_entry *e)
{
	map_cache_used(e, 100, clock_mono(arg));
	return true;
}

static void
tick(void *arg)
{
	(void)arg;
}

/* Turns that do nothing but run a timer, for as long. */
static double
idle_us(struct world *w, double for_us, double *longest_cpu_us)
{
	struct loop_timer *t = loop_timer_new(w->n->x.loop, tick, NULL);
	const double end = bench_now_us() + for_us;
	double longest = 0;

	assert_non_null(t);
	while (bench_now_us() < end) {
		const double before = bench_now_us(),
			     cpu_before = bench_cpu_us();
		double us, cpu_us;

		loop_timer_set(t, 0);
		loop_poll(w->n->x.loop);
		us = bench_now_us() - before;
		cpu_us = bench_cpu_us() - cpu_before;
		if (cpu_us > *longest_cpu_us)
			*longest_cpu_us = cpu_us;
		if (us > longest)
			longest = us;
	}
	loop_timer_free(t);
	return longest;
}

static void
measure_stalls(void)
{
	const int64_t ttl_ms = TTL_MIN * 60000;
	struct bench_rounds r = { 0 }, cpu = { 0 };

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct world w;
		double refresh, expiry, idle, idle_cpu = 0, begin, took;
		double longest_cpu;

		start(&w, ENTRIES);
		fill(&w, ENTRIES);
		/* All are in use when 90 % of their time is over. */
		clock_advance(&w.n->clock, ttl_ms * 890);
		map_cache_walk(w.n->x.map_cache, use_one, &w.n->clock);
		begin = bench_now_us();
		refresh = stall_us(&w, ttl_ms / 100, ttl_ms / 10, refreshed);
		fprintf(stderr,
		    "bench_cache: %zu of %d refreshed, longest turn %.2f ms "
		    "(%.2f ms of CPU)\n",
		    w.done, ENTRIES, refresh / 1e3, w.longest_cpu_us / 1e3);
		took = bench_now_us() - begin;
		longest_cpu = w.longest_cpu_us;
		/* Then nothing uses them any more. */
		w.silent = true;
		begin = bench_now_us();
		expiry = stall_us(&w, ttl_ms + 60000, 2 * ttl_ms, expired);
		fprintf(stderr,
		    "bench_cache: %zu of %d left, longest turn %.2f ms (%.2f "
		    "ms of CPU)\n",
		    map_cache_count(w.n->x.map_cache), ENTRIES, expiry / 1e3,
		    w.longest_cpu_us / 1e3);
		assert_int_equal(map_cache_count(w.n->x.map_cache), 0);
		took += bench_now_us() - begin;
		if (w.longest_cpu_us > longest_cpu)
			longest_cpu = w.longest_cpu_us;
		idle = idle_us(&w, took, &idle_cpu);
		bench_round(&cpu, longest_cpu / 1e3, idle_cpu / 1e3);
		bench_round(&r, (refresh > expiry ? refresh : expiry) / 1e3,
		    idle / 1e3);
		stop(&w);
	}
	bench_print("cache.longest_turn_cpu_ms", "ms of CPU",
	    "longest turn of a loop that has nothing to do, polled for as long",
	    &cpu);
	bench_print("cache.longest_stall_ms", "ms",
	    "longest turn of a loop that has nothing to do, polled for as long",
	    &r);
}

int
main(int argc, char **argv)
{
	service_allocate(); /* as main.c does */
	if (argc < 2 || strstr(argv[1], "bytes"))
		measure_bytes();
	if (argc < 2 || strstr(argv[1], "lookups"))
		measure_lookups();
	if (argc < 2 || strstr(argv[1], "stalls"))
		measure_stalls();
	return 0;
}
