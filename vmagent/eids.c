/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eids.c - domain XML -> struct vm_info, and the agent's metadata back.
 *
 * agent.c calls it with what virt.c read.  Only what the operator wrote counts:
 * nothing that a guest could influence is read here, or a tenant could take
 * anybody's address.
 */
#include "eids.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PARSE_OPTIONS =
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING
};

static bool
node_is(const xmlNode *n, const char *name, const char *uri)
{
	if (n->type != XML_ELEMENT_NODE ||
	    strcmp((const char *)n->name, name) != 0)
		return false;
	if (!uri)
		return true;
	return n->ns && n->ns->href &&
	    strcmp((const char *)n->ns->href, uri) == 0;
}

/* First child element of that name and namespace (NULL: any), or NULL. */
static xmlNode *
child(const xmlNode *parent, const char *name, const char *uri)
{
	for (xmlNode *n = parent ? parent->children : NULL; n; n = n->next)
		if (node_is(n, name, uri))
			return n;
	return NULL;
}

/* Next sibling of the same name and namespace. */
static xmlNode *
next(const xmlNode *node, const char *uri)
{
	for (xmlNode *n = node->next; n; n = n->next)
		if (node_is(n, (const char *)node->name, uri))
			return n;
	return NULL;
}

/* Copies an attribute into 'buf', "" if absent; false if too long. */
static bool
attribute(const xmlNode *n, const char *name, char *buf, size_t size)
{
	xmlChar *value = n ? xmlGetNoNsProp(n, (const xmlChar *)name) : NULL;
	size_t len = value ? strlen((const char *)value) : 0;
	bool fits = len < size;

	if (fits && value)
		memcpy(buf, value, len + 1);
	else
		buf[0] = 0;
	xmlFree(value);
	return fits;
}

static bool
text(const xmlNode *n, char *buf, size_t size)
{
	xmlChar *value = n ? xmlNodeGetContent(n) : NULL;
	size_t len = value ? strlen((const char *)value) : 0;
	bool fits = value && len < size;

	if (fits)
		memcpy(buf, value, len + 1);
	else
		buf[0] = 0;
	xmlFree(value);
	return fits;
}

/* "" counts as 'dflt'. */
static bool
number(const char *s, uint64_t max, uint64_t dflt, uint64_t *out)
{
	char *end;

	*out = dflt;
	if (!*s)
		return true;
	if (*s < '0' || *s > '9' || strlen(s) > 20)
		return false;
	*out = strtoull(s, &end, 10);
	return *end == 0 && *out <= max;
}

static struct vm_nic *
nic_add(struct vm_info *info, const struct addr *mac)
{
	struct vm_nic *nic;

	if (info->n_nics == EIDS_NICS_MAX) {
		info->n_bad++;
		return NULL;
	}
	nic = &info->nics[info->n_nics++];
	memset(nic, 0, sizeof(*nic));
	nic->mac = *mac;
	return nic;
}

/* The vNIC with that MAC, made if there is none; no MAC: the first one. */
static struct vm_nic *
nic_for(struct vm_info *info, const struct addr *mac)
{
	if (mac->afi == AFI_NONE && info->n_nics)
		return &info->nics[0];
	for (unsigned i = 0; i < info->n_nics; i++)
		if (addr_equal(&info->nics[i].mac, mac))
			return &info->nics[i];
	return nic_add(info, mac);
}

static bool
eid_known(const struct vm_info *info, const struct eid *eid)
{
	for (unsigned i = 0; i < info->n_nics; i++)
		for (unsigned k = 0; k < info->nics[i].n_eids; k++)
			if (eid_equal(&info->nics[i].eids[k], eid))
				return true;
	return false;
}

static void
eid_add(struct vm_info *info, const struct addr *mac, uint32_t iid,
    const struct addr *address)
{
	struct eid eid = eid_host(iid, address);
	struct vm_nic *nic;

	if (addr_is_martian(address)) {
		info->n_bad++;
		return;
	}
	if (eid_known(info, &eid))
		return;
	nic = nic_for(info, mac);
	if (!nic)
		return;
	if (nic->n_eids == EIDS_PER_NIC) {
		info->n_bad++;
		return;
	}
	if (nic->n_eids == 0)
		nic->iid = iid;
	nic->eids[nic->n_eids++] = eid;
}

static void
read_interfaces(const xmlNode *domain, struct vm_info *info)
{
	const xmlNode *n =
	    child(child(domain, "devices", NULL), "interface", NULL);

	for (; n; n = next(n, NULL)) {
		char buf[ADDR_STR_MAX];
		struct addr mac;
		struct vm_nic *nic;

		if (!attribute(
			child(n, "mac", NULL), "address", buf, sizeof(buf)) ||
		    addr_parse(buf, &mac) || mac.afi != AFI_MAC)
			memset(&mac, 0, sizeof(mac));
		nic = nic_add(info, &mac);
		if (nic &&
		    !attribute(child(n, "target", NULL), "dev", nic->ifname,
			sizeof(nic->ifname)))
			nic->ifname[0] = 0;
	}
}

static bool
read_eid(const xmlNode *n, struct vm_info *info)
{
	char buf[ADDR_STR_MAX];
	struct addr address, mac = { 0 };
	uint64_t iid;

	if (!attribute(n, "address", buf, sizeof(buf)) ||
	    addr_parse(buf, &address))
		return false;
	if (!attribute(n, "instance-id", buf, sizeof(buf)) ||
	    !number(buf, UINT32_MAX, 0, &iid))
		return false;
	if (!attribute(n, "mac", buf, sizeof(buf)))
		return false;
	if (*buf && (addr_parse(buf, &mac) || mac.afi != AFI_MAC))
		return false;
	eid_add(info, &mac, (uint32_t)iid, &address);
	return true;
}

/* False if the operator's element is absent or names no EID. */
static bool
read_operator(const xmlNode *metadata, struct vm_info *info)
{
	const xmlNode *vm = child(metadata, "vm", EIDS_METADATA_URI);
	const xmlNode *n = child(vm, "eid", EIDS_METADATA_URI);
	bool any = n != NULL;

	for (; n; n = next(n, EIDS_METADATA_URI))
		if (!read_eid(n, info))
			info->n_bad++;
	return any;
}

static void
read_static(const struct agent_conf *conf, struct vm_info *info)
{
	const struct conf_static_vm *vms = conf->vms.items;

	for (size_t i = 0; i < conf->vms.n; i++) {
		const struct addr *eids = vms[i].eids.items;
		uint8_t uuid[16];

		if (strcmp(vms[i].vm, info->name) != 0 &&
		    (uuid_parse(vms[i].vm, uuid) ||
			memcmp(uuid, info->uuid, sizeof(uuid)) != 0))
			continue;
		for (size_t k = 0; k < vms[i].eids.n; k++)
			eid_add(info, &vms[i].mac, (uint32_t)vms[i].instance_id,
			    &eids[k]);
	}
}

static void
read_peers(const xmlNode *state, struct vm_info *info)
{
	struct vm_metadata *md = &info->metadata;
	const xmlNode *n = child(state, "peer", EIDS_STATE_URI);

	for (; n && md->n_peers < EIDS_STATE_PEERS_MAX;
	     n = next(n, EIDS_STATE_URI)) {
		struct cpm_peer peer = { .kind = CPM_PEER };
		char buf[ADDR_STR_MAX];
		uint64_t iid;

		if (!attribute(n, "a", buf, sizeof(buf)) ||
		    addr_parse(buf, &peer.addr) || peer.addr.afi == AFI_MAC ||
		    addr_is_martian(&peer.addr) ||
		    !attribute(n, "iid", buf, sizeof(buf)) ||
		    !number(buf, UINT32_MAX, 0, &iid)) {
			info->n_bad++;
			continue;
		}
		peer.iid = (uint32_t)iid;
		md->peers[md->n_peers++] = peer;
	}
}

/* All or nothing, but for the peers. */
static void
read_state(const xmlNode *metadata, struct vm_info *info)
{
	const xmlNode *state = child(metadata, "state", EIDS_STATE_URI);
	char generation[24], owner[UUID_STR_MAX], written[24];
	uint64_t g, w;
	uint8_t id[16];

	if (!state)
		return;
	if (!attribute(state, "generation", generation, sizeof(generation)) ||
	    !attribute(state, "owner", owner, sizeof(owner)) ||
	    !attribute(state, "written", written, sizeof(written)) ||
	    !number(generation, INT64_MAX, 0, &g) || uuid_parse(owner, id) ||
	    !number(written, UINT64_MAX, 0, &w)) {
		info->n_bad++;
		return;
	}
	info->metadata.generation = g;
	info->metadata.written_ms = w;
	memcpy(info->metadata.owner, id, sizeof(id));
	read_peers(state, info);
}

enum err
eids_read(const char *xml, const struct agent_conf *conf, struct vm_info *out)
{
	size_t len = strlen(xml);
	xmlDoc *doc = len <= INT_MAX
	    ? xmlReadMemory(xml, (int)len, "domain", NULL, PARSE_OPTIONS)
	    : NULL;
	const xmlNode *domain = doc ? xmlDocGetRootElement(doc) : NULL;
	const xmlNode *metadata;
	enum err err = ERR_MALFORMED;
	char uuid[UUID_STR_MAX];

	memset(out, 0, sizeof(*out));
	if (!domain || !node_is(domain, "domain", NULL))
		goto out;
	if (!text(child(domain, "uuid", NULL), uuid, sizeof(uuid)) ||
	    uuid_parse(uuid, out->uuid))
		goto out;
	/* A name too long to keep is no reason to drop the VM. */
	text(child(domain, "name", NULL), out->name, sizeof(out->name));
	metadata = child(domain, "metadata", NULL);
	read_interfaces(domain, out);
	if (!read_operator(metadata, out))
		read_static(conf, out);
	read_state(metadata, out);
	err = ERR_OK;
out:
	xmlFreeDoc(doc);
	return err;
}

unsigned
eids_count(const struct vm_info *info)
{
	unsigned n = 0;

	for (unsigned i = 0; i < info->n_nics; i++)
		n += info->nics[i].n_eids;
	return n;
}

bool
eids_same(const struct vm_info *a, const struct vm_info *b)
{
	if (a->n_nics != b->n_nics)
		return false;
	for (unsigned i = 0; i < a->n_nics; i++) {
		const struct vm_nic *x = &a->nics[i], *y = &b->nics[i];

		if (!addr_equal(&x->mac, &y->mac) || x->n_eids != y->n_eids ||
		    memcmp(x->eids, y->eids, x->n_eids * sizeof(x->eids[0])) !=
			0)
			return false;
	}
	return true;
}

char *
eids_state_xml(const struct vm_metadata *md)
{
	char uuid[UUID_STR_MAX], a[ADDR_STR_MAX], *xml = NULL;
	size_t size;
	FILE *f = open_memstream(&xml, &size);

	if (!f)
		return NULL;
	fprintf(f,
	    "<state generation=\"%" PRIu64 "\" owner=\"%s\" written=\"%" PRIu64
	    "\">",
	    md->generation, uuid_str(md->owner, uuid), md->written_ms);
	for (unsigned i = 0; i < md->n_peers && i < EIDS_STATE_PEERS_MAX; i++)
		fprintf(f, "<peer a=\"%s\" iid=\"%" PRIu32 "\"/>",
		    addr_str(&md->peers[i].addr, a), md->peers[i].iid);
	fputs("</state>", f);
	if (fclose(f) != 0) {
		free(xml);
		return NULL;
	}
	return xml;
}

enum err
eids_host_uuid(const char *capabilities, uint8_t out[16])
{
	size_t len = strlen(capabilities);
	xmlDoc *doc = len <= INT_MAX ? xmlReadMemory(capabilities, (int)len,
					   "capabilities", NULL, PARSE_OPTIONS)
				     : NULL;
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	char uuid[UUID_STR_MAX];
	enum err err = ERR_NOT_FOUND;

	if (text(child(child(root, "host", NULL), "uuid", NULL), uuid,
		sizeof(uuid)) &&
	    !uuid_parse(uuid, out))
		err = ERR_OK;
	xmlFreeDoc(doc);
	return err;
}

void
eids_init(void)
{
	xmlInitParser();
}

void
eids_fini(void)
{
	xmlCleanupParser();
}
