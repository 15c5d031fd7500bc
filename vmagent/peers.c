/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers.c - which vNICs are watched, how, and what was seen on all of a VM's.
 *
 * agent.c starts a watch when it knows a VM's taps and reads it when copying
 * begins (the tap is gone before the source hears of the end) and for the
 * metadata.  peers_bpf.c is tried first, peers_packet.c where it fails.
 *
 * Starts and ends run in a worker: the kernel lets them wait for all CPUs
 * (20 to 30 ms were seen), and other VMs' events must not wait with them.
 */
#include "peers.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/table.h"
#include "peers_source.h"

enum { JOBS_MAX = 2 * PEERS_WATCHES_MAX };

struct watch_key {
	uint8_t uuid[16];
	struct addr mac;
};

struct watch {
	struct table_node node;
	struct watch_key key;
	uint64_t serial; /* a job may come back to another watch of this key */
	char ifname[EIDS_IFNAME_MAX];
	unsigned ifindex;
	const struct peer_source *source; /* NULL: not yet, or in vain */
	void *state;			  /* the source's */
	void *handle;
};

/* A start or an end, on its way through the worker. */
struct job {
	struct job *next_job, **prev_job;
	struct peers *p;
	bool is_start, ran;
	struct peer_nic nic; /* start */
	uint64_t serial;
	enum err err;
	const struct peer_source *source; /* end; result of a start */
	void *state, *handle;
	bool forget; /* end */
};

struct peers {
	struct loop *loop;
	struct peers_conf conf;
	struct {
		const struct peer_source *source;
		void *state;
	} sources[2]; /* in order of preference; NULL ends */
	struct table watches;
	unsigned n_running;
	uint64_t last_serial;
	struct loop_worker *worker;
	struct job *jobs;
	struct peer_seen *seen; /* room for a VM's */
	unsigned seen_max;
};

static void
source_add(struct peers *p, const struct peer_source *s)
{
	void *state = s->open(p->loop, p->conf.max);
	size_t i = p->sources[0].source ? 1 : 0;

	if (!state)
		return;
	p->sources[i].source = s;
	p->sources[i].state = state;
}

struct peers *
peers_new(struct loop *loop, const struct peers_conf *conf)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = loop;
	p->conf = *conf;
	p->seen_max = conf->max * 4;
	p->seen = calloc(p->seen_max, sizeof(*p->seen));
	p->worker = loop_worker_new(loop, "peers", JOBS_MAX);
	if (!p->seen || !p->worker ||
	    table_init(&p->watches, PEERS_WATCHES_MAX,
		offsetof(struct watch, node), offsetof(struct watch, key),
		sizeof(struct watch_key))) {
		loop_worker_free(p->worker);
		free(p->seen);
		free(p);
		return NULL;
	}
	if (conf->source == CONF_PEERS_AUTO || conf->source == CONF_PEERS_BPF)
		source_add(p, &peers_bpf);
	if (conf->source == CONF_PEERS_AUTO ||
	    conf->source == CONF_PEERS_PACKET)
		source_add(p, &peers_packet);
	log_info("peers", "source %s", peers_source(p));
	return p;
}

/* ---- the worker ---- */

static void
job_free(struct job *j)
{
	if (j->next_job)
		j->next_job->prev_job = j->prev_job;
	*j->prev_job = j->next_job;
	free(j);
}

static struct job *
job_new(struct peers *p)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->p = p;
	j->next_job = p->jobs;
	if (j->next_job)
		j->next_job->prev_job = &j->next_job;
	j->prev_job = &p->jobs;
	p->jobs = j;
	return j;
}

/* With the first source that can. */
static void
job_start(struct job *j)
{
	const struct peers *p = j->p; /* the sources do not change */

	j->err = ERR_ROLE;
	for (size_t i = 0; i < 2 && p->sources[i].source; i++) {
		j->source = p->sources[i].source;
		j->state = p->sources[i].state;
		j->handle = j->source->watch(j->state, &j->nic, &j->err);
		if (j->handle)
			return;
	}
}

static void
job_run(void *arg)
{
	struct job *j = arg;

	if (j->is_start)
		job_start(j);
	else
		j->source->unwatch(j->state, j->handle, j->forget);
	j->ran = true;
}

static void job_done(void *arg);

/* Ends a watch in the worker; if it cannot, here and now. */
static void
end_later(struct peers *p, const struct peer_source *source, void *state,
    void *handle, bool forget)
{
	struct job *j = job_new(p);

	if (j) {
		j->source = source;
		j->state = state;
		j->handle = handle;
		j->forget = forget;
		if (!loop_work(p->worker, job_run, job_done, j))
			return;
		job_free(j);
	}
	source->unwatch(state, handle, forget);
}

static struct watch *
watch_find(
    const struct peers *p, const uint8_t uuid[16], const struct addr *mac)
{
	struct watch_key key = { .mac = *mac };

	memcpy(key.uuid, uuid, sizeof(key.uuid));
	return table_entry(table_find(&p->watches, &key), struct watch, node);
}

static void
started(struct peers *p, const struct job *j)
{
	struct watch *w = watch_find(p, j->nic.uuid, &j->nic.mac);

	if (!j->handle) {
		log_warning("peers", "%s: %s", j->nic.ifname, err_str(j->err));
		return;
	}
	if (!w || w->serial != j->serial) {
		end_later(p, j->source, j->state, j->handle, true);
		return;
	}
	log_debug("peers", "%s: watched by %s", w->ifname, j->source->name);
	w->source = j->source;
	w->state = j->state;
	w->handle = j->handle;
	w->source->link(w->state, w->handle);
	p->n_running++;
}

static void
job_done(void *arg)
{
	struct job *j = arg;

	if (j->is_start)
		started(j->p, j);
	job_free(j);
}

/* ---- watches ---- */

static void
watch_end(struct peers *p, struct watch *w, bool forget)
{
	table_remove(&p->watches, &w->node);
	if (w->source) {
		p->n_running--;
		w->source->unlink(w->state, w->handle);
		end_later(p, w->source, w->state, w->handle, forget);
	}
	free(w);
}

/* What is under way or queued is finished here. */
static void
end_jobs(struct peers *p)
{
	loop_worker_free(p->worker);
	p->worker = NULL;
	while (p->jobs) {
		struct job *j = p->jobs;

		if (j->is_start && j->handle)
			j->source->unwatch(j->state, j->handle, false);
		else if (!j->is_start && !j->ran)
			j->source->unwatch(j->state, j->handle, j->forget);
		job_free(j);
	}
}

void
peers_free(struct peers *p)
{
	struct table_iter it;
	struct table_node *n;

	if (!p)
		return;
	end_jobs(p);
	it = table_iter(&p->watches);
	while ((n = table_next(&it))) {
		struct watch *w = table_entry(n, struct watch, node);

		table_remove(&p->watches, &w->node);
		if (w->source) {
			w->source->unlink(w->state, w->handle);
			w->source->unwatch(w->state, w->handle, false);
		}
		free(w);
	}
	table_fini(&p->watches);
	for (size_t i = 0; i < 2 && p->sources[i].source; i++)
		p->sources[i].source->close(p->sources[i].state);
	free(p->seen);
	free(p);
}

static bool
watch_start(struct peers *p, struct watch *w)
{
	struct job *j = job_new(p);

	if (!j)
		return false;
	j->is_start = true;
	j->serial = w->serial = ++p->last_serial;
	memcpy(j->nic.uuid, w->key.uuid, sizeof(j->nic.uuid));
	memcpy(j->nic.ifname, w->ifname, sizeof(j->nic.ifname));
	j->nic.mac = w->key.mac;
	j->nic.ifindex = w->ifindex;
	if (!loop_work(p->worker, job_run, job_done, j))
		return true;
	job_free(j);
	return false;
}

static void
watch_add(struct peers *p, const uint8_t uuid[16], const struct vm_nic *nic)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	memcpy(w->key.uuid, uuid, sizeof(w->key.uuid));
	w->key.mac = nic->mac;
	memcpy(w->ifname, nic->ifname, sizeof(w->ifname));
	w->ifindex = if_nametoindex(nic->ifname);
	if (!w->ifindex || table_add(&p->watches, &w->node)) {
		/* No tap of ours: vhost-user, a device passed through. */
		log_debug("peers", "%s: %s", nic->ifname,
		    w->ifindex ? "too many vNICs" : strerror(errno));
		free(w);
		return;
	}
	if (!watch_start(p, w)) {
		table_remove(&p->watches, &w->node);
		free(w);
	}
}

/* True if the tap is still the one that is watched. */
static bool
watch_current(const struct watch *w, const struct vm_nic *nic)
{
	return strcmp(w->ifname, nic->ifname) == 0 &&
	    w->ifindex == if_nametoindex(nic->ifname);
}

void
peers_watch(struct peers *p, const struct vm_info *vm)
{
	for (unsigned i = 0; i < vm->n_nics; i++) {
		const struct vm_nic *nic = &vm->nics[i];
		struct watch *w = watch_find(p, vm->uuid, &nic->mac);
		bool wanted = nic->n_eids && nic->ifname[0];

		if (w && wanted && watch_current(w, nic))
			continue;
		if (w)
			watch_end(p, w, !wanted);
		if (wanted && p->sources[0].source)
			watch_add(p, vm->uuid, nic);
	}
}

void
peers_unwatch(struct peers *p, const uint8_t uuid[16])
{
	struct table_iter it = table_iter(&p->watches);
	struct table_node *n;

	while ((n = table_next(&it))) {
		struct watch *w = table_entry(n, struct watch, node);

		if (memcmp(w->key.uuid, uuid, sizeof(w->key.uuid)) == 0)
			watch_end(p, w, true);
	}
}

static bool
is_own(const struct vm_info *vm, const struct peer_seen *s)
{
	for (unsigned i = 0; i < vm->n_nics; i++)
		for (unsigned k = 0; k < vm->nics[i].n_eids; k++) {
			const struct eid *e = &vm->nics[i].eids[k];

			if (e->iid == s->iid && addr_equal(&e->addr, &s->addr))
				return true;
		}
	return false;
}

unsigned
peers_collect(struct peers *p, const struct vm_info *vm, struct cpm_peer *out,
    unsigned max)
{
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < vm->n_nics && n < p->seen_max; i++) {
		struct watch *w = watch_find(p, vm->uuid, &vm->nics[i].mac);
		unsigned from = n;

		if (!w || !w->source)
			continue;
		n += w->source->read(
		    w->state, w->handle, p->seen + n, p->seen_max - n);
		for (; from < n; from++)
			p->seen[from].iid = vm->nics[i].iid;
	}
	n = peer_rank(p->seen, n, p->conf.age_s, loop_now(p->loop));
	for (unsigned i = 0; i < n && kept < max; i++)
		if (!is_own(vm, &p->seen[i]))
			out[kept++] = (struct cpm_peer){ .kind = CPM_PEER,
				.iid = p->seen[i].iid,
				.addr = p->seen[i].addr };
	return kept;
}

const char *
peers_source(const struct peers *p)
{
	return p->sources[0].source ? p->sources[0].source->name : "off";
}

unsigned
peers_watched(const struct peers *p)
{
	return p->n_running;
}
