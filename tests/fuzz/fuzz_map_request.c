/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_map_request.c - Map-Request, RFC 9301 5.2. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct map_request *m)
{
	addr_walk(bytes, len, &m->source_eid);
	CHECK(m->n_itr_rlocs >= 1 && m->n_itr_rlocs <= LISP_ITR_RLOCS_MAX);
	for (unsigned i = 0; i < m->n_itr_rlocs; i++)
		addr_walk(bytes, len, &m->itr_rlocs[i]);
	CHECK(m->n_records >= 1 && m->n_records <= LISP_RECORDS_MAX);
	for (unsigned i = 0; i < m->n_records; i++)
		eid_walk(
		    bytes, len, &m->records[i].eid, m->records[i].eid_bits);
	if (m->has_mapping)
		records_walk(bytes, len, m->mapping, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(map_request, map_request_decode, request_reencode, walk,
	    bytes, len);
	return 0;
}
