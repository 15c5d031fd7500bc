/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_data_header.c - the header of data packets, RFC 9300 5, RFC 9305. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct data_header *h)
{
	inside(bytes, len, h->inner, h->inner_len);
	CHECK(h->inner_len >= 14);
	CHECK(!(h->has_nonce && h->has_version));
	CHECK(h->nonce >> 24 == 0 && h->iid >> 24 == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(
	    data_header, data_header_decode, data_reencode, walk, bytes, len);
	return 0;
}
