/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one thread that waits for descriptors and runs what belongs to them. Device
 * state, signals, timers, the console and the API live on it, so they need no locks among
 * themselves.
 */
#ifndef MOTE_VMM_EVLOOP_H
#define MOTE_VMM_EVLOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "vmm/compiler.h"

struct evloop;

typedef void (*ev_fn)(void *ctx, uint32_t events);

/*
 * A watched descriptor. The storage is the caller's and must stay until ev_del; the descriptor
 * stays the caller's too.
 */
struct ev_source {
	int fd; /* -1 = not watched */
	uint32_t events;
	ev_fn fn;
	void *ctx;
	struct ev_source *next, **link; /* the loop's list of all sources */
};

/* For ev_add: this source goes on while the devices are frozen (evloop_freeze). */
#define EV_ALWAYS (1u << 20)

typedef void (*ev_call_fn)(void *arg);

struct ev_call; /* a call that waits for the loop, on its caller's stack */

struct evloop {
	int epfd;
	int wake_fd;
	bool stopping;
	int nr_ready;
	struct epoll_event ready[32]; /* the batch being worked through */
	struct ev_source wake;
	struct ev_source *sources; /* all that are watched */
	bool frozen;
	pthread_mutex_t lock; /* guards calls, closed, owner */
	pthread_cond_t done;  /* a call has been answered */
	pthread_cond_t asked; /* a call waits, or evloop_poke */
	struct ev_call *calls;
	bool closed;
	bool running;
	pthread_t owner;
};

/* -errno of epoll_create1 or eventfd. */
int evloop_init(struct evloop *l) MUST_CHECK;
void evloop_release(struct evloop *l);

/*
 * Watches `fd` for `events` (EPOLLIN, EPOLLOUT, EPOLLET for eventfds that nobody reads, EV_ALWAYS).
 * Loop thread, or before the loop runs. -EPERM: a descriptor that cannot be waited for, such as a
 * regular file.
 */
int ev_add(struct evloop *l, struct ev_source *s, int fd, uint32_t events, ev_fn fn, void *ctx)
	MUST_CHECK;

/* Stops watching; events already fetched for it are dropped. No effect when not watched. */
void ev_del(struct evloop *l, struct ev_source *s);

/*
 * Freezes the devices: from now on only EV_ALWAYS sources are served. What happens meanwhile is not
 * lost: evloop_thaw finds what is ready then, also for edge-triggered sources. -errno of epoll_ctl
 * from evloop_thaw: out of memory; nothing was thawed, it may be tried again. Loop thread.
 */
void evloop_freeze(struct evloop *l);
int evloop_thaw(struct evloop *l) MUST_CHECK;

/*
 * Waits until ready(ctx) is true, serving evloop_call meanwhile: for what needs vCPUs that may be
 * waiting for the loop themselves. Whoever makes it true calls evloop_poke. Loop thread.
 */
void evloop_wait(struct evloop *l, bool (*ready)(void *ctx), void *ctx);

/* Makes evloop_wait look again. Any thread. */
void evloop_poke(struct evloop *l);

/* Runs until evloop_stop. Returns 0, or -errno when waiting itself fails. */
int evloop_run(struct evloop *l) MUST_CHECK;

/* Makes evloop_run return after the current batch. Any thread. */
void evloop_stop(struct evloop *l);

/*
 * Runs fn(arg) on the loop's thread and waits until it has returned. For rare things, such as the
 * activation of a device: a vCPU that calls it stands still meanwhile. When the loop does not run
 * yet, or on its own thread, fn runs at once. -ECANCELED: the loop accepts no calls any more
 * (evloop_close), fn was not run. Any thread.
 */
int evloop_call(struct evloop *l, ev_call_fn fn, void *arg);

/*
 * Refuses further calls and sends waiting ones home. Done before vCPU threads are joined, which
 * might be waiting in one. Loop thread, or after the loop ended.
 */
void evloop_close(struct evloop *l);

/* Accepts calls again: a new VM may be built. No thread of the old one is left. Loop thread. */
void evloop_reopen(struct evloop *l);

#endif
