/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_map_referral.c - Map-Referral and its signatures, RFC 8111 6.4. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct map_referral *m)
{
	static struct referral record;
	struct records records = m->records;
	unsigned n = 0;

	inside(bytes, len, m->records.at, m->records.len);
	inside(bytes, len, m->trailer, m->trailer_len);
	for (; referrals_next(&records, &record); n++) {
		eid_walk(bytes, len, &record.eid, record.eid_bits);
		CHECK(record.action <= LISP_NOT_AUTHORITATIVE);
		CHECK(record.action > LISP_MS_ACK || record.n_locators);
		for (unsigned i = 0; i < record.n_locators; i++)
			addr_walk(bytes, len, &record.locators[i].addr);
		for (unsigned i = 0; i < record.n_signatures; i++)
			inside(bytes, len, record.signatures[i].data,
			    record.signatures[i].len);
	}
	CHECK(n == m->n_records && records.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(map_referral, map_referral_decode, referral_reencode, walk,
	    bytes, len);
	return 0;
}
