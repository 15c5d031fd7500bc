/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lcaf_str.c - wire addresses as text, LCAFs in full, for logs and xtrctl.
 *
 * "name(field value, ..., address)", in the order of RFC 8060's diagrams.  The
 * octets may come from anybody: text is printable ASCII whatever is in them.
 */
#include "lcaf.h"

#include <stdarg.h>
#include <stdio.h>

#include "msg.h"

struct text {
	char *at;
	size_t left; /* with the NUL */
	bool cut;
};

static void text_lcaf(struct text *, const struct lisp_addr *);

__attribute__((format(printf, 2, 3))) static void
text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, t->left, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= t->left) {
		t->cut = true;
		n = (int)t->left - 1;
	}
	t->at += n;
	t->left -= (size_t)n;
}

static void
text_hex(struct text *t, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len && !t->cut; i++)
		text_add(t, "%02x", bytes[i]);
}

static void
text_octets(struct text *t, const struct lcaf_octets *octets)
{
	text_add(t, octets->len ? ", " : "");
	text_hex(t, octets->at, octets->len);
}

static void
text_safe(struct text *t, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len && !t->cut; i++)
		if (bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\')
			text_add(t, "%c", bytes[i]);
		else
			text_add(t, "\\x%02x", bytes[i]);
}

static void
text_addr(struct text *t, const struct lisp_addr *a)
{
	char buf[ADDR_STR_MAX];

	if (a->opaque) {
		text_lcaf(t, a);
		return;
	}
	if (a->has_iid)
		text_add(t, a->iid_bits ? "[%u/%u]" : "[%u]", a->iid,
		    (unsigned)a->iid_bits);
	if (!a->has_iid || a->addr.afi != AFI_NONE)
		text_add(t, "%s", addr_str(&a->addr, buf));
}

/* The address at the end, if there is one. */
static void
text_last(struct text *t, const struct lisp_addr *a)
{
	if (!a->opaque && !a->has_iid && a->addr.afi == AFI_NONE)
		return;
	text_add(t, ", ");
	text_addr(t, a);
}

static void
text_item(struct text *t, uint8_t type, const struct lcaf_item *item)
{
	if (type == LCAF_SECURITY_KEY) {
		text_add(t, "%u octets", item->key_len);
		return;
	}
	text_addr(t, &item->addr);
	if (type == LCAF_REPLICATION)
		text_add(t, " level %u", item->level);
	if (item->lookup || item->probe || item->strict)
		text_add(t, " %s%s%s", item->lookup ? "L" : "",
		    item->probe ? "P" : "", item->strict ? "S" : "");
}

static void
text_list(struct text *t, struct lcaf_list list)
{
	struct lcaf_item item;
	const char *before = "";

	while (!t->cut && lcaf_next(&list, &item)) {
		text_add(t, "%s", before);
		text_item(t, list.type, &item);
		before = ", ";
	}
}

static void
text_prefix(struct text *t, const char *name, const struct lcaf_prefix *p)
{
	text_add(t, "%s ", name);
	text_addr(t, &p->addr);
	text_add(t, "/%u", p->bits);
}

static void
text_application(struct text *t, const struct lcaf_application *a)
{
	text_add(t, "tos %u, protocol %u, local %u-%u, remote %u-%u", a->tos,
	    a->protocol, a->local_low, a->local_high, a->remote_low,
	    a->remote_high);
}

static void
text_geo(struct text *t, const struct lcaf_geo *g)
{
	if (!lcaf_geo_is_valid(g)) {
		text_add(t, "invalid");
		return;
	}
	text_add(t, "%ud%um%us %s, %ud%um%us %s", g->lat_deg, g->lat_min,
	    g->lat_sec, g->north ? "N" : "S", g->lon_deg, g->lon_min,
	    g->lon_sec, g->east ? "E" : "W");
	if (g->altitude_m != LCAF_NO_ALTITUDE)
		text_add(t, ", %d m", (int)g->altitude_m);
}

static void
text_nat(struct text *t, const struct lcaf *l)
{
	text_add(t, "ms-port %u, etr-port %u, global ", l->nat.ms_port,
	    l->nat.etr_port);
	text_addr(t, &l->nat.global_etr);
	text_add(t, ", ms ");
	text_addr(t, &l->nat.ms);
	text_add(t, ", private ");
	text_addr(t, &l->nat.private_etr);
	text_add(t, l->list.left ? ", rtrs " : "");
	text_list(t, l->list);
}

static void
text_security_key(struct text *t, const struct lcaf *l)
{
	text_add(t, "algorithm %u%s, keys %u", l->security.algorithm,
	    l->security.revoke ? ", revoked" : "", l->list.left);
	text_add(t, l->list.left ? ": " : "");
	text_list(t, l->list);
}

static void
text_encapsulations(struct text *t, uint32_t bits)
{
	static const char *const names[] = { "L3-LISP", "L2-LISP", "VXLAN",
		"VXLAN-GPE", "NVGRE", "Geneve", "GUE" };
	const char *before = "";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bits >> i & 1) {
			text_add(t, "%s%s", before, names[i]);
			before = " ";
		}
	if (!*before)
		text_add(t, "none");
}

/* From "name(" to the last field but the address. */
static void
text_body(struct text *t, const struct lcaf *l)
{
	switch (l->type) {
	case LCAF_NULL:
		text_add(t, "null(");
		break;
	case LCAF_AFI_LIST:
		text_add(t, "afi-list(");
		text_list(t, l->list);
		break;
	case LCAF_AS_NUMBER:
		text_add(t, "as-number(%u", l->as_number);
		break;
	case LCAF_APPLICATION:
		text_add(t, "application(");
		text_application(t, &l->application);
		break;
	case LCAF_GEO:
		text_add(t, "geo(");
		text_geo(t, &l->geo);
		break;
	case LCAF_OPAQUE_KEY:
		text_add(t, "opaque-key(fields %u, wildcards 0x%04x",
		    l->key.fields, l->key.wildcards);
		text_octets(t, &l->key.octets);
		break;
	case LCAF_NAT:
		text_add(t, "nat(");
		text_nat(t, l);
		break;
	case LCAF_NONCE:
		text_add(t, "nonce(0x%06x", l->nonce);
		break;
	case LCAF_MULTICAST:
		text_add(t, "multicast(iid %u", l->multicast.iid);
		text_prefix(t, ", source", &l->multicast.source);
		text_prefix(t, ", group", &l->multicast.group);
		break;
	case LCAF_ELP:
		text_add(t, "elp(");
		text_list(t, l->list);
		break;
	case LCAF_SECURITY_KEY:
		text_add(t, "security-key(");
		text_security_key(t, l);
		break;
	case LCAF_SOURCE_DEST:
		text_prefix(t, "source-dest(source", &l->source_dest.source);
		text_prefix(t, ", dest", &l->source_dest.dest);
		break;
	case LCAF_REPLICATION:
		text_add(t, "replication(");
		text_list(t, l->list);
		break;
	case LCAF_JSON:
		text_add(t, "json(");
		if (l->rsvd2 & 1) /* binary */
			text_hex(t, l->json.at, l->json.len);
		else
			text_safe(t, l->json.at, l->json.len);
		break;
	case LCAF_KEY_VALUE:
		text_add(t, "key-value(");
		text_addr(t, &l->pair.key);
		text_add(t, ", ");
		text_addr(t, &l->pair.value);
		break;
	case LCAF_ENCAPSULATION:
		text_add(t, "encapsulation(");
		text_encapsulations(t, l->encapsulations);
		break;
	case LCAF_VENDOR:
		text_add(t, "vendor(%06x", l->of_vendor.oui);
		text_octets(t, &l->of_vendor.data);
		break;
	}
}

/* A name, or an LCAF. */
static void
text_lcaf(struct text *t, const struct lisp_addr *a)
{
	int type = lisp_addr_lcaf_type(a);
	struct lcaf l;

	if (type < 0) { /* between AFI and NUL */
		text_add(t, "dn:");
		text_safe(t, a->opaque + 2, a->opaque_len - 3u);
		return;
	}
	if (lcaf_decode(a, &l)) {
		text_add(t, "lcaf-%d(", type);
		text_hex(t, a->opaque + LCAF_HEADER,
		    (size_t)a->opaque_len - LCAF_HEADER);
		text_add(t, ")");
		return;
	}
	if (type == LCAF_INSTANCE) {
		text_add(t, "[%u]", l.iid);
		text_addr(t, &l.addr);
		return;
	}
	text_body(t, &l);
	text_last(t, &l.addr);
	text_add(t, ")");
}

/* Room for the end that says so is kept from the start. */
static void
text_end(struct text *t, const char *buf, size_t size)
{
	static const char dots[] = "...";
	size_t room = size - (size_t)(t->at - buf);

	if (t->cut)
		snprintf(t->at, room, "%s", dots);
}

static struct text
text_begin(char *buf, size_t size)
{
	const size_t dots = 3;

	buf[0] = '\0';
	return (struct text){ buf, size > dots ? size - dots : 1, false };
}

const char *
lisp_addr_str(const struct lisp_addr *a, char *buf, size_t size)
{
	struct text t = text_begin(buf, size);

	text_addr(&t, a);
	text_end(&t, buf, size);
	return buf;
}

const char *
lisp_prefix_str(
    const struct lisp_addr *a, unsigned bits, char *buf, size_t size)
{
	struct text t = text_begin(buf, size);

	text_addr(&t, a);
	text_add(&t, "/%u", bits);
	text_end(&t, buf, size);
	return buf;
}
