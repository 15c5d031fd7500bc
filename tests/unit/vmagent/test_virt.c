/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_virt.c - the whole agent on libvirt's test driver, which lives in this
 * process, with an xTR of ours on loopback: start, destroy, suspend, resume,
 * listing, metadata, restarts, re-claims.
 */
#include <arpa/inet.h>
#include <libvirt/libvirt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cpm.h"
#include "vmagent/agent.h"
#include "vmagent/virt_loop.h"

enum { GOT_MAX = 256, WAIT_MS = 5000, QUIET_MS = 60 };

#define HOST_A "a1a2a3a4-a5a6-a7a8-a9aa-abacadaeafb0"
#define HOST_B "c1c2c3c4-c5c6-c7c8-c9ca-cbcccdcecfd0"

struct got { /* a CPM as the xTR got it */
	struct cpm m;
	uint8_t bytes[1500];
};

static struct {
	struct clock clock;
	struct loop *loop;
	virConnectPtr conn;
	virDomainPtr dom;
	/* the xTR */
	int fd;
	struct loop_fd *watch;
	uint16_t port;
	bool silent;
	uint8_t status; /* of its Acks */
	unsigned n_got;
	struct got got[GOT_MAX];
	uint64_t last_nonce;
	struct auth_key key;
	/* the agent */
	struct agent *agent;
	char folder[64];
} fx;

/* ---- the xTR ---- */

static void
xtr_ack(const struct cpm *m, const struct sockaddr_in *to)
{
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.nonce = m->nonce,
		.key_id = m->key_id,
		.algorithm = m->algorithm,
		.series = m->series,
		.part = m->part,
		.parts = m->parts,
		.status = fx.status,
		.reason = m->reason,
		.highest_nonce = m->nonce,
		.n_eids = m->n_eids };
	uint8_t buf[512];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	if (fx.status == CPM_ACK_STALE)
		a.highest_generation = m->generation + 1000;
	for (unsigned i = 0; i < m->n_eids; i++)
		a.eids[i] = (struct cpm_ack_eid){ fx.status, m->eids[i] };
	cpm_ack_encode(&w, &a);
	assert_int_equal(auth_sign(buf, wire_written(&w), &fx.key), ERR_OK);
	sendto(fx.fd, buf, wire_written(&w), 0, (const struct sockaddr *)to,
	    sizeof(*to));
}

static void
on_xtr(void *arg, int fd, unsigned what)
{
	struct got *g = &fx.got[fx.n_got];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(
	    fd, g->bytes, sizeof(g->bytes), 0, (struct sockaddr *)&from, &len);

	(void)arg;
	(void)what;
	assert_true(n > 0);
	assert_int_equal(auth_verify(g->bytes, (size_t)n, &fx.key), ERR_OK);
	assert_int_equal(
	    cpm_decode(g->bytes, (size_t)n, CPM_SUBTYPE, &g->m), ERR_OK);
	if (!fx.silent)
		xtr_ack(&g->m, &from);
	if (g->m.nonce == fx.last_nonce)
		return; /* a repetition */
	assert_true(g->m.nonce > fx.last_nonce);
	fx.last_nonce = g->m.nonce;
	fx.n_got++;
	assert_true(fx.n_got < GOT_MAX);
}

static void
turn(void)
{
	loop_poll(fx.loop);
	usleep(500);
}

/* The next CPM; fails if none comes. */
static const struct cpm *
next(void)
{
	static struct cpm m;

	for (int i = 0; i < WAIT_MS * 2 && !fx.n_got; i++)
		turn();
	if (!fx.n_got)
		fail_msg("no CPM came");
	m = fx.got[0].m;
	memmove(&fx.got[0], &fx.got[1], sizeof(fx.got[0]) * --fx.n_got);
	return &m;
}

static void
expect(uint8_t reason)
{
	const struct cpm *m = next();

	if (m->reason != reason)
		fail_msg("%s instead of %s", cpm_reason_str(m->reason),
		    cpm_reason_str(reason));
}

static void
expect_nothing(void)
{
	for (int i = 0; i < QUIET_MS * 2; i++)
		turn();
	if (fx.n_got)
		fail_msg("%s came", cpm_reason_str(fx.got[0].m.reason));
}

/* Turns until the agent waits for nothing. */
static void
settle(void)
{
	for (int i = 0; i < 40; i++)
		turn();
}

/* ---- the agent ---- */

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", fx.folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
agent_start(const char *host)
{
	char yaml[1024], path[128];
	struct agent_conf *conf;

	write_file("key", "secretsecret\n");
	snprintf(yaml, sizeof(yaml),
	    "xtrs: [ { name: x1, address: 127.0.0.1, port: %u, key-id: 11, "
	    "key-file: key } ]\n"
	    "host-id: %s\n"
	    "libvirt: { uri: \"test:///default\" }\n"
	    "static: [ { vm: test, eids: [ 10.1.1.10 ] } ]\n"
	    "peers: { source: off }\n"
	    "state: { directory: %s/state }\n"
	    "control: { socket: %s/a.sock }\n",
	    fx.port, host, fx.folder, fx.folder);
	write_file("a.yaml", yaml);
	snprintf(path, sizeof(path), "%s/a.yaml", fx.folder);
	conf = agent_conf_load(path, stderr);
	assert_non_null(conf);
	fx.agent = agent_new(fx.loop, conf, strdup(path), false);
	assert_non_null(fx.agent);
}

static void
agent_stop(void)
{
	for (int i = 0; i < 2000 && !agent_idle(fx.agent); i++)
		turn();
	free((void *)(uintptr_t)fx.agent->conf_path);
	agent_free(fx.agent);
	fx.agent = NULL;
	fx.n_got = 0;
}

static struct vm *
the_vm(void)
{
	uint8_t uuid[16];

	virDomainGetUUID(fx.dom, uuid);
	return vms_find(&fx.agent->vms, uuid);
}

static void
lose_state(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/state", fx.folder);
	assert_int_equal(system(command), 0);
}

/* libvirt's words: "" if there is no such element. */
static const char *
metadata(void)
{
	static char copy[32768];
	char *xml = virDomainGetMetadata(fx.dom, VIR_DOMAIN_METADATA_ELEMENT,
	    EIDS_STATE_URI, VIR_DOMAIN_AFFECT_LIVE);

	snprintf(copy, sizeof(copy), "%s", xml ? xml : "");
	free(xml);
	return copy;
}

static void
set_eids(const char *xml)
{
	assert_int_equal(
	    virDomainSetMetadata(fx.dom, VIR_DOMAIN_METADATA_ELEMENT, xml, "lv",
		EIDS_METADATA_URI, VIR_DOMAIN_AFFECT_LIVE),
	    0);
}

static int
setup(void **state)
{
	(void)state;
	fx.silent = false;
	fx.status = CPM_ACK_DONE;
	fx.n_got = 0;
	fx.last_nonce = 0;
	strcpy(fx.folder, "/tmp/vmagent-virt-XXXXXX");
	assert_non_null(mkdtemp(fx.folder));
	if (virDomainIsActive(fx.dom) != 1)
		assert_int_equal(virDomainCreate(fx.dom), 0);
	virDomainSetMetadata(fx.dom, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL,
	    EIDS_STATE_URI, VIR_DOMAIN_AFFECT_LIVE);
	virDomainSetMetadata(fx.dom, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL,
	    EIDS_METADATA_URI, VIR_DOMAIN_AFFECT_LIVE);
	settle();
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	if (fx.agent)
		agent_stop();
	settle();
	snprintf(command, sizeof(command), "rm -rf %s", fx.folder);
	return system(command);
}

/* ---- tests ---- */

static void
test_listing_and_metadata(void **state)
{
	const struct cpm *m;
	uint64_t generation;
	char want[64];

	(void)state;
	agent_start(HOST_A);
	m = next();
	assert_int_equal(m->reason, CPM_PRESENT);
	assert_int_equal(m->n_eids, 1);
	assert_int_equal(m->sender_id[0], 0xa1);
	assert_true(m->has_mac);
	generation = m->generation;
	assert_true(generation > UINT64_C(1600000000000));
	assert_int_equal(the_vm()->state, VM_HERE);

	/* After the Ack: generation and owner into the live metadata. */
	for (int i = 0; i < WAIT_MS && !*metadata(); i++)
		turn();
	snprintf(want, sizeof(want), "generation=\"%llu\"",
	    (unsigned long long)generation);
	assert_non_null(strstr(metadata(), want));
	assert_non_null(strstr(metadata(), HOST_A));
	expect_nothing();
	assert_false(vm_is_open(the_vm()));
}

/* Without the state file the metadata says whose it is. */
static void
test_restart_by_metadata(void **state)
{
	uint64_t generation;

	(void)state;
	agent_start(HOST_A);
	generation = next()->generation;
	for (int i = 0; i < WAIT_MS && !*metadata(); i++)
		turn();
	settle();
	agent_stop();
	lose_state();
	agent_start(HOST_A);
	{
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_PRESENT);
		assert_int_equal(m->generation, generation);
	}
	agent_stop();
	/* Another host has it now: a claim above that. */
	lose_state();
	agent_start(HOST_B);
	assert_true(next()->generation > generation);
}

static void
test_restart_by_state(void **state)
{
	uint64_t generation, nonce;

	(void)state;
	fx.silent = true; /* so no metadata */
	agent_start(HOST_A);
	generation = next()->generation;
	nonce = fx.last_nonce;
	agent_stop();
	fx.silent = false;
	agent_start(HOST_A);
	{
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_PRESENT);
		assert_int_equal(m->generation, generation);
		assert_true(m->nonce > nonce);
	}
}

static void
test_lifecycle(void **state)
{
	uint64_t generation;

	(void)state;
	agent_start(HOST_A);
	generation = next()->generation;
	settle();
	assert_int_equal(virDomainSuspend(fx.dom), 0);
	assert_int_equal(virDomainResume(fx.dom), 0);
	expect_nothing();
	assert_int_equal(virDomainDestroy(fx.dom), 0);
	{
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_ABSENT);
		assert_int_equal(m->generation, generation);
		assert_false(m->has_mac);
	}
	settle();
	assert_int_equal(the_vm()->state, VM_ABSENT);
	assert_int_equal(virDomainCreate(fx.dom), 0);
	{
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_PRESENT);
		assert_true(m->generation > generation);
	}
	expect_nothing();
}

static void
test_paused_by_user_is_present(void **state)
{
	(void)state;
	assert_int_equal(virDomainSuspend(fx.dom), 0);
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	assert_int_equal(virDomainResume(fx.dom), 0);
	expect_nothing();
}

/* It ended while nobody looked. */
static void
test_missing(void **state)
{
	uint64_t generation;

	(void)state;
	agent_start(HOST_A);
	generation = next()->generation;
	settle();
	agent_stop();
	assert_int_equal(virDomainDestroy(fx.dom), 0);
	agent_start(HOST_A);
	{
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_ABSENT);
		assert_int_equal(m->generation, generation);
		assert_int_equal(m->n_eids, 1);
	}
	expect_nothing();
}

/* It vanished while leaving: departed, never absent. */
static void
test_missing_departing(void **state)
{
	(void)state;
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	settle();
	agent_happened(fx.agent, the_vm(), EV_COPYING, 1);
	expect(CPM_DEPARTING);
	settle();
	agent_stop();
	assert_int_equal(virDomainDestroy(fx.dom), 0);
	agent_start(HOST_A);
	expect(CPM_DEPARTED);
	expect_nothing();
}

/* What nobody had acked when the agent died is said again. */
static void
test_unacked_survives(void **state)
{
	uint64_t generation;

	(void)state;
	agent_start(HOST_A);
	generation = next()->generation;
	settle();
	fx.silent = true;
	assert_int_equal(virDomainDestroy(fx.dom), 0);
	expect(CPM_ABSENT);
	settle();
	agent_stop();
	fx.silent = false;
	agent_start(HOST_A);
	{
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_ABSENT);
		assert_int_equal(m->generation, generation);
	}
	settle();
	assert_false(vm_is_open(the_vm()));
	agent_stop();
	agent_start(HOST_A);
	expect_nothing();
}

/* docs/cpm.md 7.4: above what is known, three times, then an alarm. */
static void
test_reclaim(void **state)
{
	uint64_t generation;

	(void)state;
	agent_start(HOST_A);
	generation = next()->generation;
	settle();
	fx.status = CPM_ACK_STALE;
	agent_happened(fx.agent, the_vm(), EV_LIST_MINE, 1);
	expect(CPM_PRESENT);
	for (int i = 0; i < MOBILITY_RECLAIMS; i++) {
		const struct cpm *m = next();

		assert_int_equal(m->reason, CPM_PRESENT);
		assert_true(m->generation > generation + 1000);
		generation = m->generation;
	}
	expect_nothing();
	assert_int_equal(fx.agent->counters.reclaims, MOBILITY_RECLAIMS);
	assert_true(fx.agent->counters.reclaims_spent > 0);
	/* A start begins a new count. */
	assert_int_equal(virDomainDestroy(fx.dom), 0);
	expect(CPM_ABSENT);
	assert_int_equal(virDomainCreate(fx.dom), 0);
	expect(CPM_PRESENT);
	fx.status = CPM_ACK_DONE;
	expect(CPM_PRESENT);
	expect_nothing();
}

/* A move away, as the source's libvirt tells it; then back. */
static void
test_move(void **state)
{
	uint64_t generation;
	const struct cpm *m;

	(void)state;
	agent_start(HOST_A);
	generation = next()->generation;
	settle();
	agent_happened(fx.agent, the_vm(), EV_COPYING, 10);
	m = next();
	assert_int_equal(m->reason, CPM_DEPARTING);
	assert_int_equal(m->generation, generation);
	assert_int_equal(m->event_ms, 10);
	agent_happened(fx.agent, the_vm(), EV_SUSPENDED_MIGRATED, 20);
	assert_int_equal(the_vm()->state, VM_PAUSED);
	expect(CPM_PAUSED);
	agent_happened(fx.agent, the_vm(), EV_SUSPENDED_MIGRATED, 21);
	expect_nothing();
	agent_happened(fx.agent, the_vm(), EV_RESUMED, 30);
	m = next();
	assert_int_equal(m->reason, CPM_ABORTED);
	assert_int_equal(m->generation, generation);
	agent_happened(fx.agent, the_vm(), EV_SUSPENDED_MIGRATED, 40);
	expect(CPM_PAUSED);
	agent_happened(fx.agent, the_vm(), EV_STOPPED_MIGRATED, 50);
	expect(CPM_DEPARTED);
	assert_int_equal(the_vm()->state, VM_ABSENT);

	/* Back: the new generation is above everything known. */
	agent_happened(fx.agent, the_vm(), EV_STARTED_MIGRATED, 60);
	m = next();
	assert_int_equal(m->reason, CPM_ARRIVING);
	agent_happened(fx.agent, the_vm(), EV_RESUMED_MIGRATED, 70);
	m = next();
	assert_int_equal(m->reason, CPM_ARRIVED);
	assert_true(m->generation > generation);
	agent_happened(fx.agent, the_vm(), EV_RESUMED_MIGRATED, 71);
	expect_nothing();
}

/* Aborted without an event: the poll finds the domain running, no job. */
static void
test_silent_abort(void **state)
{
	struct virt_domain d = { .life = LIFE_RUNNING, .job = JOB_NONE };
	struct vm *vm;

	(void)state;
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	settle();
	vm = the_vm();
	agent_happened(fx.agent, vm, EV_COPYING, 1);
	expect(CPM_DEPARTING);
	assert_true(loop_timer_armed(vm->poll));
	d.asked = loop_now(fx.loop);
	d.job = JOB_OUTGOING;
	watch_looked(fx.agent, vm, &d);
	d.job = JOB_NONE;
	watch_looked(fx.agent, vm, &d);
	assert_int_equal(vm->state, VM_DEPARTING); /* look once more */
	watch_looked(fx.agent, vm, &d);
	assert_int_equal(vm->state, VM_HERE);
	expect(CPM_ABORTED);
	assert_false(loop_timer_armed(vm->poll));
	/* A look that is older than the last event says nothing. */
	agent_happened(fx.agent, vm, EV_SUSPENDED_MIGRATED, 2);
	expect(CPM_PAUSED);
	vm->event_at = mono_add_ms(d.asked, 1);
	watch_looked(fx.agent, vm, &d);
	assert_int_equal(vm->state, VM_PAUSED);
	d.err = ERR_IO;
	d.asked = mono_add_ms(d.asked, 2);
	watch_looked(fx.agent, vm, &d);
	assert_int_equal(vm->state, VM_PAUSED);
	d.err = ERR_OK;
	watch_looked(fx.agent, vm, &d);
	expect(CPM_ABORTED);
}

/* A managed save copies, too: not a word. */
static void
test_managed_save(void **state)
{
	struct virt_domain d = { .life = LIFE_PAUSED, .job = JOB_OTHER };
	uint8_t uuid[16];

	(void)state;
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	settle();
	virDomainGetUUID(fx.dom, uuid);
	watch_copying(fx.agent, uuid, 5);
	watch_copying_looked(fx.agent, the_vm(), &d);
	assert_int_equal(the_vm()->state, VM_HERE);
	assert_null(the_vm()->fresh);
	watch_copying(fx.agent, uuid, 6);
	d.job = JOB_OUTGOING;
	watch_copying_looked(fx.agent, the_vm(), &d);
	expect(CPM_DEPARTING);
}

/* The operator edits the EIDs of a running VM. */
static void
test_eids_change(void **state)
{
	const struct cpm *m;
	char buf[EID_STR_MAX];

	(void)state;
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	settle();
	set_eids(
	    "<vm><eid address='10.1.1.10'/><eid address='10.1.1.11'/></vm>");
	m = next();
	assert_int_equal(m->reason, CPM_PRESENT);
	assert_int_equal(m->n_eids, 2);
	settle();
	set_eids("<vm><eid address='10.1.1.11'/></vm>");
	m = next();
	assert_int_equal(m->reason, CPM_ABSENT);
	assert_int_equal(m->n_eids, 1);
	assert_string_equal(eid_str(&m->eids[0], buf), "10.1.1.10/32");
	m = next();
	assert_int_equal(m->reason, CPM_PRESENT);
	assert_int_equal(m->n_eids, 1);
	expect_nothing();
	/* Our own element is still written, and read back. */
	for (int i = 0; i < WAIT_MS && !the_vm()->info->metadata.generation;
	     i++)
		turn();
	assert_int_equal(
	    the_vm()->info->metadata.generation, the_vm()->generation);
}

static void
test_reload(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	settle();
	/* An invalid file changes nothing. */
	snprintf(path, sizeof(path), "%s/a.yaml", fx.folder);
	f = fopen(path, "a");
	fputs("nonsense: 1\n", f);
	fclose(f);
	assert_int_equal(agent_reload(fx.agent), ERR_MALFORMED);
	expect_nothing();
	f = fopen(path, "r+");
	assert_int_equal(fseek(f, -12, SEEK_END), 0);
	fputs("resync: 30s\n", f);
	fclose(f);
	assert_int_equal(agent_reload(fx.agent), ERR_OK);
	expect(CPM_PRESENT);
	assert_int_equal(fx.agent->conf->resync_s, 30);
}

/* One request over the control socket; static. */
static const char *
ask(const char *request)
{
	static char answer[65536];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	size_t n = 0;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/a.sock", fx.folder);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(
	    write(fd, request, strlen(request)), (ssize_t)strlen(request));
	for (int i = 0; i < 1000 && (!n || answer[n - 1] != '\n'); i++) {
		ssize_t got;

		turn();
		got = read(fd, answer + n, sizeof(answer) - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	answer[n] = 0;
	return answer;
}

#define SHOW(what) ask("{\"v\":1,\"cmd\":\"show\",\"what\":\"" what "\"}\n")

static void
test_control(void **state)
{
	static const char *const members[] = { "\"vm\":\"test\"",
		"\"state\":\"here\"", "\"owner\":\"" HOST_A "\"",
		"\"eids\":[\"10.1.1.10/32\"]", "\"peers\":0", "\"name\":\"x1\"",
		"\"acked\":true", "\"outstanding\":0", "\"status\":\"done\"" };
	const char *rows;

	(void)state;
	agent_start(HOST_A);
	expect(CPM_PRESENT);
	settle();
	rows = SHOW("vms");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (!strstr(rows, members[i]))
			fail_msg("no %s in %s", members[i], rows);
	rows = SHOW("moves");
	assert_non_null(strstr(rows, "\"event\":\"present\""));
	assert_null(strstr(rows, "\"acked_ms\":null"));
	assert_non_null(strstr(
	    SHOW("counters"), "{\"name\":\"said.present\",\"value\":1}"));
	assert_non_null(strstr(SHOW("config"), "resync: 1m"));
	assert_non_null(strstr(SHOW("status"), "\"connected\":true"));
	assert_non_null(strstr(SHOW("peers"), "\"rows\":[]"));
	assert_non_null(strstr(SHOW("nonsense"), "\"ok\":false"));
	fx.silent = true;
	assert_int_equal(virDomainDestroy(fx.dom), 0);
	expect(CPM_ABSENT);
	rows = SHOW("vms"); /* gone, but not everybody knows */
	assert_non_null(strstr(rows, "\"state\":\"absent\""));
	assert_non_null(strstr(rows, "\"outstanding\":1"));
	assert_non_null(strstr(ask("{\"v\":1,\"cmd\":\"reload\"}\n"), "true"));
}

static int
group_setup(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);

	(void)state;
	clock_system(&fx.clock);
	fx.loop = loop_new(&fx.clock);
	eids_init();
	if (virt_loop_init(fx.loop))
		return -1;
	fx.conn = virConnectOpen("test:///default");
	fx.dom = virDomainLookupByName(fx.conn, "test");
	fx.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (!fx.dom || bind(fx.fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    getsockname(fx.fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	fx.port = ntohs(at.sin_port);
	fx.watch = loop_fd_new(fx.loop, fx.fd, LOOP_READ, on_xtr, NULL);
	fx.key = (struct auth_key){ .key_id = 11,
		.algorithm = AUTH_SHA256_128,
		.accept = 1 << AUTH_SHA256_128,
		.secret_len = 12 };
	memcpy(fx.key.secret, "secretsecret", 12);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	virDomainFree(fx.dom);
	virConnectClose(fx.conn);
	settle();
	loop_fd_free(fx.watch);
	close(fx.fd);
	virt_loop_fini();
	loop_free(fx.loop);
	eids_fini();
	return 0;
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_listing_and_metadata),
		T(test_restart_by_metadata),
		T(test_restart_by_state),
		T(test_lifecycle),
		T(test_paused_by_user_is_present),
		T(test_missing),
		T(test_missing_departing),
		T(test_unacked_survives),
		T(test_reclaim),
		T(test_move),
		T(test_silent_abort),
		T(test_managed_save),
		T(test_eids_change),
		T(test_reload),
		T(test_control),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
