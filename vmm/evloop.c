// SPDX-License-Identifier: Apache-2.0
/* Loop thread, but for evloop_stop and evloop_call, which any thread may use. */
#include "vmm/evloop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

struct ev_call {
	ev_call_fn fn;
	void *arg;
	bool finished;
	int result;
	struct ev_call *next;
};

static void wake(struct evloop *l)
{
	uint64_t one = 1;

	/* The counter cannot overflow, and a full one would wake the loop just as well. */
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* Detaches the waiting calls; in the order in which they came. */
static struct ev_call *take_calls(struct evloop *l)
{
	struct ev_call *list = NULL;
	struct ev_call *c = l->calls;

	l->calls = NULL;
	while (c) {
		struct ev_call *next = c->next;

		c->next = list;
		list = c;
		c = next;
	}
	return list;
}

static void finish(struct evloop *l, struct ev_call *c, int result)
{
	pthread_mutex_lock(&l->lock);
	c->result = result;
	c->finished = true;
	pthread_cond_broadcast(&l->done);
	pthread_mutex_unlock(&l->lock);
}

static void serve(struct evloop *l, struct ev_call *c)
{
	while (c) {
		struct ev_call *next = c->next; /* c is gone once it is finished */

		c->fn(c->arg);
		finish(l, c, 0);
		c = next;
	}
}

static void on_wake(void *ctx, uint32_t events)
{
	struct evloop *l = ctx;
	struct ev_call *c;

	(void)events;
	pthread_mutex_lock(&l->lock);
	c = take_calls(l);
	pthread_mutex_unlock(&l->lock);
	serve(l, c);
}

int evloop_init(struct evloop *l)
{
	int r;

	memset(l, 0, sizeof(*l));
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return -errno;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0) {
		r = -errno;
		goto close_epoll;
	}
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->done, NULL);
	pthread_cond_init(&l->asked, NULL);
	r = ev_add(l, &l->wake, l->wake_fd, EPOLLIN | EPOLLET | EV_ALWAYS, on_wake, l);
	if (r < 0)
		goto close_wake;
	return 0;
close_wake:
	close(l->wake_fd);
close_epoll:
	close(l->epfd);
	return r;
}

void evloop_release(struct evloop *l)
{
	evloop_close(l);
	close(l->wake_fd);
	close(l->epfd);
	pthread_cond_destroy(&l->asked);
	pthread_cond_destroy(&l->done);
	pthread_mutex_destroy(&l->lock);
}

static int watch(const struct evloop *l, struct ev_source *s)
{
	struct epoll_event ev = { .events = s->events & ~EV_ALWAYS, .data.ptr = s };

	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0 ? -errno : 0;
}

/* Stops watching, and drops what was fetched for it already. */
static void unwatch(struct evloop *l, const struct ev_source *s)
{
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	for (int i = 0; i < l->nr_ready; i++) {
		if (MUT_STALE(l->ready[i].data.ptr == s))
			l->ready[i].data.ptr = NULL;
	}
}

static bool is_frozen(const struct evloop *l, const struct ev_source *s)
{
	return l->frozen && !(s->events & EV_ALWAYS);
}

int ev_add(struct evloop *l, struct ev_source *s, int fd, uint32_t events, ev_fn fn, void *ctx)
{
	int r;

	*s = (struct ev_source){ .fd = fd, .events = events, .fn = fn, .ctx = ctx };
	r = is_frozen(l, s) ? 0 : watch(l, s);
	if (r < 0) {
		*s = (struct ev_source){ .fd = -1 };
		return r;
	}
	s->next = l->sources;
	s->link = &l->sources;
	if (s->next)
		s->next->link = &s->next;
	l->sources = s;
	return 0;
}

void ev_del(struct evloop *l, struct ev_source *s)
{
	if (s->fd < 0 || !s->fn)
		return;
	if (!is_frozen(l, s))
		unwatch(l, s);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	*s = (struct ev_source){ .fd = -1 };
}

void evloop_freeze(struct evloop *l)
{
	if (l->frozen)
		return;
	for (struct ev_source *s = l->sources; s; s = s->next) {
		if (!(s->events & EV_ALWAYS))
			unwatch(l, s);
	}
	l->frozen = true;
}

int evloop_thaw(struct evloop *l)
{
	struct ev_source *s;
	int r = 0;

	if (!l->frozen)
		return 0;
	/* A source that is added anew is reported at once when it is ready: no edge is missed. */
	for (s = l->sources; s && r == 0; s = s->next) {
		if (!(s->events & EV_ALWAYS))
			r = watch(l, s);
	}
	l->frozen = false;
	if (r < 0)
		evloop_freeze(l);
	return r;
}

int evloop_run(struct evloop *l)
{
	pthread_mutex_lock(&l->lock);
	l->owner = pthread_self();
	l->running = true;
	pthread_mutex_unlock(&l->lock);
	while (!__atomic_load_n(&l->stopping, __ATOMIC_ACQUIRE)) {
		int n = epoll_wait(l->epfd, l->ready, ARRAY_SIZE(l->ready), -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		l->nr_ready = n;
		for (int i = 0; i < n; i++) {
			struct ev_source *s = l->ready[i].data.ptr;

			if (s)
				s->fn(s->ctx, l->ready[i].events);
		}
		l->nr_ready = 0;
	}
	return 0;
}

void evloop_stop(struct evloop *l)
{
	__atomic_store_n(&l->stopping, true, __ATOMIC_RELEASE);
	wake(l);
}

int evloop_call(struct evloop *l, ev_call_fn fn, void *arg)
{
	struct ev_call c = { .fn = fn, .arg = arg };

	pthread_mutex_lock(&l->lock);
	if (!l->closed && (!l->running || pthread_equal(l->owner, pthread_self()))) {
		pthread_mutex_unlock(&l->lock);
		fn(arg);
		return 0;
	}
	if (l->closed) {
		pthread_mutex_unlock(&l->lock);
		return -ECANCELED;
	}
	c.next = l->calls;
	/* cppcheck-suppress autoVariables ; it is off the list when this function returns */
	l->calls = &c;
	pthread_cond_signal(&l->asked);
	wake(l);
	while (!c.finished)
		pthread_cond_wait(&l->done, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return c.result;
}

void evloop_close(struct evloop *l)
{
	struct ev_call *c;

	pthread_mutex_lock(&l->lock);
	l->closed = true;
	c = take_calls(l);
	while (c) {
		struct ev_call *next = c->next;

		c->result = -ECANCELED;
		c->finished = true;
		c = next;
	}
	pthread_cond_broadcast(&l->done);
	pthread_mutex_unlock(&l->lock);
}

void evloop_reopen(struct evloop *l)
{
	pthread_mutex_lock(&l->lock);
	l->closed = false;
	pthread_mutex_unlock(&l->lock);
}

void evloop_wait(struct evloop *l, bool (*ready)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&l->lock);
	while (!ready(ctx)) {
		struct ev_call *c = take_calls(l);

		if (!c) {
			pthread_cond_wait(&l->asked, &l->lock);
			continue;
		}
		pthread_mutex_unlock(&l->lock);
		serve(l, c);
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
}

void evloop_poke(struct evloop *l)
{
	/* Under the lock, or it could fall between evloop_wait's look and its sleep. */
	pthread_mutex_lock(&l->lock);
	pthread_cond_signal(&l->asked);
	pthread_mutex_unlock(&l->lock);
}
