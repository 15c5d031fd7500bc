/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_eids.c - EIDs, vNICs and the agent's metadata out of domain XML.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmagent/eids.h"

#define UUID "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#define HOST "a1a2a3a4-a5a6-a7a8-a9aa-abacadaeafb0"

#define DOMAIN(metadata, devices) \
	"<domain type='qemu' id='3'><name>web1</name><uuid>" UUID "</uuid>" \
	"<metadata>" metadata "</metadata>" \
	"<devices><disk/>" devices "</devices></domain>"
#define NIC1 \
	"<interface type='bridge'><mac address='52:54:00:00:00:01'/>" \
	"<source bridge='br-vms'/><target dev='vnet0'/></interface>"
#define NIC2 \
	"<interface type='ethernet'><mac address='52:54:00:00:00:02'/>" \
	"<target dev='vnet1'/></interface>"
#define VM(eids) "<lv:vm xmlns:lv='urn:xtrd:vm:1'>" eids "</lv:vm>"

static const struct agent_conf no_conf;

static struct vm_info *
read_with(const char *xml, const struct agent_conf *conf)
{
	static struct vm_info info;

	assert_int_equal(eids_read(xml, conf, &info), ERR_OK);
	return &info;
}

static const char *
eid_text(const struct vm_nic *nic, unsigned i)
{
	static char buf[EID_STR_MAX];

	assert_true(i < nic->n_eids);
	return eid_str(&nic->eids[i], buf);
}

static void
test_operator(void **state)
{
	const struct vm_info *v =
	    read_with(DOMAIN(VM("<lv:eid address='10.1.1.10'/>"
				"<lv:eid address='fd00::10' instance-id='0'/>"
				"<lv:eid address='10.1.1.20' instance-id='7' "
				"mac='52:54:00:00:00:02'/>"
				"<lv:eid address='10.1.1.10'/>"),
			  NIC1 NIC2),
		&no_conf);
	char buf[ADDR_STR_MAX];

	(void)state;
	assert_string_equal(v->name, "web1");
	assert_int_equal(v->uuid[0], 0x7c);
	assert_int_equal(v->n_bad, 0);
	assert_int_equal(v->n_nics, 2);
	assert_int_equal(eids_count(v), 3);
	assert_int_equal(v->nics[0].n_eids, 2);
	assert_string_equal(eid_text(&v->nics[0], 0), "10.1.1.10/32");
	assert_string_equal(eid_text(&v->nics[0], 1), "fd00::10/128");
	assert_string_equal(v->nics[0].ifname, "vnet0");
	assert_string_equal(
	    addr_str(&v->nics[0].mac, buf), "52:54:00:00:00:01");
	assert_string_equal(eid_text(&v->nics[1], 0), "[7]10.1.1.20/32");
	assert_int_equal(v->nics[1].iid, 7);
	assert_string_equal(v->nics[1].ifname, "vnet1");
	assert_int_equal(v->metadata.generation, 0);
}

/* Another prefix for the namespace, a MAC of no interface, none at all. */
static void
test_operator_odd(void **state)
{
	const struct vm_info *v =
	    read_with(DOMAIN("<x:vm xmlns:x='urn:xtrd:vm:1'>"
			     "<x:eid address='10.1.1.10' "
			     "mac='52:54:00:00:00:99'/></x:vm>"
			     "<y:vm xmlns:y='urn:other'><y:eid "
			     "address='10.9.9.9'/></y:vm>",
			  ""),
		&no_conf);

	(void)state;
	assert_int_equal(v->n_nics, 1);
	assert_string_equal(v->nics[0].ifname, "");
	assert_string_equal(eid_text(&v->nics[0], 0), "10.1.1.10/32");

	v = read_with(
	    DOMAIN(VM("<lv:eid address='10.1.1.10'/>"), ""), &no_conf);
	assert_int_equal(v->n_nics, 1);
	assert_int_equal(v->nics[0].mac.afi, AFI_NONE);
}

static void
test_bad_entries(void **state)
{
	static const char *const bad[] = {
		"<lv:eid/>",
		"<lv:eid address=''/>",
		"<lv:eid address='10.1.1'/>",
		"<lv:eid address='10.1.1.0/24'/>",
		"<lv:eid address='127.0.0.1'/>",
		"<lv:eid address='224.0.0.5'/>",
		"<lv:eid address='0.0.0.0'/>",
		"<lv:eid address='10.1.1.1' instance-id='-1'/>",
		"<lv:eid address='10.1.1.1' instance-id='4294967296'/>",
		"<lv:eid address='10.1.1.1' instance-id='7x'/>",
		"<lv:eid address='10.1.1.1' mac='10.1.1.1'/>",
		"<lv:eid address='10.1.1.1' mac='zz'/>",
	};
	char xml[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct vm_info *v;

		snprintf(xml, sizeof(xml),
		    DOMAIN(VM("%s<lv:eid address='10.1.1.10'/>"), NIC1),
		    bad[i]);
		v = read_with(xml, &no_conf);
		if (v->n_bad != 1 || eids_count(v) != 1)
			fail_msg("%s: %u bad", bad[i], v->n_bad);
	}
}

static void
test_bounds(void **state)
{
	static char xml[1 << 16];
	size_t at;
	struct vm_info *v;

	(void)state;
	at = (size_t)snprintf(xml, sizeof(xml),
	    "<domain><name>%0200d</name><uuid>" UUID "</uuid><metadata>"
	    "<lv:vm xmlns:lv='urn:xtrd:vm:1'>",
	    1);
	for (int i = 0; i < EIDS_PER_NIC + 3; i++)
		at += (size_t)snprintf(xml + at, sizeof(xml) - at,
		    "<lv:eid address='10.1.1.%d'/>", i + 1);
	at += (size_t)snprintf(
	    xml + at, sizeof(xml) - at, "</lv:vm></metadata><devices>");
	for (int i = 0; i < EIDS_NICS_MAX + 2; i++)
		at += (size_t)snprintf(xml + at, sizeof(xml) - at,
		    "<interface><mac address='52:54:00:00:00:%02x'/>"
		    "<target dev='vnet%d'/></interface>",
		    i, i);
	snprintf(xml + at, sizeof(xml) - at, "</devices></domain>");
	v = read_with(xml, &no_conf);
	assert_int_equal(v->n_nics, EIDS_NICS_MAX);
	assert_int_equal(eids_count(v), EIDS_PER_NIC);
	assert_int_equal(v->n_bad, 5);
	assert_string_equal(v->name, "");
}

static void
test_static(void **state)
{
	struct addr eids[2];
	struct conf_static_vm vms[3] = { { .vm = "other" }, { .vm = "web1" },
		{ .vm = UUID, .instance_id = 7 } };
	struct agent_conf conf = { .vms = { vms, 3 } };
	const struct vm_info *v;

	(void)state;
	assert_int_equal(addr_parse("10.1.1.10", &eids[0]), ERR_OK);
	assert_int_equal(addr_parse("fd00::10", &eids[1]), ERR_OK);
	vms[0].eids = vms[1].eids = (struct conf_list){ eids, 1 };
	vms[2].eids = (struct conf_list){ eids + 1, 1 };
	assert_int_equal(addr_parse("52:54:00:00:00:02", &vms[2].mac), ERR_OK);

	v = read_with(DOMAIN("", NIC1 NIC2), &conf);
	assert_int_equal(eids_count(v), 2);
	assert_string_equal(eid_text(&v->nics[0], 0), "10.1.1.10/32");
	assert_string_equal(eid_text(&v->nics[1], 0), "[7]fd00::10/128");

	/* The operator's metadata comes first. */
	v = read_with(DOMAIN(VM("<lv:eid address='10.1.1.77'/>"), NIC1), &conf);
	assert_int_equal(eids_count(v), 1);
	assert_string_equal(eid_text(&v->nics[0], 0), "10.1.1.77/32");
	/* ... even a broken one: better no EID than a wrong one. */
	v = read_with(DOMAIN(VM("<lv:eid address='x'/>"), NIC1), &conf);
	assert_int_equal(eids_count(v), 0);
}

static void
test_state_element(void **state)
{
	const struct vm_info *v =
	    read_with(DOMAIN("<ls:state xmlns:ls='urn:xtrd:vmstate:1' "
			     "generation='1700000000125' owner='" HOST
			     "' written='1700000000200'>"
			     "<ls:peer a='203.0.113.5' iid='0'/>"
			     "<ls:peer a='2001:db8::5' iid='7'/>"
			     "<ls:peer a='224.0.0.1'/><ls:peer/></ls:state>",
			  NIC1),
		&no_conf);

	(void)state;
	assert_int_equal(v->metadata.generation, UINT64_C(1700000000125));
	assert_int_equal(v->metadata.written_ms, UINT64_C(1700000000200));
	assert_int_equal(v->metadata.owner[0], 0xa1);
	assert_int_equal(v->metadata.n_peers, 2);
	assert_int_equal(v->metadata.peers[1].iid, 7);
	assert_int_equal(v->metadata.peers[1].addr.afi, AFI_IPV6);
	assert_int_equal(v->n_bad, 2);
}

static void
test_state_element_bad(void **state)
{
	static const char *const bad[] = {
		"owner='" HOST "' written='1' generation='x'",
		"owner='" HOST "' written='1' generation='9223372036854775808'",
		"owner='" HOST "' generation='99999999999999999999'",
		"owner='x' generation='5'",
		"generation='5'",
	};
	char xml[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct vm_info *v;

		snprintf(xml, sizeof(xml),
		    DOMAIN(
			"<ls:state xmlns:ls='urn:xtrd:vmstate:1' %s/>", NIC1),
		    bad[i]);
		v = read_with(xml, &no_conf);
		assert_int_equal(v->metadata.generation, 0);
		assert_int_equal(v->n_bad, 1);
	}
}

static void
test_round_trip(void **state)
{
	static struct vm_metadata md = { .generation = 17, .written_ms = 18 };
	const struct vm_info *v;
	static char xml[1 << 16];
	char *text;

	(void)state;
	assert_int_equal(uuid_parse(HOST, md.owner), ERR_OK);
	md.n_peers = EIDS_STATE_PEERS_MAX;
	for (unsigned i = 0; i < md.n_peers; i++) {
		uint8_t b[4] = { 10, 3, 1, (uint8_t)i };

		md.peers[i] = (struct cpm_peer){ .kind = CPM_PEER,
			.iid = i,
			.addr = addr_make(AFI_IPV4, b) };
	}
	text = eids_state_xml(&md);
	assert_non_null(text);
	assert_true(strlen(text) < 16384);
	/* libvirt adds the namespace. */
	assert_memory_equal(text, "<state ", 7);
	snprintf(xml, sizeof(xml),
	    DOMAIN("<state xmlns='urn:xtrd:vmstate:1' %s", NIC1), text + 7);
	free(text);
	v = read_with(xml, &no_conf);
	assert_int_equal(v->metadata.generation, 17);
	assert_int_equal(v->metadata.written_ms, 18);
	assert_memory_equal(v->metadata.owner, md.owner, sizeof(md.owner));
	assert_int_equal(v->metadata.n_peers, md.n_peers);
	for (unsigned i = 0; i < md.n_peers; i++) {
		assert_int_equal(v->metadata.peers[i].kind, CPM_PEER);
		assert_int_equal(v->metadata.peers[i].iid, i);
		assert_true(
		    addr_equal(&v->metadata.peers[i].addr, &md.peers[i].addr));
	}
}

static void
test_same(void **state)
{
	static struct vm_info a;
	const struct vm_info *b;

	(void)state;
	a = *read_with(
	    DOMAIN(VM("<lv:eid address='10.1.1.10'/>"), NIC1), &no_conf);
	b = read_with(
	    DOMAIN(VM("<lv:eid address='10.1.1.10'/>"), NIC1), &no_conf);
	assert_true(eids_same(&a, b));
	b = read_with(
	    DOMAIN(VM("<lv:eid address='10.1.1.11'/>"), NIC1), &no_conf);
	assert_false(eids_same(&a, b));
	b = read_with(
	    DOMAIN(VM("<lv:eid address='10.1.1.10'/>"), NIC2), &no_conf);
	assert_false(eids_same(&a, b));
}

static void
test_not_a_domain(void **state)
{
	static struct vm_info v;
	uint8_t id[16];

	(void)state;
	assert_int_equal(eids_read("", &no_conf, &v), ERR_MALFORMED);
	assert_int_equal(eids_read("<domain>", &no_conf, &v), ERR_MALFORMED);
	assert_int_equal(eids_read("<x/>", &no_conf, &v), ERR_MALFORMED);
	assert_int_equal(
	    eids_read("<domain><uuid>1</uuid></domain>", &no_conf, &v),
	    ERR_MALFORMED);
	assert_int_equal(eids_host_uuid("<capabilities><host><uuid>" HOST
					"</uuid></host></capabilities>",
			     id),
	    ERR_OK);
	assert_int_equal(id[15], 0xb0);
	assert_int_equal(eids_host_uuid("<capabilities/>", id), ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operator),
		cmocka_unit_test(test_operator_odd),
		cmocka_unit_test(test_bad_entries),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_state_element),
		cmocka_unit_test(test_state_element_bad),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_not_a_domain),
	};
	int failed;

	eids_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	eids_fini();
	return failed;
}
