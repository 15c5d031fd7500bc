/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - vmagent.yaml as a table of rows, the struct they fill, and the rules
 * across its fields.
 *
 * main -> here -> common/conf_read.c.  A row, its entry in vmagent.conf(5) and
 * a case in tests/conf/vmagent come together.
 */
#include "conf.h"

#include <stdlib.h>
#include <string.h>

#include "common/cpm.h"
#include "common/lisp.h"

enum {
	SOCKET_PATH_MAX = 107, /* of sun_path */
	XTRS_MAX = 16,	       /* of one site */
	METADATA_PEERS_MAX = 256,
	/* The longest CPM head (8 EIDs in instance-ID LCAFs, a MAC) and one
	 * peer must fit; the most is an Ethernet frame over IPv4. */
	PAYLOAD_MIN = 400,
	PAYLOAD_MAX = 1472,
};

/* Parts of a row. */
#define AT(type, member) .offset = offsetof(struct type, member)
#define POS(type, member) .pos_offset = offsetof(struct type, member)
#define PRESENT(type, member) .present_offset = offsetof(struct type, member)
static const struct conf_item xtr_items[] = {
	{ "name", CONF_STRING, AT(conf_agent_xtr, name), .max = 63,
	    .required = true },
	{ "address", CONF_ADDR, AT(conf_agent_xtr, address), .required = true },
	{ "port", CONF_INT, AT(conf_agent_xtr, port), .min = 1, .max = 65535,
	    .dflt = LISP_CONTROL_PORT },
	{ "xtr-id", CONF_UUID, AT(conf_agent_xtr, xtr_id), .dflt_text = "any",
	    PRESENT(conf_agent_xtr, has_xtr_id) },
	{ "key-id", CONF_INT, AT(conf_agent_xtr, key_id), .max = 255,
	    .required = true },
	{ "key-file", CONF_KEY_FILE, AT(conf_agent_xtr, secret),
	    .required = true },
	{ "algorithm", CONF_ALGORITHM, AT(conf_agent_xtr, algorithm),
	    .min = AUTH_SHA256_128, .dflt = AUTH_SHA256_128 },
	{ 0 },
};

static const struct conf_item vm_items[] = {
	{ "vm", CONF_STRING, AT(conf_static_vm, vm), .required = true },
	{ "eids", CONF_ADDR_LIST, AT(conf_static_vm, eids), .min = 1, .max = 64,
	    .required = true },
	{ "instance-id", CONF_INT, AT(conf_static_vm, instance_id),
	    .max = UINT32_MAX },
	{ "mac", CONF_MACADDR, AT(conf_static_vm, mac) },
	{ 0 },
};

static const struct conf_item libvirt_items[] = {
	{ "uri", CONF_STRING, AT(agent_conf, libvirt.uri),
	    .dflt_text = "qemu:///system" },
	{ "keepalive", CONF_SECONDS, AT(agent_conf, libvirt.keepalive_s),
	    .min = 1, .max = 60, .dflt = 5 },
	{ "keepalive-count", CONF_INT, AT(agent_conf, libvirt.keepalive_count),
	    .min = 1, .max = 100, .dflt = 3 },
	{ 0 },
};

static const char *const peer_sources[] = {
	[CONF_PEERS_AUTO] = "auto",
	[CONF_PEERS_BPF] = "bpf",
	[CONF_PEERS_PACKET] = "packet",
	[CONF_PEERS_OFF] = "off",
	NULL,
};

static const struct conf_item peers_items[] = {
	{ "source", CONF_ENUM, AT(agent_conf, peers.source),
	    .names = peer_sources, .dflt = CONF_PEERS_AUTO },
	{ "max", CONF_INT, AT(agent_conf, peers.max), .max = CPM_PEERS_SENT_MAX,
	    .dflt = CPM_PEERS_SENT_MAX },
	{ "metadata-max", CONF_INT, AT(agent_conf, peers.metadata_max),
	    .max = METADATA_PEERS_MAX, .dflt = METADATA_PEERS_MAX },
	{ "age", CONF_SECONDS, AT(agent_conf, peers.age_s), .min = 10,
	    .max = 7 * 86400, .dflt = 3600 },
	{ 0 },
};

static const struct conf_item control_items[] = {
	{ "socket", CONF_PATH, AT(agent_conf, control.socket),
	    .max = SOCKET_PATH_MAX, .dflt_text = "/run/vmagent/vmagent.sock" },
	{ "group", CONF_STRING, AT(agent_conf, control.group), .max = 32 },
	{ 0 },
};

static const struct conf_item state_items[] = {
	{ "directory", CONF_PATH, AT(agent_conf, state.directory),
	    .dflt_text = "/var/lib/vmagent" },
	{ 0 },
};

/* Sections without a struct type of their own: offsets from the top. */
static const struct conf_item items[] = {
	{ "xtrs", CONF_LIST, AT(agent_conf, xtrs), xtr_items,
	    sizeof(struct conf_agent_xtr), .min = 1, .max = XTRS_MAX,
	    .required = true, POS(conf_agent_xtr, pos) },
	{ "host-id", CONF_UUID, AT(agent_conf, host_id), .dflt_text = "libvirt",
	    PRESENT(agent_conf, has_host_id) },
	{ "static", CONF_LIST, AT(agent_conf, vms), vm_items,
	    sizeof(struct conf_static_vm), POS(conf_static_vm, pos) },
	{ "libvirt", CONF_STRUCT, .offset = 0, libvirt_items },
	{ "peers", CONF_STRUCT, .offset = 0, peers_items },
	{ "resync", CONF_SECONDS, AT(agent_conf, resync_s), .min = 5,
	    .max = 3600, .dflt = 60 },
	{ "job-poll", CONF_MS, AT(agent_conf, job_poll_ms), .min = 100,
	    .max = 60 * 1000, .dflt = 1000 },
	{ "cpm-subtype", CONF_INT, AT(agent_conf, cpm_subtype), .max = 4095,
	    .dflt = CPM_SUBTYPE },
	{ "payload", CONF_INT, AT(agent_conf, payload), .min = PAYLOAD_MIN,
	    .max = PAYLOAD_MAX, .dflt = LISP_PAYLOAD_IPV4 },
	{ "control", CONF_STRUCT, .offset = 0, control_items },
	{ "state", CONF_STRUCT, .offset = 0, state_items },
	{ 0 },
};

static void
check_xtrs(struct agent_conf *c)
{
	char text[ADDR_STR_MAX];

	for (size_t i = 0; i < c->xtrs.n; i++) {
		struct conf_agent_xtr *x =
		    &((struct conf_agent_xtr *)c->xtrs.items)[i];

		conf_auth_key(&x->secret, x->key_id, x->algorithm, &x->key);
		for (size_t j = 0; j < i; j++) {
			const struct conf_agent_xtr *o =
			    &((struct conf_agent_xtr *)c->xtrs.items)[j];

			if (strcmp(x->name, o->name) == 0)
				conf_error(c->doc, x->pos,
				    "xtrs[%zu]: the name '%s' is taken "
				    "by "
				    "xtrs[%zu]",
				    i, x->name, j);
			if (addr_equal(&x->address, &o->address) &&
			    x->port == o->port)
				conf_error(c->doc, x->pos,
				    "xtrs[%zu]: %s port %u is that of "
				    "xtrs[%zu] too",
				    i, addr_str(&x->address, text),
				    (unsigned)x->port, j);
			if (x->has_xtr_id && o->has_xtr_id &&
			    memcmp(x->xtr_id, o->xtr_id, 16) == 0)
				conf_error(c->doc, x->pos,
				    "xtrs[%zu]: the same xtr-id as "
				    "xtrs[%zu]",
				    i, j);
		}
	}
}

/* One EID, one owner: 'a' of vms[i] must not be in an entry up to it. */
static void
check_vm_eid(struct agent_conf *c, size_t i, size_t n, const struct addr *a)
{
	const struct conf_static_vm *all = c->vms.items;
	char text[ADDR_STR_MAX];

	if (addr_is_martian(a))
		conf_error(c->doc, all[i].pos,
		    "static[%zu].eids[%zu]: %s cannot be an EID", i, n,
		    addr_str(a, text));
	for (size_t j = 0; j <= i; j++) {
		const struct addr *eids = all[j].eids.items;
		size_t end = j == i ? n : all[j].eids.n;

		if (all[j].instance_id != all[i].instance_id)
			continue;
		for (size_t k = 0; k < end; k++)
			if (addr_equal(&eids[k], a))
				conf_error(c->doc, all[i].pos,
				    "static[%zu].eids[%zu]: %s is "
				    "static[%zu].eids[%zu] already",
				    i, n, addr_str(a, text), j, k);
	}
}

static void
check_vms(struct agent_conf *c)
{
	char text[ADDR_STR_MAX];

	for (size_t i = 0; i < c->vms.n; i++) {
		const struct conf_static_vm *v =
		    &((const struct conf_static_vm *)c->vms.items)[i];

		if (v->mac.afi != AFI_NONE && (v->mac.bytes[0] & 1))
			conf_error(c->doc, v->pos,
			    "static[%zu]: mac %s is a group address", i,
			    addr_str(&v->mac, text));
		for (size_t n = 0; n < v->eids.n; n++)
			check_vm_eid(
			    c, i, n, &((const struct addr *)v->eids.items)[n]);
	}
}

struct agent_conf *
agent_conf_load(const char *path, FILE *errors)
{
	struct agent_conf *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->doc = conf_read(path, items, c, sizeof(*c), errors);
	if (c->doc) {
		check_xtrs(c);
		check_vms(c);
	}
	if (c->doc && !conf_errors(c->doc))
		return c;
	agent_conf_free(c);
	return NULL;
}

void
agent_conf_free(struct agent_conf *c)
{
	if (!c)
		return;
	conf_doc_free(c->doc);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

void
agent_conf_print(FILE *f, const struct agent_conf *c)
{
	conf_print(f, items, c);
}
