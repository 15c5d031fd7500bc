/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_EIDS_H
#define VMAGENT_EIDS_H

/*
 * eids.h - which EIDs a VM has, on which vNIC, and what its metadata says
 * about its last owner.  Reads and writes the two metadata elements of
 * docs/cpm.md 4.1 and 7.3; the only user of libxml2.
 *
 * The operator's, never written by us:
 *	<lv:vm xmlns:lv="urn:xtrd:vm:1">
 *	  <lv:eid address="10.1.1.10" instance-id="0" mac="52:54:00:..."/>
 *	</lv:vm>
 * The agent's, in the live XML only:
 *	<ls:state xmlns:ls="urn:xtrd:vmstate:1" generation="..." owner="UUID"
 *	    written="ms"><ls:peer a="203.0.113.5" iid="0"/>...</ls:state>
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/cpm.h"
#include "common/err.h"
#include "vmagent/conf.h"

#define EIDS_METADATA_URI "urn:xtrd:vm:1"
#define EIDS_STATE_URI "urn:xtrd:vmstate:1"
#define EIDS_STATE_KEY "ls"

enum {
	EIDS_NICS_MAX = 16, /* per VM; more are left out */
	EIDS_PER_NIC = 32,  /* of them 8 to a series */
	EIDS_STATE_PEERS_MAX = 256,
	EIDS_IFNAME_MAX = 16,
	EIDS_NAME_MAX = 128,
};

/* A vNIC and the EIDs behind it. */
struct vm_nic {
	struct addr mac;	      /* AFI_NONE: not known */
	char ifname[EIDS_IFNAME_MAX]; /* its tap here, "" if none */
	uint32_t iid; /* of its first EID: its peers' instance */
	unsigned n_eids;
	struct eid eids[EIDS_PER_NIC];
};

/* The agent's element. */
struct vm_metadata {
	uint64_t generation; /* 0: there is none */
	uint8_t owner[16];
	uint64_t written_ms;
	unsigned n_peers;
	struct cpm_peer peers[EIDS_STATE_PEERS_MAX];
};

struct vm_info {
	uint8_t uuid[16];
	char name[EIDS_NAME_MAX];
	unsigned n_nics;
	struct vm_nic nics[EIDS_NICS_MAX];
	struct vm_metadata metadata;
	unsigned n_bad; /* entries that could not be read, or too many */
};

/*
 * Reads a domain's XML.  EIDs come from the operator's metadata, or, if it
 * names none, from the static map of 'conf' (by name or UUID).  An EID without
 * a MAC belongs to the first interface.  A bad entry is left out and counted.
 * 'out' is large (tens of KiB).  ERR_MALFORMED if it is no domain.
 */
enum err eids_read(const char *xml, const struct agent_conf *conf,
    struct vm_info *out) MUST_USE;

/* Number of EIDs of all vNICs. */
unsigned eids_count(const struct vm_info *);
/* True if both have the same EIDs on the same vNICs (taps may differ). */
bool eids_same(const struct vm_info *, const struct vm_info *);

/*
 * The agent's element as XML for virDomainSetMetadata(), which adds namespace
 * and prefix itself; the caller frees it.  At most EIDS_STATE_PEERS_MAX peers
 * are written.  NULL if out of memory.
 */
char *eids_state_xml(const struct vm_metadata *);

/* Call once, before any thread reads. */
void eids_init(void);
void eids_fini(void);

/* <host><uuid> of libvirt's capabilities -> 'out'.  ERR_NOT_FOUND. */
enum err eids_host_uuid(const char *capabilities, uint8_t out[16]) MUST_USE;

#endif
