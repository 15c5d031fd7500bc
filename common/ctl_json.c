/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_json.c - addresses, EIDs, locators as JSON, for the daemons' tables and
 * for lig.
 */
#include "ctl_json.h"

#include "lcaf.h"

json_t *
ctl_json_text(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

json_t *
ctl_json_uuid(const uint8_t uuid[16])
{
	char text[UUID_STR_MAX];

	return uuid_is_zero(uuid) ? json_null()
				  : json_string(uuid_str(uuid, text));
}

json_t *
ctl_json_addr(const struct addr *a)
{
	char text[ADDR_STR_MAX];

	return a->afi == AFI_NONE ? json_null()
				  : json_string(addr_str(a, text));
}

json_t *
ctl_json_eid(const struct eid *eid)
{
	char text[EID_STR_MAX];

	return json_string(eid_str(eid, text));
}

json_t *
ctl_json_lisp_addr(const struct lisp_addr *a)
{
	char text[LISP_ADDR_STR_MAX];

	return json_string(lisp_addr_str(a, text, sizeof(text)));
}

json_t *
ctl_json_prefix(const struct lisp_addr *a, unsigned bits)
{
	char text[LISP_ADDR_STR_MAX];

	return json_string(lisp_prefix_str(a, bits, text, sizeof(text)));
}

/* Takes over 'rloc'. */
static json_t *
locator(json_t *rloc, unsigned priority, unsigned weight, bool reachable)
{
	return json_pack("{s:o, s:i, s:i, s:b}", "rloc", rloc, "priority",
	    (int)priority, "weight", (int)weight, "reachable", (int)reachable);
}

json_t *
ctl_json_rloc(
    const struct addr *a, unsigned priority, unsigned weight, bool reachable)
{
	return locator(ctl_json_addr(a), priority, weight, reachable);
}

json_t *
ctl_json_unused(const struct lisp_addr *a, unsigned priority, unsigned weight,
    bool reachable)
{
	json_t *o = locator(ctl_json_lisp_addr(a), priority, weight, reachable);

	json_object_set_new(o, "used", json_false());
	return o;
}

json_t *
ctl_json_locators(const struct mapping *m)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < m->n_locators; i++) {
		const struct locator *l = &m->locators[i];

		json_array_append_new(array,
		    locator(ctl_json_lisp_addr(&l->addr), l->priority,
			l->weight, l->reachable));
	}
	return array;
}

const char *
ctl_action_str(unsigned n_locators, uint8_t action)
{
	static const char *const names[] = {
		[LISP_NO_ACTION] = "no-action",
		[LISP_NATIVELY_FORWARD] = "natively-forward",
		[LISP_SEND_MAP_REQUEST] = "send-map-request",
		[LISP_DROP_NO_REASON] = "drop",
		[LISP_DROP_POLICY] = "drop-policy",
		[LISP_DROP_AUTH] = "drop-auth",
	};

	if (n_locators)
		return "encapsulate";
	return action < sizeof(names) / sizeof(names[0]) ? names[action]
							 : "unassigned";
}
