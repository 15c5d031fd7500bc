/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_VIRT_CALL_H
#define VMAGENT_VIRT_CALL_H

/*
 * virt_call.h - between virt.c, which lives in the loop, and virt_call.c, which
 * runs in its workers.  For these two only.
 */
#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"
#include "vmagent/mobility.h"
#include "vmagent/virt.h"

enum { VIRT_CALLBACKS = 5, VIRT_WHY_MAX = 160 };

enum call_kind { CALL_CONNECT, CALL_CLOSE, CALL_LIST, CALL_LOOK, CALL_WRITE };

/* What CALL_CONNECT registers; 'fn' run in the loop with 'arg'. */
struct virt_callbacks {
	struct {
		int id;
		virConnectDomainEventGenericCallback fn;
		bool required;
	} events[VIRT_CALLBACKS];
	virConnectCloseFunc closed;
};

/* The writer's connection: opened when needed, used by its thread alone. */
struct virt_writer {
	virConnectPtr conn;
};

/* A job of a worker: what to do, and what came of it. */
struct call {
	struct call *next_call, **prev_call; /* all of virt.c's */
	struct call *next_queued;
	struct virt *v; /* not for the worker */
	enum call_kind kind;
	const struct virt_conf *conf; /* constant */
	const struct virt_callbacks *callbacks;
	struct virt_writer *writer;
	virConnectPtr conn;	 /* CONNECT: the new one, even with 'err' */
	int ids[VIRT_CALLBACKS]; /* CONNECT, CLOSE: registrations, or -1 */
	uint8_t uuid[16];
	unsigned want; /* enum virt_want */
	int purpose;
	struct mono asked;
	char *xml; /* LOOK: read; WRITE: to write; CONNECT: capabilities */
	enum vm_life life;
	enum vm_job job;
	uint8_t (*uuids)[16];
	size_t n_uuids;
	bool ran;
	enum err err;
	char why[VIRT_WHY_MAX]; /* libvirt's words */
};

/* The worker's half: does what 'job', a struct call, says. */
void virt_call_run(void *job);

/* Deregisters and closes; may wait. */
void virt_call_close(virConnectPtr, const struct virt_callbacks *,
    const int ids[VIRT_CALLBACKS]);

/* virDomainState and its reason -> what the domain is doing. */
enum vm_life virt_life(int state, int reason);

#endif
