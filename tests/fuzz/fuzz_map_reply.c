/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_map_reply.c - Map-Reply, RFC 9301 5.4. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct map_reply *m)
{
	static struct mapping record;
	struct records records = m->records;

	records_walk(bytes, len, m->records, m->n_records);
	inside(bytes, len, m->trailer, m->trailer_len);
	while (m->probe && records_next(&records, &record))
		CHECK(record.authoritative);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(
	    map_reply, map_reply_decode, reply_reencode, walk, bytes, len);
	return 0;
}
