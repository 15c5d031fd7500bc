/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_info.c - Info-Request, Info-Reply, draft-ermagan-lisp-nat-traversal. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct info *m)
{
	uint8_t *copy = malloc(len);
	struct lcaf l;

	eid_walk(bytes, len, &m->eid, m->eid_bits);
	addr_walk(bytes, len, m->reply ? &m->nat : &m->name);
	inside(bytes, len, m->auth.data, m->auth.len);
	inside(bytes, len, m->trailer, m->trailer_len);
	if (m->reply)
		CHECK(lcaf_decode(&m->nat, &l) == ERR_OK && l.type == LCAF_NAT);
	memcpy(copy, bytes, len);
	mac_walk(copy, len);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(info, info_decode, info_encode, walk, bytes, len);
	return 0;
}
