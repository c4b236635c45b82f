// SPDX-License-Identifier: Apache-2.0
/* Real sockets: the loop on a thread of its own, clients on this one. */
#include "api/server.h"

#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_BODY    51200u
#define GET(path)   "GET /" path " HTTP/1.1\r\n\r\n"
#define NO_DATA	    "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"
#define LAST_ANSWER "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: close\r\n\r\n"

static struct evloop loop;
static struct server *server;
static pthread_t thread;
static char folder[] = "/tmp/mote-server-XXXXXX";
static char path[64];
static char order[65536]; /* first letters of the paths, as they were served; loop thread */
static size_t served;

static void handle(void *ctx, const struct http_request *req, struct http_response *res,
		   char *scratch)
{
	assert_ptr_equal(ctx, &loop);
	order[served++ % sizeof(order)] = req->path_len > 0 ? req->path[0] : '/';
	if (req->body) { /* echo */
		memcpy(scratch, req->body, req->body_len);
		*res = (struct http_response){ 200, false, scratch, req->body_len };
	} else if (req->path_len > 0 && req->path[0] == 'L') {
		memset(scratch, 'l', SERVER_MAX_ANSWER);
		*res = (struct http_response){ 200, false, scratch, SERVER_MAX_ANSWER };
	}
}

static void *run(void *arg)
{
	(void)arg;
	if (evloop_run(&loop) != 0)
		abort();
	return NULL;
}

static void nothing(void *arg)
{
	(void)arg;
}

/* Two rounds: what is ready now has been worked on. */
static void settle(void)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(evloop_call(&loop, nothing, NULL), 0);
}

static int set_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	unlink(path);
	served = 0;
	if (evloop_init(&loop) < 0 ||
	    server_start(&server, &loop, path, MAX_BODY, handle, &loop, &e) < 0) {
		print_error("%s\n", e.msg);
		return -1;
	}
	loop.running = true;
	return pthread_create(&thread, NULL, run, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	evloop_stop(&loop);
	pthread_join(thread, NULL);
	server_stop(server);
	evloop_release(&loop);
	return access(path, F_OK); /* the socket stays */
}

static int client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, path, strlen(path));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void put(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		text += n;
		len -= (size_t)n;
	}
}

static void say(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

/* The next bytes are exactly these. */
static void hear(int fd, const char *text)
{
	char buf[1024];
	size_t len = strlen(text);

	assert_int_equal(recv(fd, buf, len, MSG_WAITALL), len);
	assert_memory_equal(buf, text, len);
}

static void hear_end(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, 0), 0);
	close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	int fd = client();

	(void)state;
	say(fd, GET("a") GET("b") GET("c") GET("d") GET("e") GET("f") GET("g") GET("h") GET("i"));
	for (int i = 0; i < 9; i++)
		hear(fd, NO_DATA);
	assert_memory_equal(order, "abcdefghi", 9);
	close(fd);
}

static void slow_sender_disturbs_nobody(void **state)
{
	static const char text[] = "PUT /s HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
	int slow = client();
	int fd = client();

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		put(slow, text + i, 1);
		say(fd, GET("f"));
		hear(fd, NO_DATA);
	}
	hear(slow, "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
		   "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
	close(slow);
	close(fd);
}

/* Answers of 256 KiB that nobody reads stop that client's requests, and are all there later. */
static void peer_that_does_not_read_is_not_served(void **state)
{
	int lazy = client();
	int fd = client();
	char *buf = malloc(SERVER_MAX_ANSWER + 1024);
	size_t all = 0;
	size_t head;

	(void)state;
	assert_non_null(buf);
	for (int i = 0; i < 20; i++)
		say(lazy, GET("L"));
	for (int i = 0; i < 50; i++) {
		say(fd, GET("f"));
		hear(fd, NO_DATA);
	}
	assert_true(served < 50 + 4);
	head = strlen("HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
		      "Content-Type: application/json\r\nContent-Length: 262144\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(recv(lazy, buf, head + SERVER_MAX_ANSWER, MSG_WAITALL),
				 head + SERVER_MAX_ANSWER);
		assert_memory_equal(buf, "HTTP/1.1 200", 12);
		for (size_t k = 0; k < SERVER_MAX_ANSWER; k++)
			all += buf[head + k] == 'l';
	}
	assert_int_equal(all, 20 * SERVER_MAX_ANSWER);
	free(buf);
	close(lazy);
	close(fd);
}

/* A thousand requests in one go; another client's gets its turn long before they are done. */
static void flood_does_not_keep_the_loop(void **state)
{
	int flood = client();
	int fd = client();
	char text[1000 * 19];
	size_t before;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		memcpy(text + i * 19, "GET /x HTTP/1.1\r\n\r\n", 19);
	settle();
	say(flood, GET("start"));
	hear(flood, NO_DATA);
	put(flood, text, sizeof(text));
	say(fd, GET("!"));
	hear(fd, NO_DATA);
	for (int i = 0; i < 1000; i++)
		hear(flood, NO_DATA);
	settle();
	before = (size_t)((char *)memchr(order, '!', sizeof(order)) - order);
	assert_true(before < 900);
	close(flood);
	close(fd);
}

static void eleventh_connection_is_turned_away(void **state)
{
	int fd[SERVER_MAX_CONNECTIONS];
	int one_more;

	(void)state;
	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++)
		fd[i] = client();
	settle();
	one_more = client();
	hear(one_more, "HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\n"
		       "Content-Length: 40\r\n\r\n{ \"error\": \"Too many open connections\" }");
	hear_end(one_more);
	close(fd[3]);
	settle();
	fd[3] = client();
	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++) {
		say(fd[i], GET("a"));
		hear(fd[i], NO_DATA);
		close(fd[i]);
	}
}

static void half_closed_client_gets_its_answers(void **state)
{
	int fd = client();

	(void)state;
	say(fd, GET("a") GET("b") GET("c") GET("d") GET("e") GET("f"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 6; i++)
		hear(fd, NO_DATA);
	hear_end(fd);
}

static void clients_go_without_waiting(void **state)
{
	int fd;

	(void)state;
	for (int i = 0; i < 100; i++) {
		fd = client();
		say(fd, i % 2 ? GET("L") GET("L") : GET("a") "PUT /b HTTP/1.1\r\n");
		close(fd);
	}
	fd = client();
	say(fd, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n" GET("never"));
	hear(fd, LAST_ANSWER);
	close(fd);
}

/* The body comes after the refusal: writing it must not fail, and the answer not be lost. */
static void refused_client_may_send_the_rest(void **state)
{
	static const char answer[] =
		"HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: 149\r\n\r\n"
		"{ \"error\": \"Request payload with size 51201 is larger than the limit of 51200 "
		"allowed by server.\nAll previous unanswered requests will be dropped.\" }";
	char *body = calloc(1, MAX_BODY + 1);
	int over[SERVER_MAX_CONNECTIONS];
	int fd;

	(void)state;
	assert_non_null(body);
	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++) {
		over[i] = client();
		say(over[i], "PUT /x HTTP/1.1\r\nContent-Length: 51201\r\n\r\n");
		settle();
		put(over[i], body, MAX_BODY + 1);
		hear(over[i], answer);
	}
	/* They all stay, but keep nobody out. */
	fd = client();
	say(fd, GET("a"));
	hear(fd, NO_DATA);
	close(fd);
	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++)
		hear_end(over[i]);
	free(body);
}

static void continue_comes_before_the_body(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	hear(fd, "HTTP/1.1 100 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n");
	say(fd, "{}");
	hear(fd, "HTTP/1.1 200 ");
	close(fd);
}

/* No descriptor for the client: the loop must not spin; and it is served when there is one. */
static void no_descriptors_left(void **state)
{
	struct rlimit old;
	struct rlimit few;
	int first = client();
	int waiting;
	int other;
	int spare;

	(void)state;
	settle();
	waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	spare = dup(waiting);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)spare;
	close(spare);
	close(waiting);
	other = client(); /* takes that number; its end in the server has none */
	close(other);
	settle();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	fault_arm(100, EIO);
	waiting = client();
	for (int i = 0; i < 500; i++)
		settle();
	assert_false(fault_disarm());
	say(first, GET("a"));
	hear(first, NO_DATA);
	say(waiting, GET("b"));
	close(first); /* its place is for the one that waits */
	hear(waiting, NO_DATA);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(waiting);
}

static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size = 0;
	long resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
	fclose(f);
	return resident;
}

static void ten_thousand_requests(void **state)
{
	int fd = client();
	long before = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		if (i == 1000)
			before = resident_pages();
		say(fd, GET("a"));
		hear(fd, NO_DATA);
	}
	assert_int_equal(served, 10000);
	assert_true(resident_pages() - before < 256);
	close(fd);
}

static void refuse(const char *bad, int code, const char *why)
{
	struct evloop l;
	struct err e = { 0 };
	struct server *s = NULL;
	unsigned int fds;

	assert_int_equal(evloop_init(&l), 0);
	fds = fault_open_fds();
	assert_int_equal(server_start(&s, &l, bad, MAX_BODY, handle, NULL, &e), code);
	assert_null(s);
	assert_non_null(strstr(e.msg, "Failed to open the API socket at: "));
	assert_non_null(strstr(e.msg, ". Check that it is not already used."));
	assert_non_null(strstr(e.msg, why));
	assert_int_equal(fault_open_fds(), fds);
	evloop_release(&l);
}

static void bad_paths(void **state)
{
	char longest[200];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[108] = '\0';
	refuse("", -EINVAL, "empty");
	refuse(longest, -ENAMETOOLONG, "at most 107 bytes");
	refuse("/nonexistent/api.sock", -ENOENT, "folder does not exist");
	refuse("/dev/null/api.sock", -ENOTDIR, "/dev/null/api.sock");
	refuse(path, -EADDRINUSE, "exists"); /* left by the tests before */
	refuse("/proc/api.sock", -ENOENT, "/proc/api.sock");
}

static void start_fails_without_a_trace(void **state)
{
	unsigned int n;

	(void)state;
	for (n = 1; n < 20; n++) {
		struct evloop l;
		struct err e = { 0 };
		struct server *s;
		int r;

		unlink(path);
		assert_int_equal(evloop_init(&l), 0);
		fault_arm(n, ENOMEM);
		r = server_start(&s, &l, path, MAX_BODY, handle, NULL, &e);
		if (!fault_disarm()) {
			assert_int_equal(r, 0);
			server_stop(s);
			evloop_release(&l);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(access(path, F_OK), -1);
		evloop_release(&l);
	}
	assert_int_equal(n, 5); /* socket, bind, listen, epoll_ctl */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pipelined_requests_are_answered_in_order),
		TEST(slow_sender_disturbs_nobody),
		TEST(peer_that_does_not_read_is_not_served),
		TEST(flood_does_not_keep_the_loop),
		TEST(eleventh_connection_is_turned_away),
		TEST(half_closed_client_gets_its_answers),
		TEST(clients_go_without_waiting),
		TEST(refused_client_may_send_the_rest),
		TEST(continue_comes_before_the_body),
		TEST(no_descriptors_left),
		TEST(ten_thousand_requests),
		cmocka_unit_test(bad_paths),
		cmocka_unit_test(start_fails_without_a_trace),
	};
	int failed;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/api.sock", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
