/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_map_notify.c - Map-Notify, Map-Notify-Ack and MAC, RFC 9301 5.7. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct map_notify *m)
{
	uint8_t *copy = malloc(len);

	CHECK(m->type == LISP_MAP_NOTIFY || m->type == LISP_MAP_NOTIFY_ACK);
	records_walk(bytes, len, m->records, m->n_records);
	inside(bytes, len, m->auth.data, m->auth.len);
	inside(bytes, len, m->trailer, m->trailer_len);
	memcpy(copy, bytes, len);
	mac_walk(copy, len);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(
	    map_notify, map_notify_decode, notify_reencode, walk, bytes, len);
	return 0;
}
