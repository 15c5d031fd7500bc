/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt_loop.c - handles and timeouts of libvirt in our loop.
 *
 * libvirt adds, changes and removes them from any thread, the workers of virt.c
 * among them, so there is a lock.  It also wants two things a loop does not
 * give by itself: a timeout fires again and again until it is changed, and the
 * free function of a removed item runs later, from the loop, never inside the
 * call that removes it (libvirt holds its locks there).
 *
 * libvirt's functions have no argument for us; hence the one static variable.
 */
#include "virt_loop.h"

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/log.h"

struct item {
	struct item *next_item, **prev_item; /* of 'items' or 'dead' */
	int id;
	bool is_dead;
	int fd; /* -1: a timeout */
	struct loop_fd *watch;
	struct loop_timer *timer;
	int timeout_ms; /* < 0: off */
	virEventHandleCallback on_handle;
	virEventTimeoutCallback on_timeout;
	virFreeCallback free_opaque;
	void *opaque;
};

static struct {
	pthread_mutex_t lock;
	struct loop *loop;
	struct item *items;
	struct item *dead; /* removed, not yet freed */
	int last_id;
} self = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
item_link(struct item *i, struct item **list)
{
	i->next_item = *list;
	i->prev_item = list;
	if (i->next_item)
		i->next_item->prev_item = &i->next_item;
	*list = i;
}

static void
item_unlink(struct item *i)
{
	if (i->next_item)
		i->next_item->prev_item = i->prev_item;
	*i->prev_item = i->next_item;
}

static struct item *
item_find(int id, bool is_timeout)
{
	for (struct item *i = self.items; i; i = i->next_item)
		if (i->id == id && (i->fd < 0) == is_timeout)
			return i;
	return NULL;
}

static unsigned
to_loop(int events)
{
	return (events & VIR_EVENT_HANDLE_READABLE ? LOOP_READ : 0) |
	    (events & VIR_EVENT_HANDLE_WRITABLE ? LOOP_WRITE : 0);
}

static int
from_loop(unsigned what)
{
	return (what & LOOP_READ ? VIR_EVENT_HANDLE_READABLE : 0) |
	    (what & LOOP_WRITE ? VIR_EVENT_HANDLE_WRITABLE : 0) |
	    (what & LOOP_ERROR ? VIR_EVENT_HANDLE_ERROR : 0) |
	    (what & LOOP_HANGUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

/* In the loop's thread: so an item that is not dead stays until we return. */
static void
on_fd(void *arg, int fd, unsigned what)
{
	struct item *i = arg;
	bool alive;

	pthread_mutex_lock(&self.lock);
	alive = !i->is_dead;
	pthread_mutex_unlock(&self.lock);
	if (alive)
		i->on_handle(i->id, fd, from_loop(what), i->opaque);
}

static void
on_timer(void *arg)
{
	struct item *i = arg;
	bool alive;

	pthread_mutex_lock(&self.lock);
	alive = !i->is_dead && i->timeout_ms >= 0;
	if (alive)
		loop_timer_set(i->timer, i->timeout_ms);
	pthread_mutex_unlock(&self.lock);
	if (alive)
		i->on_timeout(i->id, i->opaque);
}

/* Makes an item and links it; NULL if out of memory. */
static struct item *
item_new(int fd, unsigned what, int timeout_ms, void *opaque)
{
	struct item *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->fd = fd;
	i->timeout_ms = timeout_ms;
	i->opaque = opaque;
	i->id = ++self.last_id;
	if (fd >= 0)
		i->watch = loop_fd_new(self.loop, fd, what, on_fd, i);
	else
		i->timer = loop_timer_new(self.loop, on_timer, i);
	if (!i->watch && !i->timer) {
		free(i);
		return NULL;
	}
	item_link(i, &self.items);
	return i;
}

static int
add_handle(int fd, int event, virEventHandleCallback cb, void *opaque,
    virFreeCallback ff)
{
	struct item *i;
	int id = -1;

	pthread_mutex_lock(&self.lock);
	i = item_new(fd, 0, -1, opaque);
	if (i) {
		i->on_handle = cb;
		i->free_opaque = ff;
		id = i->id;
		loop_fd_update(i->watch, to_loop(event));
	}
	pthread_mutex_unlock(&self.lock);
	return id;
}

static void
update_handle(int id, int event)
{
	struct item *i;

	pthread_mutex_lock(&self.lock);
	i = item_find(id, false);
	if (i)
		loop_fd_update(i->watch, to_loop(event));
	pthread_mutex_unlock(&self.lock);
}

static int
add_timeout(int timeout_ms, virEventTimeoutCallback cb, void *opaque,
    virFreeCallback ff)
{
	struct item *i;
	int id = -1;

	pthread_mutex_lock(&self.lock);
	i = item_new(-1, 0, timeout_ms, opaque);
	if (i) {
		i->on_timeout = cb;
		i->free_opaque = ff;
		id = i->id;
		if (timeout_ms >= 0)
			loop_timer_set(i->timer, timeout_ms);
	}
	pthread_mutex_unlock(&self.lock);
	return id;
}

static void
update_timeout(int id, int timeout_ms)
{
	struct item *i;

	pthread_mutex_lock(&self.lock);
	i = item_find(id, true);
	if (i) {
		i->timeout_ms = timeout_ms;
		if (timeout_ms >= 0)
			loop_timer_set(i->timer, timeout_ms);
		else
			loop_timer_cancel(i->timer);
	}
	pthread_mutex_unlock(&self.lock);
}

/* Frees a dead item, from the loop. */
static void
on_bury(void *arg)
{
	struct item *i = arg;

	pthread_mutex_lock(&self.lock);
	item_unlink(i);
	pthread_mutex_unlock(&self.lock);
	if (i->free_opaque)
		i->free_opaque(i->opaque);
	loop_fd_free(i->watch);
	loop_timer_free(i->timer);
	free(i);
}

static int
item_remove(int id, bool is_timeout)
{
	struct item *i;

	pthread_mutex_lock(&self.lock);
	i = item_find(id, is_timeout);
	if (i) {
		item_unlink(i);
		item_link(i, &self.dead);
		i->is_dead = true;
		if (i->watch)
			loop_fd_update(i->watch, 0);
		else
			loop_timer_cancel(i->timer);
		if (loop_defer(self.loop, on_bury, i))
			log_error("virt", "out of memory");
	}
	pthread_mutex_unlock(&self.lock);
	return i ? 0 : -1;
}

static int
remove_handle(int id)
{
	return item_remove(id, false);
}

static int
remove_timeout(int id)
{
	return item_remove(id, true);
}

enum err
virt_loop_init(struct loop *loop)
{
	if (self.loop)
		return ERR_INTERNAL;
	self.loop = loop;
	virEventRegisterImpl(add_handle, update_handle, remove_handle,
	    add_timeout, update_timeout, remove_timeout);
	return ERR_OK;
}

void
virt_loop_fini(void)
{
	while (self.dead)
		on_bury(self.dead);
}
