/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.c - the agent's tables as JSON rows.
 *
 * common/ctl_server.c has the socket; this file only reads, but for 'reload'.
 * Rows are documented in vmagent(8) and only grow.
 */
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* Reading a VM's peers takes a fraction of a millisecond, in the loop. */
enum { FRESH_MAX = 32 };

/* ---- show vms ---- */

static json_t *
eids_json(const struct vm_info *info)
{
	json_t *list = json_array();
	char buf[EID_STR_MAX];

	for (unsigned i = 0; info && i < info->n_nics; i++)
		for (unsigned k = 0; k < info->nics[i].n_eids; k++)
			json_array_append_new(list,
			    json_string(eid_str(&info->nics[i].eids[k], buf)));
	return list;
}

static json_t *
xtrs_json(const struct agent *a, const struct vm *vm)
{
	json_t *list = json_array();
	struct notify_progress p;

	for (unsigned i = 0; notify_progress(a->notify, vm->uuid, i, &p); i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:i, s:s, s:b}", "name", p.name,
			"acked", p.acked == p.parts, "outstanding",
			(int)(p.parts - p.acked), "status",
			cpm_status_str(p.status), "alarm", p.alarm));
	return list;
}

/* Who owns the VM as far as we know; null if nobody is known to. */
static json_t *
owner_json(const struct agent *a, const struct vm *vm)
{
	char buf[UUID_STR_MAX];

	if (vm_is_owned(vm) && a->ready)
		return json_string(uuid_str(a->host_id, buf));
	if (vm->info && vm->info->metadata.generation)
		return json_string(uuid_str(vm->info->metadata.owner, buf));
	return json_null();
}

/* 'fresh': reads its peers; else their number is that of the last reading. */
static json_t *
vm_json(struct agent *a, struct vm *vm, bool fresh)
{
	char uuid[UUID_STR_MAX];
	unsigned n_peers = vm->n_peers;

	if (vm->state == VM_ABSENT)
		n_peers = 0;
	else if (fresh)
		n_peers =
		    metadata_peers(a, vm, a->peers_room, CPM_PEERS_SENT_MAX);

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:i, s:i, s:o}",
	    "vm", vm->name, "uuid", uuid_str(vm->uuid, uuid), "state",
	    vm_state_str(vm->state), "generation", (json_int_t)vm->generation,
	    "highest", (json_int_t)vm->highest, "owner", owner_json(a, vm),
	    "eids", eids_json(vm->info), "peers", (int)n_peers, "reclaims",
	    (int)vm->reclaims, "xtrs", xtrs_json(a, vm));
}

/* By name or UUID, if the request names one. */
static bool
vm_wanted(const struct vm *vm, const char *wanted)
{
	char uuid[UUID_STR_MAX];

	return !wanted || strcmp(vm->name, wanted) == 0 ||
	    strcmp(uuid_str(vm->uuid, uuid), wanted) == 0;
}

static json_t *
show_vms(void *arg, const json_t *request, const char **error)
{
	struct agent *a = arg;
	const char *wanted = ctl_string(request, "vm");
	bool all = json_is_true(json_object_get(request, "all"));
	json_t *rows = json_array();
	struct table_iter it = table_iter(&a->vms.table);
	unsigned n = 0;
	struct vm *vm;

	(void)error;
	while ((vm = vms_next(&it)))
		if (vm_wanted(vm, wanted) &&
		    (all || wanted || vm->state != VM_ABSENT || vm_is_open(vm)))
			json_array_append_new(
			    rows, vm_json(a, vm, n++ < FRESH_MAX));
	return rows;
}

/* ---- show peers ---- */

static json_t *
show_peers(void *arg, const json_t *request, const char **error)
{
	struct agent *a = arg;
	const char *wanted = ctl_string(request, "vm");
	json_t *rows = json_array();
	struct table_iter it = table_iter(&a->vms.table);
	struct vm *vm;
	char buf[ADDR_STR_MAX];

	(void)error;
	while ((vm = vms_next(&it))) {
		unsigned n;

		if (vm->state == VM_ABSENT || !vm_wanted(vm, wanted))
			continue;
		n = metadata_peers(a, vm, a->peers_room, CPM_PEERS_SENT_MAX);
		for (unsigned i = 0; i < n; i++)
			json_array_append_new(rows,
			    json_pack("{s:s, s:s, s:I}", "vm", vm->name, "peer",
				addr_str(&a->peers_room[i].addr, buf),
				"instance_id",
				(json_int_t)a->peers_room[i].iid));
	}
	return rows;
}

/* ---- show moves ---- */

static json_t *
acked_json(const struct agent *a, const struct history_record *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < notify_xtrs(a->notify); i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:o}", "name",
			notify_xtr_name(a->notify, i), "acked_ms",
			r->acked[i].ms
			    ? json_integer((json_int_t)r->acked[i].ms)
			    : json_null(),
			"status",
			r->acked[i].ms
			    ? json_string(cpm_status_str(r->acked[i].status))
			    : json_null()));
	return list;
}

static json_t *
show_moves(void *arg, const json_t *request, const char **error)
{
	const struct agent *a = arg;
	const char *wanted = ctl_string(request, "vm");
	json_t *rows = json_array();
	const struct history_record *r;
	char uuid[UUID_STR_MAX];

	(void)error;
	for (unsigned back = 0; (r = history_get(&a->history, back)); back++) {
		uuid_str(r->vm_id, uuid);
		if (wanted && strcmp(wanted, r->name) != 0 &&
		    strcmp(wanted, uuid) != 0)
			continue;
		json_array_append_new(rows,
		    json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:i, "
			      "s:o}",
			"id", (json_int_t)r->id, "vm", r->name, "uuid", uuid,
			"event", cpm_reason_str(r->reason), "generation",
			(json_int_t)r->generation, "event_ms",
			(json_int_t)r->event_ms, "sent_ms",
			(json_int_t)r->sent_ms, "eids", (int)r->n_eids, "peers",
			(int)r->n_peers, "xtrs", acked_json(a, r)));
	}
	return rows;
}

/* ---- show counters ---- */

struct counter_rows {
	json_t *rows;
	bool all;
};

static void
counter(
    struct counter_rows *c, const char *group, const char *name, uint64_t value)
{
	char full[96], *to = full;

	if (!value && !c->all)
		return;
	snprintf(full, sizeof(full), "%s.%s", group, name);
	/* One word: "events.listed-not-ours". */
	for (const char *from = full; *from; from++)
		if (*from != ',')
			*to++ = *from == ' ' ? '-' : *from;
	*to = 0;
	json_array_append_new(c->rows,
	    json_pack("{s:s, s:I}", "name", full, "value", (json_int_t)value));
}

static void
notify_counter_rows(struct counter_rows *c, const struct notify_counters *n)
{
	for (uint8_t r = CPM_ARRIVED; r <= CPM_ABSENT; r++)
		counter(c, "said", cpm_reason_str(r), n->statements[r]);
	counter(c, "tx", "messages", n->sent);
	counter(c, "tx", "repeated", n->resent);
	counter(c, "tx", "errors", n->send_errors);
	counter(c, "tx", "given-up", n->alarms);
	for (uint8_t s = 0; s < 10; s++)
		counter(c, "acks", cpm_status_str(s), n->acks[s]);
	for (enum err e = ERR_OK + 1; e < ERR_COUNT; e++)
		counter(c, "acks-refused", err_name(e), n->refused[e]);
}

static json_t *
show_counters(void *arg, const json_t *request, const char **error)
{
	const struct agent *a = arg;
	const struct agent_counters *n = &a->counters;
	const struct virt_counters *v = virt_counters(a->virt);
	struct counter_rows c = { json_array(),
		json_is_true(json_object_get(request, "all")) };

	(void)error;
	for (unsigned e = 1; e < EV_COUNT; e++)
		counter(&c, "events", vm_event_str(e), n->events[e]);
	notify_counter_rows(&c, notify_counters(a->notify));
	counter(&c, "vms", "refused", n->vms_refused);
	counter(&c, "reclaims", "done", n->reclaims);
	counter(&c, "reclaims", "spent", n->reclaims_spent);
	counter(&c, "resync", "listings", n->listings);
	counter(&c, "resync", "said", n->resync_said);
	counter(&c, "metadata", "written", n->metadata_written);
	counter(&c, "metadata", "postponed", n->metadata_postponed);
	counter(&c, "metadata", "failed", n->metadata_failed);
	counter(&c, "peers", "vnics", peers_watched(a->peers));
	counter(&c, "libvirt", "events", v->events);
	counter(&c, "libvirt", "connects", v->connects);
	counter(&c, "libvirt", "losses", v->losses);
	counter(&c, "libvirt", "looks", v->looks);
	counter(&c, "libvirt", "writes", v->writes);
	counter(&c, "libvirt", "write-errors", v->write_errors);
	return c.rows;
}

/* ---- show status, show config, reload ---- */

static json_t *
show_status(void *arg, const json_t *request, const char **error)
{
	const struct agent *a = arg;
	char uuid[UUID_STR_MAX] = "";

	(void)request;
	(void)error;
	if (a->ready)
		uuid_str(a->host_id, uuid);
	return json_pack("[{s:s, s:s, s:s, s:b, s:b, s:s, s:i}]", "version",
	    VERSION, "host_id", uuid, "libvirt", a->conf->libvirt.uri,
	    "connected", virt_connected(a->virt), "state_written",
	    a->state && state_healthy(a->state), "peers",
	    peers_source(a->peers), "vms", (int)a->vms.table.count);
}

static json_t *
show_config(void *arg, const json_t *request, const char **error)
{
	const struct agent *a = arg;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *rows = NULL;

	(void)request;
	*error = "out of memory";
	if (!f)
		return NULL;
	agent_conf_print(f, a->conf);
	if (fclose(f) == 0)
		rows = json_pack("[{s:s}]", "yaml", text);
	free(text);
	return rows;
}

static json_t *
reload(void *arg, const json_t *request, const char **error)
{
	(void)request;
	if (!agent_reload(arg))
		return json_array();
	*error = "the file has errors, see the log; nothing has changed";
	return NULL;
}

static const struct ctl_command commands[] = {
	{ "show", "vms", show_vms, NULL },
	{ "show", "peers", show_peers, NULL },
	{ "show", "moves", show_moves, NULL },
	{ "show", "counters", show_counters, NULL },
	{ "show", "status", show_status, NULL },
	{ "show", "config", show_config, NULL },
	{ "reload", NULL, reload, NULL },
	{ 0 },
};

bool
ctl_open(struct agent *a)
{
	const char *path = a->conf->control.socket;
	enum err err;

	a->ctl = ctl_server_new(
	    a->loop, path, a->conf->control.group, commands, a, &err);
	if (!a->ctl)
		log_error("ctl", "%s: %s", path,
		    err == ERR_NOT_FOUND ? "no such group"
			: err == ERR_IO	 ? strerror(errno)
					 : err_str(err));
	return a->ctl != NULL;
}
