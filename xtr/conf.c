/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - xtrd.yaml as a table of rows, and the struct they fill.
 *
 * main -> here -> common/conf_read.c for each value, conf_check.c for the rules
 * across values.  A row, its entry in xtrd.conf(5) and a case in
 * tests/conf/xtrd come together.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/cpm.h"
#include "common/lisp.h"
#include "conf_check.h"
#include "xtr/partner.h"
#include "xtr/proxy.h"

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
	IF_NAME_MAX = 15,      /* IFNAMSIZ - 1 */
	SOCKET_PATH_MAX = 107, /* of sun_path */
	LISTEN_MAX = 8,	       /* sockets, as many as input.c has */
	RLOCS_MAX = LISP_LOCATORS_MAX,
	KEYS_MAX = 8, /* of one relation at a time */
};

/* Parts of a row. */
#define AT(type, member) .offset = offsetof(struct type, member)
#define POS(type, member) .pos_offset = offsetof(struct type, member)
#define PRESENT(type, member) .present_offset = offsetof(struct type, member)

/* Keys towards and of Map-Servers (RFC 9301 5.6). */
static const struct conf_item map_key_items[] = {
	{ "key-id", CONF_INT, AT(conf_key, key_id), .max = 255,
	    .required = true },
	{ "key-file", CONF_KEY_FILE, AT(conf_key, secret), .required = true },
	{ "algorithm", CONF_ALGORITHM, AT(conf_key, algorithm),
	    .dflt = AUTH_SHA256_128 },
	{ "auth-length", CONF_INT, AT(conf_key, auth_length), .max = 32 },
	{ "replay-check", CONF_BOOL, AT(conf_key, replay_check), .dflt = true },
	{ 0 },
};

/* Keys of the CPM: its length is fixed, its replay check not optional. */
static const struct conf_item cpm_key_items[] = {
	{ "key-id", CONF_INT, AT(conf_key, key_id), .max = 255,
	    .required = true },
	{ "key-file", CONF_KEY_FILE, AT(conf_key, secret), .required = true },
	{ "algorithm", CONF_ALGORITHM, AT(conf_key, algorithm),
	    .min = AUTH_SHA256_128, .dflt = AUTH_SHA256_128 },
	{ 0 },
};

static const struct conf_item map_keys_items[] = {
	{ "key", CONF_INLINE, AT(conf_keys, first), map_key_items },
	{ "keys", CONF_LIST, AT(conf_keys, more), map_key_items,
	    sizeof(struct conf_key), .max = KEYS_MAX - 1, POS(conf_key, pos) },
	{ 0 },
};

static const struct conf_item rloc_items[] = {
	{ "address", CONF_ADDR, AT(conf_rloc, address), .required = true },
	{ "interface", CONF_STRING, AT(conf_rloc, interface),
	    .max = IF_NAME_MAX },
	{ "priority", CONF_INT, AT(conf_rloc, priority), .max = 255,
	    .dflt = 1 },
	{ "weight", CONF_INT, AT(conf_rloc, weight), .max = 255, .dflt = 100 },
	{ "multicast-priority", CONF_INT, AT(conf_rloc, mpriority), .max = 255,
	    .dflt = LISP_PRIORITY_UNUSABLE },
	{ "multicast-weight", CONF_INT, AT(conf_rloc, mweight), .max = 255 },
	{ 0 },
};

static const struct conf_item partner_rloc_items[] = {
	{ "address", CONF_ADDR, AT(conf_rloc, address), .required = true },
	{ "priority", CONF_INT, AT(conf_rloc, priority), .max = 255,
	    .dflt = 1 },
	{ "weight", CONF_INT, AT(conf_rloc, weight), .max = 255, .dflt = 100 },
	{ "multicast-priority", CONF_INT, AT(conf_rloc, mpriority), .max = 255,
	    .dflt = LISP_PRIORITY_UNUSABLE },
	{ "multicast-weight", CONF_INT, AT(conf_rloc, mweight), .max = 255 },
	{ 0 },
};

static const struct conf_item partner_items[] = {
	{ "rlocs", CONF_LIST, AT(conf_partner, rlocs), partner_rloc_items,
	    sizeof(struct conf_rloc), .min = 1, .max = RLOCS_MAX,
	    .required = true, POS(conf_rloc, pos) },
	{ "xtr-id", CONF_UUID, AT(conf_partner, xtr_id),
	    PRESENT(conf_partner, has_xtr_id) },
	{ 0 },
};

static const struct conf_item site_items[] = {
	{ "name", CONF_STRING, AT(conf_site, name), .max = 63 },
	{ "rlocs", CONF_LIST, AT(conf_site, rlocs), rloc_items,
	    sizeof(struct conf_rloc), .max = RLOCS_MAX, POS(conf_rloc, pos) },
	{ "xtr-id", CONF_UUID, AT(conf_site, xtr_id),
	    PRESENT(conf_site, has_xtr_id) },
	{ "site-id", CONF_INT, AT(conf_site, site_id) },
	{ "partners", CONF_LIST, AT(conf_site, partners), partner_items,
	    sizeof(struct conf_partner), .max = PARTNERS_MAX,
	    POS(conf_partner, pos) },
	{ "partner-probe", CONF_MS, AT(conf_site, partner_probe_ms), .min = 50,
	    .max = 60 * 1000, .dflt = 300 },
	{ 0 },
};

static const struct conf_item map_server_peer_items[] = {
	{ "address", CONF_ADDR, AT(conf_map_server_peer, address),
	    .required = true },
	{ "keys", CONF_INLINE, AT(conf_map_server_peer, keys), map_keys_items },
	{ "proxy-reply", CONF_BOOL, AT(conf_map_server_peer, proxy_reply) },
	{ "merge", CONF_BOOL, AT(conf_map_server_peer, merge) },
	{ "use-ttl", CONF_BOOL, AT(conf_map_server_peer, use_ttl) },
	{ 0 },
};

/* PubSubKeys (RFC 9437 7.1); their replay check is not optional. */
static const struct conf_item pubsub_key_items[] = {
	{ "key-id", CONF_INT, AT(conf_key, key_id), .max = 255,
	    .required = true },
	{ "key-file", CONF_KEY_FILE, AT(conf_key, secret), .required = true },
	{ "algorithm", CONF_ALGORITHM, AT(conf_key, algorithm),
	    .dflt = AUTH_SHA256_128 },
	{ 0 },
};

static const struct conf_item pubsub_server_items[] = {
	{ "address", CONF_ADDR, AT(conf_pubsub_server, address),
	    .required = true },
	{ "key", CONF_INLINE, AT(conf_pubsub_server, key), pubsub_key_items },
	{ 0 },
};

static const struct conf_item pubsub_items[] = {
	{ "map-servers", CONF_LIST, AT(conf_pubsub, servers),
	    pubsub_server_items, sizeof(struct conf_pubsub_server), .min = 1,
	    .max = 64, .required = true, POS(conf_pubsub_server, pos) },
	{ "refresh", CONF_SECONDS, AT(conf_pubsub, refresh_s), .min = MINUTE,
	    .max = DAY, .dflt = PUBSUB_REFRESH_S },
	{ 0 },
};

static const struct conf_item mapping_system_items[] = {
	{ "name", CONF_STRING, AT(conf_mapping_system, name), .max = 63,
	    .required = true },
	{ "map-servers", CONF_LIST, AT(conf_mapping_system, map_servers),
	    map_server_peer_items, sizeof(struct conf_map_server_peer),
	    .max = 64, POS(conf_map_server_peer, pos) },
	{ "map-resolvers", CONF_ADDR_LIST,
	    AT(conf_mapping_system, map_resolvers), .max = 64 },
	{ "eid-space", CONF_PREFIX_LIST, AT(conf_mapping_system, eid_space) },
	{ "pubsub", CONF_STRUCT, AT(conf_mapping_system, pubsub), pubsub_items,
	    POS(conf_mapping_system, pubsub.pos),
	    PRESENT(conf_mapping_system, pubsub.enabled) },
	{ 0 },
};

static const struct conf_item eid_items[] = {
	{ "prefix", CONF_PREFIX, AT(conf_eid, prefix), .required = true },
	{ "instance-id", CONF_INT, AT(conf_eid, instance_id),
	    .max = UINT32_MAX },
	{ "mapping-system", CONF_STRING_LIST, AT(conf_eid, mapping_systems),
	    .max = CONF_SYSTEMS_MAX },
	{ "ttl", CONF_MINUTES, AT(conf_eid, ttl_min), .min = 1,
	    .max = TTL_MAX_MIN, .dflt = 1440 },
	{ "map-version", CONF_INT, AT(conf_eid, map_version), .max = 4095 },
	{ 0 },
};

static const char *const gateways_by[] = {
	[CONF_GATEWAY_XTRD] = "xtrd", [CONF_GATEWAY_VRRP] = "vrrp", NULL
};

static const struct conf_item mobile_prefix_items[] = {
	{ "prefix", CONF_PREFIX, AT(conf_mobile_prefix, prefix),
	    .required = true },
	{ "instance-id", CONF_INT, AT(conf_mobile_prefix, instance_id),
	    .max = UINT32_MAX },
	{ "segment", CONF_STRING, AT(conf_mobile_prefix, segment),
	    .max = IF_NAME_MAX },
	{ "gateway", CONF_ADDR, AT(conf_mobile_prefix, gateway) },
	{ "mac", CONF_MACADDR, AT(conf_mobile_prefix, mac) },
	{ "gateway-by", CONF_ENUM, AT(conf_mobile_prefix, gateway_by),
	    .names = gateways_by, .dflt = CONF_GATEWAY_XTRD },
	{ "mapping-system", CONF_STRING_LIST,
	    AT(conf_mobile_prefix, mapping_systems), .max = CONF_SYSTEMS_MAX },
	{ "static-hosts", CONF_ADDR_LIST,
	    AT(conf_mobile_prefix, static_hosts) },
	{ 0 },
};

static const struct conf_item hypervisor_items[] = {
	{ "name", CONF_STRING, AT(conf_hypervisor, name), .max = 63,
	    .required = true },
	{ "host-id", CONF_UUID, AT(conf_hypervisor, host_id),
	    .required = true },
	{ "addresses", CONF_ADDR_LIST, AT(conf_hypervisor, addresses), .min = 1,
	    .max = 64, .required = true },
	{ "key", CONF_INLINE, AT(conf_hypervisor, key), cpm_key_items },
	{ "instance-id", CONF_INT, AT(conf_hypervisor, instance_id),
	    .max = UINT32_MAX },
	{ "prefixes", CONF_PREFIX_LIST, AT(conf_hypervisor, prefixes), .min = 1,
	    .required = true },
	{ 0 },
};

static const struct conf_item site_xtr_items[] = {
	{ "rloc", CONF_ADDR, AT(conf_site_xtr, rloc), .required = true },
	{ "priority", CONF_INT, AT(conf_site_xtr, priority), .max = 255,
	    .dflt = 1 },
	{ "weight", CONF_INT, AT(conf_site_xtr, weight), .max = 255,
	    .dflt = 100 },
	{ "xtr-id", CONF_UUID, AT(conf_site_xtr, xtr_id),
	    PRESENT(conf_site_xtr, has_xtr_id) },
	{ "rlocs", CONF_ADDR_LIST, AT(conf_site_xtr, rlocs), .max = RLOCS_MAX },
	{ 0 },
};

static const struct conf_item other_site_items[] = {
	{ "name", CONF_STRING, AT(conf_other_site, name), .max = 63,
	    .required = true },
	{ "xtrs", CONF_LIST, AT(conf_other_site, xtrs), site_xtr_items,
	    sizeof(struct conf_site_xtr), .min = 1, .max = 16, .required = true,
	    POS(conf_site_xtr, pos) },
	{ "instance-id", CONF_INT, AT(conf_other_site, instance_id),
	    .max = UINT32_MAX },
	{ "prefixes", CONF_PREFIX_LIST, AT(conf_other_site, prefixes), .min = 1,
	    .required = true },
	{ "key", CONF_INLINE, AT(conf_other_site, key), cpm_key_items },
	{ 0 },
};

static const char *const cpm_modes[] = {
	[CONF_CPM_PRIORITY] = "priority", [CONF_CPM_REPLACE] = "replace", NULL
};

static const struct conf_item mobility_items[] = {
	{ "prefixes", CONF_LIST, AT(conf_mobility, prefixes),
	    mobile_prefix_items, sizeof(struct conf_mobile_prefix),
	    POS(conf_mobile_prefix, pos) },
	{ "hypervisors", CONF_LIST, AT(conf_mobility, hypervisors),
	    hypervisor_items, sizeof(struct conf_hypervisor),
	    POS(conf_hypervisor, pos) },
	{ "sites", CONF_LIST, AT(conf_mobility, sites), other_site_items,
	    sizeof(struct conf_other_site), .max = 256,
	    POS(conf_other_site, pos) },
	{ "cpm-mode", CONF_ENUM, AT(conf_mobility, mode), .names = cpm_modes,
	    .dflt = CONF_CPM_PRIORITY },
	{ "cpm-subtype", CONF_INT, AT(conf_mobility, cpm_subtype), .max = 4095,
	    .dflt = CPM_SUBTYPE },
	{ "ttl", CONF_MINUTES, AT(conf_mobility, ttl_min), .min = 1,
	    .max = 1440, .dflt = DYNAMIC_TTL_MIN },
	{ "proxy-reply", CONF_BOOL, AT(conf_mobility, proxy_reply) },
	{ "away-time", CONF_SECONDS, AT(conf_mobility, away_time_s),
	    .min = MINUTE, .max = DAY, .dflt = 15 * MINUTE },
	{ "arriving-time", CONF_SECONDS, AT(conf_mobility, arriving_time_s),
	    .min = 10, .max = DAY, .dflt = 15 * MINUTE },
	{ "hold-max", CONF_SECONDS, AT(conf_mobility, hold_max_s), .min = 1,
	    .max = 10 * MINUTE, .dflt = 30 },
	{ "future-max", CONF_SECONDS, AT(conf_mobility, future_max_s),
	    .min = MINUTE, .max = 30 * DAY, .dflt = DAY },
	{ "memory", CONF_SECONDS, AT(conf_mobility, memory_s), .min = MINUTE,
	    .max = 30 * DAY, .dflt = DAY },
	{ "contest-wait", CONF_MS, AT(conf_mobility, contest_wait_ms),
	    .min = 100, .max = 60 * 1000, .dflt = 3000 },
	{ "eids-max", CONF_INT, AT(conf_mobility, eids_max), .min = 1,
	    .max = 1048576, .dflt = 65536 },
	{ "requesters-max", CONF_INT, AT(conf_mobility, requesters_max),
	    .min = 16, .max = 65536, .dflt = 1024 },
	{ "requester-age", CONF_SECONDS, AT(conf_mobility, requester_age_s),
	    .min = MINUTE, .max = 7 * DAY, .dflt = DAY },
	{ "cpm-rate", CONF_INT, AT(conf_mobility, cpm_rate), .min = 1,
	    .max = 1000000, .dflt = 2000 },
	{ "cpm-burst", CONF_INT, AT(conf_mobility, cpm_burst), .min = 1,
	    .max = 1000000, .dflt = 4096 },
	{ 0 },
};

static const char *const dataplane_kinds[] = {
	[CONF_DP_TUN] = "tun", [CONF_DP_NONE] = "none", NULL
};

static const struct conf_item dataplane_items[] = {
	{ "kind", CONF_ENUM, AT(conf_dataplane, kind), .names = dataplane_kinds,
	    .dflt = CONF_DP_TUN },
	{ "device", CONF_STRING, AT(conf_dataplane, device), .max = IF_NAME_MAX,
	    .dflt_text = "lisp0" },
	{ "mtu", CONF_INT, AT(conf_dataplane, mtu), .min = 1280, .max = 65535,
	    .dflt = 1444 },
	{ "table", CONF_INT, AT(conf_dataplane, table), .min = 1,
	    .max = UINT32_MAX, .dflt = LISP_DATA_PORT },
	{ 0 },
};

static const struct conf_item ms_prefix_items[] = {
	{ "prefix", CONF_PREFIX, AT(conf_ms_prefix, prefix), .required = true },
	{ "instance-id", CONF_INT, AT(conf_ms_prefix, instance_id),
	    .max = UINT32_MAX },
	{ "accept-more-specifics", CONF_BOOL,
	    AT(conf_ms_prefix, more_specifics) },
	{ "mobile", CONF_BOOL, AT(conf_ms_prefix, mobile) },
	{ 0 },
};

static const struct conf_item ms_site_items[] = {
	{ "name", CONF_STRING, AT(conf_ms_site, name), .max = 63,
	    .required = true },
	{ "keys", CONF_INLINE, AT(conf_ms_site, keys), map_keys_items },
	{ "sources", CONF_ADDR_LIST, AT(conf_ms_site, sources), .max = 64 },
	{ "prefixes", CONF_LIST, AT(conf_ms_site, prefixes), ms_prefix_items,
	    sizeof(struct conf_ms_prefix), .min = 1, .required = true,
	    POS(conf_ms_prefix, pos) },
	{ 0 },
};

static const struct conf_item subscriber_items[] = {
	{ "name", CONF_STRING, AT(conf_subscriber, name), .max = 63,
	    .required = true },
	{ "xtr-id", CONF_UUID, AT(conf_subscriber, xtr_id),
	    PRESENT(conf_subscriber, has_xtr_id) },
	{ "key", CONF_INLINE, AT(conf_subscriber, key), pubsub_key_items },
	{ "sources", CONF_ADDR_LIST, AT(conf_subscriber, sources), .max = 64 },
	{ "rlocs", CONF_ADDR_LIST, AT(conf_subscriber, rlocs), .max = 64 },
	{ 0 },
};

static const struct conf_item publisher_items[] = {
	{ "subscribers", CONF_LIST, AT(conf_publisher, subscribers),
	    subscriber_items, sizeof(struct conf_subscriber), .min = 1,
	    .max = 4096, .required = true, POS(conf_subscriber, pos) },
	{ "subscriptions-max", CONF_INT, AT(conf_publisher, subscriptions_max),
	    .min = 1, .max = 1048576, .dflt = 65536 },
	{ "subscriptions-per-xtr", CONF_INT,
	    AT(conf_publisher, subscriptions_per_xtr), .min = 1, .max = 1048576,
	    .dflt = 4096 },
	{ "rate", CONF_INT, AT(conf_publisher, rate), .min = 1, .max = 100000,
	    .dflt = 1000 },
	{ 0 },
};

static const struct conf_item map_server_items[] = {
	{ "sites", CONF_LIST, AT(conf_map_server, sites), ms_site_items,
	    sizeof(struct conf_ms_site), .min = 1, .required = true,
	    POS(conf_ms_site, pos) },
	{ "registrations-max", CONF_INT, AT(conf_map_server, registrations_max),
	    .min = 1, .max = 16777216, .dflt = 1048576 },
	{ "locators-max", CONF_INT, AT(conf_map_server, locators_max), .min = 1,
	    .max = LISP_LOCATORS_MAX, .dflt = 32 },
	{ "pubsub", CONF_STRUCT, AT(conf_map_server, pubsub), publisher_items,
	    POS(conf_map_server, pubsub.pos),
	    PRESENT(conf_map_server, pubsub.enabled) },
	{ 0 },
};

static const struct conf_item map_resolver_items[] = {
	{ "forward-to", CONF_ADDR_LIST, AT(conf_map_resolver, forward_to),
	    .max = 64 },
	{ "pubsub-sources", CONF_ADDR_LIST,
	    AT(conf_map_resolver, pubsub_sources), .max = 1024 },
	{ 0 },
};

static const struct conf_item petr_items[] = {
	{ "address", CONF_ADDR, AT(conf_petr, address), .required = true },
	{ "priority", CONF_INT, AT(conf_petr, priority), .max = 255,
	    .dflt = 1 },
	{ "weight", CONF_INT, AT(conf_petr, weight), .max = 255, .dflt = 100 },
	{ 0 },
};

static const struct conf_item itr_items[] = {
	{ "cache-max", CONF_INT, AT(conf_itr, cache_max), .min = 16,
	    .max = 16777216, .dflt = 65536 },
	{ "pending-max", CONF_INT, AT(conf_itr, pending_max), .min = 1,
	    .max = 1048576, .dflt = 4096 },
	{ "queue-packets", CONF_INT, AT(conf_itr, queue_packets), .max = 1024,
	    .dflt = 8 },
	{ "proxy-itrs", CONF_ADDR_LIST, AT(conf_itr, proxy_itrs), .max = 1024 },
	{ "eid-space", CONF_PREFIX_LIST, AT(conf_itr, eid_space) },
	{ "use-petr", CONF_LIST, AT(conf_itr, use_petr), petr_items,
	    sizeof(struct conf_petr), .max = PROXY_PETRS_MAX,
	    POS(conf_petr, pos) },
	{ "natively-forward", CONF_BOOL, AT(conf_itr, natively_forward) },
	{ 0 },
};

static const char *const trusts[] = {
	[CONF_TRUST_PUBLIC] = "public", [CONF_TRUST_PRIVATE] = "private", NULL
};

/* What depends on 'trust' gets its default in conf_check.c. */
static const struct conf_item reachability_items[] = {
	{ "trust", CONF_ENUM, AT(conf_reachability, trust), .names = trusts,
	    .dflt = CONF_TRUST_PUBLIC },
	{ "probe", CONF_BOOL, AT(conf_reachability, probe),
	    PRESENT(conf_reachability, has_probe) },
	{ "probe-interval", CONF_SECONDS,
	    AT(conf_reachability, probe_interval_s), .min = 2, .max = HOUR,
	    .dflt = 30 },
	{ "probe-rate", CONF_INT, AT(conf_reachability, probe_rate), .min = 1,
	    .max = 100000, .dflt = 100 },
	{ "echo-nonce", CONF_BOOL, AT(conf_reachability, echo_nonce),
	    PRESENT(conf_reachability, has_echo_nonce) },
	{ "locator-status-bits", CONF_BOOL, AT(conf_reachability, lsb),
	    PRESENT(conf_reachability, has_lsb) },
	{ "map-version", CONF_BOOL, AT(conf_reachability, map_version),
	    PRESENT(conf_reachability, has_map_version) },
	{ "icmp", CONF_BOOL, AT(conf_reachability, icmp), .dflt = true },
	{ "routes", CONF_BOOL, AT(conf_reachability, routes), .dflt = true },
	{ "interfaces", CONF_BOOL, AT(conf_reachability, interfaces),
	    .dflt = true },
	{ 0 },
};

static const struct conf_item proxy_items[] = {
	{ "pitr", CONF_BOOL, AT(conf_proxy, pitr) },
	{ "petr", CONF_BOOL, AT(conf_proxy, petr) },
	{ "eid-space", CONF_PREFIX_LIST, AT(conf_proxy, eid_space) },
	{ 0 },
};

static const struct conf_item control_items[] = {
	{ "socket", CONF_PATH, AT(conf_control, socket), .max = SOCKET_PATH_MAX,
	    .dflt_text = "/run/xtrd/xtrd.sock" },
	{ "group", CONF_STRING, AT(conf_control, group), .max = 32 },
	{ 0 },
};

static const struct conf_item state_items[] = {
	{ "directory", CONF_PATH, AT(conf_state, directory),
	    .dflt_text = "/var/lib/xtrd" },
	{ "size", CONF_MIB, AT(conf_state, size_mib), .min = 1, .max = 1048576,
	    .dflt = 1024 },
	{ 0 },
};

static const struct conf_item items[] = {
	{ "site", CONF_STRUCT, AT(xtr_conf, site), site_items,
	    POS(xtr_conf, site.pos) },
	{ "mapping-systems", CONF_LIST, AT(xtr_conf, mapping_systems),
	    mapping_system_items, sizeof(struct conf_mapping_system),
	    .max = CONF_SYSTEMS_MAX, POS(conf_mapping_system, pos) },
	{ "eids", CONF_LIST, AT(xtr_conf, eids), eid_items,
	    sizeof(struct conf_eid), POS(conf_eid, pos) },
	{ "mobility", CONF_STRUCT, AT(xtr_conf, mobility), mobility_items,
	    POS(xtr_conf, mobility.pos) },
	{ "dataplane", CONF_STRUCT, AT(xtr_conf, dataplane), dataplane_items,
	    POS(xtr_conf, dataplane.pos) },
	{ "map-server", CONF_STRUCT, AT(xtr_conf, map_server), map_server_items,
	    POS(xtr_conf, map_server.pos),
	    PRESENT(xtr_conf, map_server.enabled) },
	{ "map-resolver", CONF_STRUCT, AT(xtr_conf, map_resolver),
	    map_resolver_items, POS(xtr_conf, map_resolver.pos),
	    PRESENT(xtr_conf, map_resolver.enabled) },
	{ "itr", CONF_STRUCT, AT(xtr_conf, itr), itr_items,
	    POS(xtr_conf, itr.pos) },
	{ "reachability", CONF_STRUCT, AT(xtr_conf, reachability),
	    reachability_items, POS(xtr_conf, reachability.pos) },
	{ "proxy", CONF_STRUCT, AT(xtr_conf, proxy), proxy_items,
	    POS(xtr_conf, proxy.pos) },
	{ "control", CONF_STRUCT, AT(xtr_conf, control), control_items },
	{ "state", CONF_STRUCT, AT(xtr_conf, state), state_items },
	{ "listen", CONF_ADDR_LIST, AT(xtr_conf, listen), .max = LISTEN_MAX },
	{ 0 },
};

struct xtr_conf *
xtr_conf_load(const char *path, FILE *errors)
{
	struct xtr_conf *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->doc = conf_read(path, items, c, sizeof(*c), errors);
	if (c->doc)
		conf_check(c);
	if (c->doc && !conf_errors(c->doc))
		return c;
	xtr_conf_free(c);
	return NULL;
}

void
xtr_conf_free(struct xtr_conf *c)
{
	if (!c)
		return;
	conf_doc_free(c->doc);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

void
xtr_conf_print(FILE *f, const struct xtr_conf *c)
{
	conf_print(f, items, c);
}

void
xtr_id_derive(const struct addr *rloc, uint8_t out[16])
{
	memset(out, 0, 16);
	if (rloc->afi == AFI_IPV6) {
		memcpy(out, rloc->bytes, 16);
	} else { /* as an IPv4-mapped IPv6 address, RFC 4291 2.5.5.2 */
		memset(out + 10, 0xff, 2);
		memcpy(out + 12, rloc->bytes, 4);
	}
}

const struct conf_partner *
conf_partner_of(const struct xtr_conf *c, const struct addr *rloc)
{
	for (size_t i = 0; i < c->site.partners.n; i++) {
		const struct conf_partner *p =
		    conf_at(c->site.partners, struct conf_partner, i);

		for (size_t j = 0; j < p->rlocs.n; j++)
			if (addr_equal(&conf_at(p->rlocs, struct conf_rloc, j)
					    ->address,
				rloc))
				return p;
	}
	return NULL;
}

const struct conf_mobile_prefix *
conf_mobile_find(const struct xtr_conf *c, const struct eid *eid)
{
	const struct conf_mobile_prefix *best = NULL;

	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		const struct conf_mobile_prefix *p =
		    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, i);

		if (eid_covers(&p->prefix, eid) &&
		    (!best || p->prefix.bits > best->prefix.bits))
			best = p;
	}
	return best;
}

bool
conf_mobile_is_vm(const struct conf_mobile_prefix *p, const struct eid *eid)
{
	const unsigned bits = p->prefix.bits;
	uint32_t host, mask;

	if (!eid_is_host(eid) || addr_equal(&eid->addr, &p->gateway))
		return false;
	if (eid->addr.afi != AFI_IPV4 || bits > 30)
		return true;
	memcpy(&host, eid->addr.bytes, sizeof(host));
	mask = UINT32_MAX >> bits;
	host = ntohl(host) & mask;
	return host != 0 && host != mask;
}
