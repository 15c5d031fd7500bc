/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_map_register.c - Map-Register and its MAC, RFC 9301 5.6. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct map_register *m)
{
	uint8_t *copy = malloc(len);

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
	ROUND_TRIP(map_register, map_register_decode, register_reencode, walk,
	    bytes, len);
	return 0;
}
