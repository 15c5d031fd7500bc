/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_ecm.c - ECM with its inner headers, RFC 9301 5.8. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct ecm *m)
{
	static struct map_request inner;
	int type = msg_type(m->payload, m->payload_len);

	inside(bytes, len, m->payload, m->payload_len);
	if (m->security)
		inside(bytes, len, m->security_data, m->security_len);
	CHECK(m->source.afi == m->destination.afi);
	CHECK(m->source_port != LISP_DATA_PORT);
	CHECK(type != LISP_ECM && type != LISP_MAP_REPLY);
	if (!map_request_decode(m->payload, m->payload_len, &inner))
		CHECK(!inner.probe);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(ecm, ecm_decode, ecm_encode, walk, bytes, len);
	return 0;
}
