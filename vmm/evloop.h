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
	ev_fn fn;
	void *ctx;
};

typedef void (*ev_call_fn)(void *arg);

struct ev_call; /* a call that waits for the loop, on its caller's stack */

struct evloop {
	int epfd;
	int wake_fd;
	bool stopping;
	int nr_ready;
	struct epoll_event ready[32]; /* the batch being worked through */
	struct ev_source wake;
	pthread_mutex_t lock; /* guards calls, closed, owner */
	pthread_cond_t done;
	struct ev_call *calls;
	bool closed;
	bool running;
	pthread_t owner;
};

/* -errno of epoll_create1 or eventfd. */
int evloop_init(struct evloop *l) MUST_CHECK;
void evloop_release(struct evloop *l);

/*
 * Watches `fd` for `events` (EPOLLIN, EPOLLOUT, and EPOLLET for eventfds that nobody reads).
 * Loop thread, or before the loop runs. -EPERM: a descriptor that cannot be waited for, such as a
 * regular file.
 */
int ev_add(struct evloop *l, struct ev_source *s, int fd, uint32_t events, ev_fn fn, void *ctx)
	MUST_CHECK;

/* Stops watching; events already fetched for it are dropped. No effect when not watched. */
void ev_del(struct evloop *l, struct ev_source *s);

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

#endif
