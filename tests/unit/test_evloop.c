// SPDX-License-Identifier: Apache-2.0
#include "vmm/evloop.h"

#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct evloop loop;

static int set_up(void **state)
{
	(void)state;
	return evloop_init(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	evloop_release(&loop);
	return 0;
}

static int new_eventfd(unsigned int count)
{
	int fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

/* A source that counts, and stops the loop at `stop_at`; it may delete another one. */
struct probe {
	struct ev_source source;
	int fd;
	unsigned int calls;
	unsigned int stop_at;
	uint32_t events;
	struct probe *victim;
};

static void on_probe(void *ctx, uint32_t events)
{
	struct probe *p = ctx;

	p->calls++;
	p->events = events;
	if (p->victim)
		ev_del(&loop, &p->victim->source);
	if (p->calls == p->stop_at)
		evloop_stop(&loop);
}

static void probe_add(struct probe *p, unsigned int count, uint32_t events)
{
	p->fd = new_eventfd(count);
	assert_int_equal(ev_add(&loop, &p->source, p->fd, events, on_probe, p), 0);
}

static void probe_close(struct probe *p)
{
	ev_del(&loop, &p->source);
	assert_int_equal(p->source.fd, -1);
	close(p->fd);
}

static void ready_descriptor_runs_its_function(void **state)
{
	struct probe p = { .stop_at = 3 };

	(void)state;
	probe_add(&p, 1, EPOLLIN); /* level: as long as the counter is not read */
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(p.calls, 3);
	assert_int_equal(p.events, EPOLLIN);
	probe_close(&p);
}

/* Kick eventfds are never read: each signal must be an event of its own all the same. */
static void edge_triggered_eventfd_needs_no_reading(void **state)
{
	struct probe p = { .stop_at = 1 };

	(void)state;
	probe_add(&p, 0, EPOLLIN | EPOLLET);
	for (unsigned int i = 1; i <= 3; i++) {
		signal_fd(p.fd);
		p.stop_at = i;
		loop.stopping = false;
		assert_int_equal(evloop_run(&loop), 0);
		assert_int_equal(p.calls, i);
	}
	probe_close(&p);
}

/* Both are ready in one batch; whichever comes first deletes the other. */
static void deleted_source_gets_no_event_of_the_same_batch(void **state)
{
	struct probe a = { .stop_at = 1 };
	struct probe c = { .stop_at = 1 };

	(void)state;
	a.victim = &c;
	c.victim = &a;
	probe_add(&a, 1, EPOLLIN);
	probe_add(&c, 1, EPOLLIN);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(a.calls + c.calls, 1);
	probe_close(&a);
	probe_close(&c);
}

static void source_may_delete_itself(void **state)
{
	struct probe p = { .stop_at = 1 };

	(void)state;
	p.victim = &p;
	probe_add(&p, 1, EPOLLIN);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(p.calls, 1);
	probe_close(&p);
}

static void deleting_what_was_never_added_does_nothing(void **state)
{
	struct ev_source never = { 0 };

	(void)state;
	ev_del(&loop, &never);
	never.fd = -1;
	ev_del(&loop, &never);
}

static void files_cannot_be_waited_for(void **state)
{
	struct ev_source s = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ev_add(&loop, &s, fd, EPOLLIN, on_probe, NULL), -EPERM);
	assert_int_equal(s.fd, -1);
	ev_del(&loop, &s);
	close(fd);
	assert_int_equal(ev_add(&loop, &s, fd, EPOLLIN, on_probe, NULL), -EBADF);
}

static void stop_before_run_is_not_lost(void **state)
{
	struct probe p = { 0 };

	(void)state;
	probe_add(&p, 1, EPOLLIN);
	evloop_stop(&loop);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(p.calls, 0);
	probe_close(&p);
}

/* ---- with the loop on a thread of its own --------------------------------------------------- */

static pthread_t loop_thread;

static void *run(void *arg)
{
	int *result = arg;

	*result = evloop_run(&loop);
	return NULL;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void start(int *result)
{
	loop.running = true; /* calls wait for the thread that is about to run */
	assert_int_equal(pthread_create(&loop_thread, NULL, run, result), 0);
	assert_int_equal(evloop_call(&loop, nothing, NULL), 0);
}

static void join(void)
{
	assert_int_equal(pthread_join(loop_thread, NULL), 0);
}

static void stop_from_another_thread(void **state)
{
	int result = 1;

	(void)state;
	start(&result);
	evloop_stop(&loop);
	join();
	assert_int_equal(result, 0);
}

static void on_signal(int nr)
{
	(void)nr;
}

static void signals_do_not_end_the_loop(void **state)
{
	const struct sigaction act = { .sa_handler = on_signal };
	struct sigaction old;
	int result = 1;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
	start(&result);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pthread_kill(loop_thread, SIGUSR1), 0);
		assert_int_equal(evloop_call(&loop, nothing, NULL), 0);
	}
	evloop_stop(&loop);
	join();
	assert_int_equal(result, 0);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

struct record {
	pthread_t thread;
	unsigned int calls;
};

static void note_thread(void *arg)
{
	struct record *r = arg;

	r->thread = pthread_self();
	r->calls++;
}

static void call_before_the_loop_runs_is_made_at_once(void **state)
{
	struct record r = { 0 };

	(void)state;
	assert_int_equal(evloop_call(&loop, note_thread, &r), 0);
	assert_int_equal(r.calls, 1);
	assert_true(pthread_equal(r.thread, pthread_self()));
}

static void call_runs_on_the_loop_and_is_waited_for(void **state)
{
	struct record r = { 0 };
	int result = 1;

	(void)state;
	start(&result);
	assert_int_equal(evloop_call(&loop, note_thread, &r), 0);
	assert_int_equal(r.calls, 1);
	assert_true(pthread_equal(r.thread, loop_thread));
	evloop_stop(&loop);
	join();
}

static void call_again(void *arg)
{
	if (evloop_call(&loop, note_thread, arg) != 0)
		((struct record *)arg)->calls = 100;
}

static void call_on_the_loop_itself_is_made_at_once(void **state)
{
	struct record r = { 0 };
	int result = 1;

	(void)state;
	start(&result);
	assert_int_equal(evloop_call(&loop, call_again, &r), 0);
	assert_int_equal(r.calls, 1);
	assert_true(pthread_equal(r.thread, loop_thread));
	evloop_stop(&loop);
	join();
}

/* No lock and no atomic: that the loop's thread alone touches it is what is tested. */
static unsigned int counter;

static void count(void *arg)
{
	(void)arg;
	counter++;
}

static void *call_many(void *arg)
{
	unsigned int *failed = arg;

	for (int i = 0; i < 1000; i++)
		*failed += evloop_call(&loop, count, NULL) != 0;
	return NULL;
}

static void calls_of_many_threads_are_all_made(void **state)
{
	unsigned int failed[8] = { 0 };
	pthread_t thread[8];
	int result = 1;

	(void)state;
	counter = 0;
	start(&result);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, call_many, &failed[i]), 0);
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(failed[i], 0);
	}
	assert_int_equal(counter, 8000);
	evloop_stop(&loop);
	join();
}

static void call_after_close_is_cancelled(void **state)
{
	struct record r = { 0 };

	(void)state;
	evloop_close(&loop);
	assert_int_equal(evloop_call(&loop, note_thread, &r), -ECANCELED);
	assert_int_equal(r.calls, 0);
}

static void *call_once(void *arg)
{
	int *result = arg;

	*result = evloop_call(&loop, count, NULL);
	return NULL;
}

/* As when the monitor ends with a vCPU waiting: the loop is over, then its thread closes it. */
static void *run_then_close(void *arg)
{
	bool waits;

	run(arg);
	/* One call is seen to wait; the others do, or come to a closed loop. */
	do {
		pthread_mutex_lock(&loop.lock);
		waits = loop.calls;
		pthread_mutex_unlock(&loop.lock);
	} while (!waits);
	evloop_close(&loop);
	return NULL;
}

static void waiting_call_is_cancelled_by_close(void **state)
{
	pthread_t waiting[3];
	int called[3] = { 1, 1, 1 };
	int result = 1;

	(void)state;
	counter = 0;
	evloop_stop(&loop);
	loop.running = true;
	assert_int_equal(pthread_create(&loop_thread, NULL, run_then_close, &result), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&waiting[i], NULL, call_once, &called[i]), 0);
	join();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(waiting[i], NULL), 0);
		assert_int_equal(called[i], -ECANCELED);
	}
	assert_int_equal(counter, 0);
}

/* Calls stream in while the loop stops and is closed: each is made or cancelled, none is lost. */
static void *call_until_cancelled(void *arg)
{
	unsigned int *made = arg;

	while (evloop_call(&loop, count, NULL) == 0)
		(*made)++;
	return NULL;
}

static void close_races_with_calls(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		unsigned int made[4] = { 0 };
		pthread_t thread[4];
		int result = 1;

		if (round > 0)
			assert_int_equal(evloop_init(&loop), 0);
		counter = 0;
		start(&result);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(
				pthread_create(&thread[i], NULL, call_until_cancelled, &made[i]),
				0);
		evloop_stop(&loop);
		join();
		evloop_close(&loop);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(counter, made[0] + made[1] + made[2] + made[3]);
		if (round < 49)
			evloop_release(&loop);
	}
}

static void init_fails_without_a_trace(void **state)
{
	unsigned int before = fault_open_fds();
	struct evloop l;
	unsigned int n;

	(void)state;
	for (n = 1; n < 100; n++) {
		int r;

		fault_arm(n, ENFILE);
		r = evloop_init(&l);
		if (!fault_disarm()) {
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, -ENFILE);
		assert_int_equal(fault_open_fds(), before);
	}
	assert_int_equal(n, 4);
	evloop_release(&l);
	assert_int_equal(fault_open_fds(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void frozen_source_waits_for_the_thaw(void **state)
{
	struct probe dev = { .stop_at = 1 };
	struct probe always = { .stop_at = 1 };

	(void)state;
	probe_add(&dev, 0, EPOLLIN | EPOLLET);
	probe_add(&always, 1, EPOLLIN | EPOLLET | EV_ALWAYS);
	evloop_freeze(&loop);
	evloop_freeze(&loop); /* twice is as good as once */
	signal_fd(dev.fd);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(always.calls, 1);
	assert_int_equal(dev.calls, 0);
	assert_int_equal(evloop_thaw(&loop), 0);
	assert_int_equal(evloop_thaw(&loop), 0);
	loop.stopping = false;
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(dev.calls, 1);
	probe_close(&dev);
	probe_close(&always);
}

static void source_added_while_frozen_waits_too(void **state)
{
	struct probe dev = { .stop_at = 1 };
	struct probe gone = { 0 };

	(void)state;
	evloop_freeze(&loop);
	probe_add(&dev, 1, EPOLLIN | EPOLLET);
	probe_add(&gone, 1, EPOLLIN | EPOLLET);
	probe_close(&gone);
	assert_int_equal(evloop_thaw(&loop), 0);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(dev.calls, 1);
	assert_int_equal(gone.calls, 0);
	probe_close(&dev);
}

static void thaw_that_fails_may_be_tried_again(void **state)
{
	struct probe dev = { .stop_at = 1 };

	(void)state;
	probe_add(&dev, 1, EPOLLIN | EPOLLET);
	evloop_freeze(&loop);
	fault_arm(1, ENOMEM);
	assert_int_equal(evloop_thaw(&loop), -ENOMEM);
	assert_true(fault_disarm());
	assert_true(loop.frozen);
	assert_int_equal(evloop_thaw(&loop), 0);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(dev.calls, 1);
	probe_close(&dev);
}

struct parker {
	pthread_t thread;
	_Atomic bool parked;
	int call_result;
	int served;
};

static void count_call(void *arg)
{
	((struct parker *)arg)->served++;
}

/* As a vCPU does it: first something that only the loop can do, then it stands still. */
static void *park(void *arg)
{
	struct parker *p = arg;

	p->call_result = evloop_call(&loop, count_call, p);
	p->parked = true;
	evloop_poke(&loop);
	return NULL;
}

static bool has_parked(void *arg)
{
	return ((struct parker *)arg)->parked;
}

static void waiting_loop_serves_calls(void **state)
{
	struct parker p = { 0 };

	(void)state;
	/* The loop counts as running on this thread, so that the other one has to ask. */
	loop.running = true;
	loop.owner = pthread_self();
	assert_int_equal(pthread_create(&p.thread, NULL, park, &p), 0);
	evloop_wait(&loop, has_parked, &p);
	assert_int_equal(pthread_join(p.thread, NULL), 0);
	assert_int_equal(p.served, 1);
	assert_int_equal(p.call_result, 0);
}

static void reopened_loop_takes_calls(void **state)
{
	struct parker p = { 0 };

	(void)state;
	evloop_close(&loop);
	assert_int_equal(evloop_call(&loop, count_call, &p), -ECANCELED);
	evloop_reopen(&loop);
	assert_int_equal(evloop_call(&loop, count_call, &p), 0);
	assert_int_equal(p.served, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ready_descriptor_runs_its_function),
		TEST(edge_triggered_eventfd_needs_no_reading),
		TEST(deleted_source_gets_no_event_of_the_same_batch),
		TEST(source_may_delete_itself),
		TEST(deleting_what_was_never_added_does_nothing),
		TEST(files_cannot_be_waited_for),
		TEST(stop_before_run_is_not_lost),
		TEST(stop_from_another_thread),
		TEST(signals_do_not_end_the_loop),
		TEST(call_before_the_loop_runs_is_made_at_once),
		TEST(call_runs_on_the_loop_and_is_waited_for),
		TEST(call_on_the_loop_itself_is_made_at_once),
		TEST(calls_of_many_threads_are_all_made),
		TEST(call_after_close_is_cancelled),
		TEST(waiting_call_is_cancelled_by_close),
		TEST(close_races_with_calls),
		TEST(frozen_source_waits_for_the_thaw),
		TEST(source_added_while_frozen_waits_too),
		TEST(thaw_that_fails_may_be_tried_again),
		TEST(waiting_loop_serves_calls),
		TEST(reopened_loop_takes_calls),
		cmocka_unit_test(init_fails_without_a_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
