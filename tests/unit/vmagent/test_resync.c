/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_resync.c - listings against what we thought, the pace of 'present', and
 * when a VM is forgotten (docs/cpm.md 7.3 item 4).
 */
#include "agent_world.h"

/* The XML of make_vm()'s VM 'id'; 'generation' 0: without our element. */
static const char *
xml_of(const struct vm *vm, uint64_t generation, const char *owner)
{
	static char xml[2048];
	char uuid[UUID_STR_MAX], eid[EID_STR_MAX], state[256] = "";

	if (generation)
		snprintf(state, sizeof(state),
		    "<ls:state xmlns:ls='urn:xtrd:vmstate:1' generation='%llu' "
		    "owner='%s' written='1'/>",
		    (unsigned long long)generation, owner);
	eid_str(&vm->info->nics[0].eids[0], eid);
	*strchr(eid, '/') = '\0';
	snprintf(xml, sizeof(xml),
	    "<domain type='test'><name>%s</name><uuid>%s</uuid><metadata>"
	    "<lv:vm xmlns:lv='urn:xtrd:vm:1'><lv:eid address='%s'/></lv:vm>%s"
	    "</metadata><devices><interface type='bridge'>"
	    "<mac address='52:54:00:00:00:01'/></interface></devices></domain>",
	    vm->name, uuid_str(vm->uuid, uuid), eid, state);
	return xml;
}

static void
listed_running(struct agent *a, struct vm *vm)
{
	struct virt_domain d = found(vm, LIFE_RUNNING, JOB_NONE);
	char *xml = strdup(xml_of(vm, 0, NULL));

	d.purpose = LOOK_LIST;
	d.xml = xml;
	resync_looked(a, &d);
	free(xml);
}

#define OURS "a1000000-0000-0000-0000-000000000000"
#define OTHER "b1000000-0000-0000-0000-000000000000"

/* What is not in the list is not here any more, unless we heard since. */
static void
test_missing(void **state)
{
	struct agent *a = *state;
	struct vm *vms[4];
	uint8_t uuids[3][16];

	for (unsigned i = 0; i < 4; i++)
		vms[i] = make_vm(a, i, VM_HERE);
	make_uuid(77, uuids[0]); /* not sorted */
	make_uuid(1, uuids[1]);
	make_uuid(40, uuids[2]);
	ms(10);
	vms[2]->event_at = now();
	vms[3]->looking = true;
	resync_listed(
	    a, (const uint8_t(*)[16])uuids, 3, mono_add_ms(now(), -5));
	assert_said(1, CPM_ABSENT);
	assert_int_equal(last_said()->eids[0].addr.bytes[3], 0);
	assert_int_equal(vms[0]->state, VM_ABSENT);
	assert_int_equal(vms[1]->state, VM_HERE);
	assert_int_equal(vms[2]->state, VM_HERE);
	assert_int_equal(vms[3]->state, VM_HERE);
	/* each that is listed is looked at */
	assert_int_equal(looks(LOOK_LIST), 3);
	assert_int_equal(a->listing, 3);
}

static void
test_empty_list(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_DEPARTING);
	static const uint8_t none[1][16];

	make_vm(a, 2, VM_ABSENT);
	resync_listed(a, none, 0, now());
	assert_said(1, CPM_DEPARTED);
	assert_int_equal(vm->state, VM_ABSENT);
	assert_int_equal(a->listing, 0);
}

/* A VM that we did not know: learned and claimed. */
static void
test_new(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_ABSENT);

	free(vm->info);
	vm->info = NULL;
	vm->name[0] = '\0';
	{
		struct vm *like = make_vm(a, 2, VM_ABSENT);
		struct virt_domain d = found(vm, LIFE_RUNNING, JOB_NONE);
		char xml[2048], uuid[UUID_STR_MAX];
		const char *of = xml_of(like, 0, NULL);
		size_t at = (size_t)(strstr(of, "<uuid>") + 6 - of);

		strcpy(xml, of);
		memcpy(xml + at, uuid_str(vm->uuid, uuid), 36);
		d.xml = xml;
		resync_looked(a, &d);
	}
	assert_said(1, CPM_PRESENT);
	assert_string_equal(vm->name, "vm2");
	assert_int_equal(vm->state, VM_HERE);
	assert_int_equal(vm->generation, agent_wall_ms(a));
	assert_int_equal(a->counters.resync_said, 1);
}

/* A look counts only if it found something, and nothing happened since. */
static void
test_looks_that_do_not_count(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_ABSENT);
	const char *xml = xml_of(vm, 0, NULL);
	struct virt_domain d;

	a->listing = 5;
	d = found(vm, LIFE_RUNNING, JOB_NONE); /* no XML */
	resync_looked(a, &d);
	d.xml = xml;
	d.err = ERR_IO;
	resync_looked(a, &d);
	d.err = ERR_OK;
	d.life = LIFE_GONE;
	resync_looked(a, &d);
	d.life = LIFE_CHANGING;
	resync_looked(a, &d);
	d.life = LIFE_RUNNING;
	ms(1);
	vm->event_at = now();
	resync_looked(a, &d);
	vm->looking = true;
	d.asked = now();
	resync_looked(a, &d);
	assert_int_equal(world.n_said, 0);
	assert_int_equal(vm->state, VM_ABSENT);
	assert_int_equal(a->listing, 0); /* each of them ends a look */
	vm->looking = false;
	resync_looked(a, &d);
	assert_said(1, CPM_PRESENT);
}

/* Whose it is, by the metadata and by our own memory. */
static void
test_owner(void **state)
{
	static const struct {
		uint64_t own, written;
		const char *owner;
		uint64_t said; /* 0: a new one */
	} cases[] = {
		{ 500, 0, NULL, 500 },
		{ 500, 400, OTHER, 500 },
		{ 500, 600, OTHER, 0 },
		{ 500, 600, OURS, 600 },
		{ 600, 500, OURS, 600 },
		{ 0, 500, OURS, 500 },
		{ 0, 500, OTHER, 0 },
	};
	struct agent *a = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm *vm =
		    make_vm(a, i, cases[i].own ? VM_HERE : VM_ABSENT);
		struct virt_domain d = found(vm, LIFE_RUNNING, JOB_NONE);

		vm->generation = vm->highest = cases[i].own;
		d.xml = xml_of(vm, cases[i].written, cases[i].owner);
		resync_looked(a, &d);
		assert_said(i + 1, CPM_PRESENT);
		assert_int_equal(last_said()->generation,
		    cases[i].said ? cases[i].said : agent_wall_ms(a));
		assert_int_equal(vm->state, VM_HERE);
	}
}

/* A burst at once, then so many a second; in the order of the list. */
static void
test_pace(void **state)
{
	enum { MORE = 10 };
	struct agent *a = *state;
	struct vm *vms[RESYNC_BURST + MORE];

	for (unsigned i = 0; i < RESYNC_BURST + MORE; i++)
		vms[i] = make_vm(a, i, VM_HERE);
	for (unsigned i = 0; i < RESYNC_BURST + MORE; i++)
		listed_running(a, vms[i]);
	assert_int_equal(world.n_said, RESYNC_BURST);
	for (unsigned i = 1; i <= MORE; i++) {
		ms(1000 / RESYNC_RATE - 1);
		assert_int_equal(world.n_said, RESYNC_BURST + i - 1);
		ms(1);
		assert_int_equal(world.n_said, RESYNC_BURST + i);
		assert_int_equal(
		    last_said()->eids[0].addr.bytes[3], RESYNC_BURST + i - 1);
	}
	/* a second of rest is so many more at once, and never more than that */
	ms(10000);
	for (unsigned i = 0; i < RESYNC_BURST + MORE; i++)
		notify_forget(a->notify, vms[i]->uuid);
	world.n_said = 0;
	for (unsigned i = 0; i < RESYNC_BURST + MORE; i++)
		listed_running(a, vms[i]);
	assert_int_equal(world.n_said, RESYNC_BURST);
}

/* Everything but 'present' goes at once. */
static void
test_no_pace(void **state)
{
	struct agent *a = *state;

	a->credit = 0;
	for (unsigned i = 0; i < 5; i++) {
		struct vm *vm = make_vm(a, i, VM_ABSENT);
		struct virt_domain d =
		    found(vm, LIFE_PAUSED_MIGRATION, JOB_INCOMING);

		d.xml = xml_of(vm, 0, NULL);
		resync_looked(a, &d);
		assert_said(i + 1, CPM_ARRIVING);
	}
}

/* What waits for its Ack is not said again; what was overtaken, not at all. */
static void
test_due_but_not_said(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE), *late = make_vm(a, 2, VM_HERE);

	listed_running(a, vm);
	assert_said(1, CPM_PRESENT);
	listed_running(a, vm);
	assert_int_equal(world.n_said, 1);
	answer(0, CPM_ACK_DONE, 0);
	listed_running(a, vm);
	assert_int_equal(world.n_said, 2);
	a->credit = 0;
	listed_running(a, late);
	assert_true(late->due);
	ms(1);
	late->event_at = now();
	ms(100);
	assert_false(late->due);
	assert_int_equal(world.n_said, 2);
}

/* Listed twice while it waits: said once, by what was found last. */
static void
test_due_twice(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE), *next = make_vm(a, 2, VM_HERE);

	a->credit = 0;
	listed_running(a, vm);
	listed_running(a, next);
	listed_running(a, vm);
	ms(200);
	assert_int_equal(world.n_said, 2);
	assert_int_equal(world.said[0].m.eids[0].addr.bytes[3], 1);
}

/* From the head, the middle and the tail of those that wait. */
static void
test_forget(void **state)
{
	struct agent *a = *state;

	for (unsigned gone = 0; gone < 4; gone++) {
		struct vm *vms[3];

		world.n_said = 0;
		a->credit = 0;
		for (unsigned i = 0; i < 3; i++) {
			vms[i] = make_vm(a, gone * 4 + i, VM_HERE);
			listed_running(a, vms[i]);
		}
		if (gone < 3) {
			resync_forget(a, vms[gone]);
			assert_false(vms[gone]->due);
			resync_forget(a, vms[gone]); /* not due: nothing */
		} else {
			for (unsigned i = 0; i < 3; i++)
				resync_forget(a, vms[i]);
			assert_null(a->due_first);
		}
		listed_running(a, make_vm(a, gone * 4 + 3, VM_HERE));
		ms(500);
		assert_int_equal(world.n_said, gone < 3 ? 3 : 1);
		assert_int_equal(
		    last_said()->eids[0].addr.bytes[3], gone * 4 + 3);
	}
}

/* Each interval, but not while the last listing is still looked through. */
static void
test_interval(void **state)
{
	struct agent *a = *state;
	uint64_t before = a->counters.listings;

	ms(59999);
	assert_int_equal(a->counters.listings, before);
	ms(1);
	assert_int_equal(a->counters.listings, before + 1);
	a->listing = 1;
	ms(60000);
	assert_int_equal(a->counters.listings, before + 1);
	a->listing = 0;
	a->ready = false;
	ms(60000);
	assert_int_equal(a->counters.listings, before + 1);
	a->ready = true;
	ms(30000);
	a->listing = 9;
	resync_connected(a); /* at once, and the interval begins anew */
	assert_int_equal(a->counters.listings, before + 2);
	assert_int_equal(a->listing, 0);
	ms(59999);
	assert_int_equal(a->counters.listings, before + 2);
	ms(1);
	assert_int_equal(a->counters.listings, before + 3);
}

/* A day after it went, if everybody knows. */
static void
test_expiry(void **state)
{
	struct agent *a = *state;
	struct vm *gone = make_vm(a, 1, VM_ABSENT);
	struct vm *open = make_vm(a, 2, VM_ABSENT);
	struct vm *here = make_vm(a, 3, VM_HERE);
	struct vm *looked = make_vm(a, 4, VM_ABSENT);
	uint8_t id[16];

	memcpy(id, gone->uuid, sizeof(id));
	gone->seen_ms = open->seen_ms = here->seen_ms = looked->seen_ms =
	    agent_wall_ms(a);
	open->said[SAID_OWNER].open = true;
	looked->looking = true;
	a->credit = 0;
	loop_timer_cancel(a->pace);
	gone->due = true; /* it goes from the queue, too */
	gone->next_due = NULL;
	a->due_first = gone;
	a->due_last = &gone->next_due;
	loop_timer_cancel(a->resync);
	loop_timer_cancel(a->metadata); /* it ticks too often for a day */
	ms((int64_t)DAY_MS - 1);
	assert_non_null(vms_find(&a->vms, id));
	ms(EXPIRE_MS);
	assert_null(vms_find(&a->vms, id));
	assert_null(a->due_first);
	assert_int_equal(a->vms.table.count, 3);
	open->said[SAID_OWNER].open = false;
	looked->looking = false;
	ms(EXPIRE_MS);
	assert_int_equal(a->vms.table.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_missing),
		T(test_empty_list),
		T(test_new),
		T(test_looks_that_do_not_count),
		T(test_owner),
		T(test_pace),
		T(test_no_pace),
		T(test_due_but_not_said),
		T(test_due_twice),
		T(test_forget),
		T(test_interval),
		T(test_expiry),
	};

	return RUN("vmagent/resync");
}
