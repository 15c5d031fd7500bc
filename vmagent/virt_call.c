/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt_call.c - the calls to libvirt that may wait, run in virt.c's workers.
 *
 * A call sees its own struct and nothing else; virt.c fills it in and reads the
 * result when it is back in the loop.
 */
#include "virt_call.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>

static void
call_fail(struct call *c, enum err err)
{
	c->err = err;
	snprintf(c->why, sizeof(c->why), "%s", virGetLastErrorMessage());
}

static enum vm_job
job_of(virDomainPtr dom)
{
	virTypedParameterPtr params = NULL;
	int n = 0, type, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
	enum vm_job job;

	if (virDomainGetJobStats(dom, &type, &params, &n, 0) < 0) {
		int code = virGetLastErrorCode();

		/* Only the source of a migration has statistics. */
		return code == VIR_ERR_OPERATION_UNSUPPORTED ||
			code == VIR_ERR_OPERATION_INVALID
		    ? JOB_INCOMING
		    : JOB_UNKNOWN;
	}
	virTypedParamsGetInt(params, n, VIR_DOMAIN_JOB_OPERATION, &operation);
	virTypedParamsFree(params, n);
	if (type == VIR_DOMAIN_JOB_NONE)
		job = JOB_NONE;
	else if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
		job = JOB_OUTGOING;
	else if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN)
		job = JOB_INCOMING;
	else
		job = JOB_OTHER;
	return job;
}

/* The query waits for QEMU's monitor, and libvirtd logs it as an error at the
 * target of a migration: only where it is needed. */
static bool
wants_job(const struct call *c)
{
	return c->want & WANT_JOB ||
	    (c->want & WANT_MIGRATION_JOB && c->life == LIFE_PAUSED_MIGRATION);
}

static void
call_look(struct call *c)
{
	virDomainPtr dom = virDomainLookupByUUID(c->conn, c->uuid);
	int state, reason;

	if (!dom || virDomainGetState(dom, &state, &reason, 0) < 0) {
		c->life = LIFE_GONE;
		if (virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
			call_fail(c, ERR_IO);
	} else {
		c->life = virt_life(state, reason);
		if (c->want & WANT_XML)
			c->xml = virDomainGetXMLDesc(dom, 0);
		if (c->life != LIFE_GONE && wants_job(c))
			c->job = job_of(dom);
	}
	if (dom)
		virDomainFree(dom);
}

static void
call_list(struct call *c)
{
	virDomainPtr *doms = NULL;
	int n = virConnectListAllDomains(
	    c->conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	if (n < 0) {
		call_fail(c, ERR_IO);
		return;
	}
	c->uuids = calloc((size_t)n + 1, sizeof(c->uuids[0]));
	if (!c->uuids)
		c->err = ERR_NOMEM;
	for (int i = 0; i < n; i++) {
		if (c->uuids &&
		    virDomainGetUUID(doms[i], c->uuids[c->n_uuids]) == 0)
			c->n_uuids++;
		virDomainFree(doms[i]);
	}
	free(doms);
}

static virConnectPtr
writer_connection(struct virt_writer *w, const struct virt_conf *conf)
{
	if (w->conn && virConnectIsAlive(w->conn) == 1)
		return w->conn;
	if (w->conn)
		virConnectClose(w->conn);
	w->conn = virConnectOpen(conf->uri);
	if (w->conn)
		virConnectSetKeepAlive(w->conn, (int)conf->keepalive_s,
		    (unsigned)conf->keepalive_count);
	return w->conn;
}

static void
call_write(struct call *c)
{
	virConnectPtr conn = writer_connection(c->writer, c->conf);
	virDomainPtr dom = conn ? virDomainLookupByUUID(conn, c->uuid) : NULL;
	enum vm_job job;

	if (!dom) {
		call_fail(c, ERR_IO);
		return;
	}
	/* Not while a job runs: the call would wait for its end. */
	job = job_of(dom);
	if (job == JOB_OUTGOING || job == JOB_INCOMING || job == JOB_OTHER)
		c->err = ERR_RATE;
	else if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, c->xml,
		     c->conf->own_key, c->conf->own_uri,
		     VIR_DOMAIN_AFFECT_LIVE) < 0)
		call_fail(c, ERR_IO);
	virDomainFree(dom);
}

static void
call_connect(struct call *c)
{
	const struct virt_callbacks *cb = c->callbacks;

	c->conn = virConnectOpen(c->conf->uri);
	if (!c->conn) {
		call_fail(c, ERR_IO);
		return;
	}
	/* Drivers inside our process have no keepalive, and need none. */
	virConnectSetKeepAlive(c->conn, (int)c->conf->keepalive_s,
	    (unsigned)c->conf->keepalive_count);
	virConnectRegisterCloseCallback(c->conn, cb->closed, c->v, NULL);
	for (int i = 0; i < VIRT_CALLBACKS; i++) {
		c->ids[i] = virConnectDomainEventRegisterAny(c->conn, NULL,
		    cb->events[i].id, cb->events[i].fn, c->v, NULL);
		if (c->ids[i] < 0 && cb->events[i].required)
			call_fail(c, ERR_IO);
	}
	c->xml = virConnectGetCapabilities(c->conn);
}

void
virt_call_close(virConnectPtr conn, const struct virt_callbacks *cb,
    const int ids[VIRT_CALLBACKS])
{
	for (int i = 0; i < VIRT_CALLBACKS; i++)
		if (ids[i] >= 0)
			virConnectDomainEventDeregisterAny(conn, ids[i]);
	virConnectUnregisterCloseCallback(conn, cb->closed);
	virConnectClose(conn);
}

void
virt_call_run(void *job)
{
	struct call *c = job;

	virResetLastError();
	switch (c->kind) {
	case CALL_CONNECT:
		call_connect(c);
		break;
	case CALL_CLOSE:
		virt_call_close(c->conn, c->callbacks, c->ids);
		break;
	case CALL_LIST:
		call_list(c);
		break;
	case CALL_LOOK:
		call_look(c);
		break;
	case CALL_WRITE:
		call_write(c);
		break;
	}
	c->ran = true;
}
