/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt_map.c - what libvirt's numbers mean: lifecycle events and domain states
 * in the words of mobility.h.
 *
 * One table a lifecycle event, one entry a detail; the build stops when libvirt
 * has one more than we know.
 */
#define VIR_ENUM_SENTINELS
#include <libvirt/libvirt.h>
#include <stddef.h>
#include <stdint.h>

#include "virt.h"
#include "virt_call.h"

static const uint8_t defined_map[] = {
	[VIR_DOMAIN_EVENT_DEFINED_ADDED] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_DEFINED_UPDATED] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_DEFINED_RENAMED] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT] = EV_NOTHING,
};
static const uint8_t undefined_map[] = {
	[VIR_DOMAIN_EVENT_UNDEFINED_REMOVED] = EV_UNDEFINED,
	[VIR_DOMAIN_EVENT_UNDEFINED_RENAMED] = EV_NOTHING,
};
static const uint8_t started_map[] = {
	[VIR_DOMAIN_EVENT_STARTED_BOOTED] = EV_STARTED,
	[VIR_DOMAIN_EVENT_STARTED_MIGRATED] = EV_STARTED_MIGRATED,
	[VIR_DOMAIN_EVENT_STARTED_RESTORED] = EV_STARTED,
	[VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT] = EV_STARTED,
	[VIR_DOMAIN_EVENT_STARTED_WAKEUP] = EV_STARTED,
};
static const uint8_t suspended_map[] = {
	[VIR_DOMAIN_EVENT_SUSPENDED_PAUSED] = EV_SUSPENDED,
	[VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED] = EV_SUSPENDED_MIGRATED,
	[VIR_DOMAIN_EVENT_SUSPENDED_IOERROR] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_SUSPENDED_RESTORED] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR] = EV_NOTHING,
	[VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY] = EV_SUSPENDED_MIGRATED,
	[VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED] = EV_POSTCOPY_FAILED,
};
static const uint8_t resumed_map[] = {
	[VIR_DOMAIN_EVENT_RESUMED_UNPAUSED] = EV_RESUMED,
	[VIR_DOMAIN_EVENT_RESUMED_MIGRATED] = EV_RESUMED_MIGRATED,
	[VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT] = EV_RESUMED,
	[VIR_DOMAIN_EVENT_RESUMED_POSTCOPY] = EV_RESUMED_MIGRATED,
	[VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED] = EV_RESUMED_MIGRATED,
};
static const uint8_t stopped_map[] = {
	[VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = EV_STOPPED,
	[VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = EV_STOPPED,
	[VIR_DOMAIN_EVENT_STOPPED_CRASHED] = EV_STOPPED,
	[VIR_DOMAIN_EVENT_STOPPED_MIGRATED] = EV_STOPPED_MIGRATED,
	[VIR_DOMAIN_EVENT_STOPPED_SAVED] = EV_STOPPED,
	[VIR_DOMAIN_EVENT_STOPPED_FAILED] = EV_STOPPED,
	[VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT] = EV_STOPPED,
};
/* Stopped follows these, or the guest stays here. */
static const uint8_t shutdown_map[VIR_DOMAIN_EVENT_SHUTDOWN_LAST];
static const uint8_t pmsuspended_map[VIR_DOMAIN_EVENT_PMSUSPENDED_LAST];
static const uint8_t crashed_map[VIR_DOMAIN_EVENT_CRASHED_LAST];

#define COVERS(map, last) \
	_Static_assert(sizeof(map) == (last), "a new detail of libvirt's")
COVERS(defined_map, VIR_DOMAIN_EVENT_DEFINED_LAST);
COVERS(undefined_map, VIR_DOMAIN_EVENT_UNDEFINED_LAST);
COVERS(started_map, VIR_DOMAIN_EVENT_STARTED_LAST);
COVERS(suspended_map, VIR_DOMAIN_EVENT_SUSPENDED_LAST);
COVERS(resumed_map, VIR_DOMAIN_EVENT_RESUMED_LAST);
COVERS(stopped_map, VIR_DOMAIN_EVENT_STOPPED_LAST);

static const struct {
	const uint8_t *map;
	size_t n;
} lifecycle[] = {
#define MAP(event, m) [event] = { m, sizeof(m) }
	MAP(VIR_DOMAIN_EVENT_DEFINED, defined_map),
	MAP(VIR_DOMAIN_EVENT_UNDEFINED, undefined_map),
	MAP(VIR_DOMAIN_EVENT_STARTED, started_map),
	MAP(VIR_DOMAIN_EVENT_SUSPENDED, suspended_map),
	MAP(VIR_DOMAIN_EVENT_RESUMED, resumed_map),
	MAP(VIR_DOMAIN_EVENT_STOPPED, stopped_map),
	MAP(VIR_DOMAIN_EVENT_SHUTDOWN, shutdown_map),
	MAP(VIR_DOMAIN_EVENT_PMSUSPENDED, pmsuspended_map),
	MAP(VIR_DOMAIN_EVENT_CRASHED, crashed_map),
#undef MAP
};
_Static_assert(
    sizeof(lifecycle) / sizeof(lifecycle[0]) == VIR_DOMAIN_EVENT_LAST,
    "a new lifecycle event of libvirt's");

enum vm_event_kind
virt_lifecycle(int event, int detail, bool has_process)
{
	enum vm_event_kind kind;

	if (event < 0 || event >= VIR_DOMAIN_EVENT_LAST || detail < 0 ||
	    (size_t)detail >= lifecycle[event].n)
		return EV_NOTHING; /* a newer libvirtd than our headers */
	kind = (enum vm_event_kind)lifecycle[event].map[detail];
	return kind == EV_UNDEFINED && has_process ? EV_NOTHING : kind;
}

enum vm_life
virt_life(int state, int reason)
{
	switch ((virDomainState)state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
	case VIR_DOMAIN_PMSUSPENDED:
		return LIFE_RUNNING;
	case VIR_DOMAIN_PAUSED:
		break;
	case VIR_DOMAIN_CRASHED:
		return LIFE_CRASHED;
	case VIR_DOMAIN_SHUTDOWN: /* on its way; Stopped follows */
		return LIFE_CHANGING;
	case VIR_DOMAIN_NOSTATE:
	case VIR_DOMAIN_SHUTOFF:
	case VIR_DOMAIN_LAST:
		return LIFE_GONE;
	}
	switch (reason) {
	case VIR_DOMAIN_PAUSED_MIGRATION:
		return LIFE_PAUSED_MIGRATION;
	case VIR_DOMAIN_PAUSED_POSTCOPY:
		return LIFE_PAUSED_POSTCOPY;
	case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
		return LIFE_POSTCOPY_FAILED;
	case VIR_DOMAIN_PAUSED_STARTING_UP:
	case VIR_DOMAIN_PAUSED_SHUTTING_DOWN:
		return LIFE_CHANGING;
	case VIR_DOMAIN_PAUSED_CRASHED:
		return LIFE_CRASHED;
	default: /* user, save, dump, I/O error ...: it lives here */
		return LIFE_PAUSED;
	}
}
