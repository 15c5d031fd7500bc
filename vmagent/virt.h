/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_VIRT_H
#define VMAGENT_VIRT_H

/*
 * virt.h - libvirt: its events, and what it says about a domain.  With
 * virt_loop.c the only user of libvirt.
 *
 * Connects by itself and again after a loss, with back-off.  Nothing here
 * blocks: calls go to two workers, each with a connection of its own, because
 * a metadata write that meets a migration blocks to its end and must not delay
 * a look.  Looks are queued, urgent ones first, at most VIRT_LOOKS_MAX.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/loop.h"
#include "vmagent/mobility.h"

enum {
	VIRT_LOOKS_MAX = 16384,
	VIRT_BACKOFF_FIRST_MS = 500,
	VIRT_BACKOFF_MAX_MS = 15000,
};

struct virt;

/* A libvirt callback, in our words. */
struct vm_event {
	uint8_t uuid[16];
	const char *name; /* borrowed for the call */
	enum vm_event_kind kind;
	uint64_t wall_ms; /* when it reached us */
};

/* What a look at a domain found. */
struct virt_domain {
	uint8_t uuid[16];
	enum err err; /* ERR_IO: nothing below is known */
	enum vm_life life;
	enum vm_job job;
	const char *xml;   /* NULL unless asked for and found; borrowed */
	int purpose;	   /* as given to virt_look() */
	struct mono asked; /* what happened since is not in it */
};

/* Called in the loop. */
struct virt_hooks {
	/* Connected and listening; 'capabilities' is XML. */
	void (*connected)(void *arg, const char *capabilities);
	/* Looks under way are forgotten. */
	void (*lost)(void *arg);
	void (*event)(void *arg, const struct vm_event *);
	/* The first iteration of some job that copies memory. */
	void (*copying)(void *arg, const uint8_t uuid[16], uint64_t wall_ms);
	/* Its XML has changed (metadata of others, interfaces). */
	void (*changed)(void *arg, const uint8_t uuid[16]);
	void (*listed)(
	    void *arg, const uint8_t (*uuids)[16], size_t n, struct mono asked);
	void (*looked)(void *arg, const struct virt_domain *);
	void (*written)(void *arg, const uint8_t uuid[16], enum err,
	    const char *why); /* why: libvirt's words after an error */
};

struct virt_conf {
	const char *uri;
	int64_t keepalive_s, keepalive_count;
	/* Our metadata element: changes of it are no news. */
	const char *own_uri, *own_key;
};

/*
 * Starts connecting.  virt_loop_init() comes first.  conf->uri is copied;
 * 'hooks', 'arg' and the names of our element are borrowed.  NULL if out of memory.
 */
struct virt *virt_new(struct loop *, const struct virt_conf *conf,
    const struct virt_hooks *hooks, void *arg);
/* Waits for calls under way; calls no hook.  Accepts NULL. */
void virt_free(struct virt *);
/* False while a call is under way: virt_free() would wait for it. */
bool virt_idle(const struct virt *);
bool virt_connected(const struct virt *);

/* Lists the active domains -> hook 'listed'.  Does nothing while lost. */
void virt_list(struct virt *);

/*
 * Looks at a domain -> hook 'looked'; 'want' says at what, besides its life.
 * Takes no lock of libvirt's that a migration holds.  ERR_IO while not
 * connected, ERR_FULL.
 */
enum virt_want {
	WANT_LIFE = 0,
	WANT_XML = 1,
	WANT_JOB = 2,
	WANT_MIGRATION_JOB = 4, /* of a domain that a migration has paused */
};
enum err virt_look(struct virt *, const uint8_t uuid[16], bool urgent,
    unsigned want, int purpose) MUST_USE;

/*
 * Replaces our element in the live metadata, unless the domain has a job
 * -> hook 'written' (ERR_RATE: there is a job).  'xml' is taken over.
 * ERR_IO while not connected, ERR_FULL: 'xml' is freed, no hook.
 */
enum err virt_write(struct virt *, const uint8_t uuid[16], char *xml) MUST_USE;

struct virt_counters {
	uint64_t events, connects, losses, looks, writes, write_errors;
};
const struct virt_counters *virt_counters(const struct virt *);

/* libvirt's lifecycle (event, detail) -> our event; for the test. */
enum vm_event_kind virt_lifecycle(int event, int detail, bool has_process);

#endif
