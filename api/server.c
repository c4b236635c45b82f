// SPDX-License-Identifier: Apache-2.0
/*
 * All memory is one mapping, made at the start and touched as needed: the server, what answers are
 * made in, and the buffers of each connection.
 */
#include "api/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/connection.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

#define PAGE	    ((size_t)4096)
#define MAX_BACKLOG 128

struct server {
	struct connection_env env;
	struct ev_source listener;
	int listen_fd;
	bool deaf; /* accept failed; tried again when a client comes or goes */
	size_t mapped;
	struct connection connections[SERVER_MAX_CONNECTIONS];
};

static const char too_many[] = "HTTP/1.1 503\r\n"
			       "Server: Firecracker API\r\n"
			       "Connection: close\r\n"
			       "Content-Length: 40\r\n"
			       "\r\n"
			       "{ \"error\": \"Too many open connections\" }";

/* A free place, or the one of a peer that has had its last answer. */
static struct connection *find_place(struct server *s)
{
	struct connection *over = NULL;

	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		if (!connection_is_open(c))
			return c;
		if (connection_is_over(c))
			over = c;
	}
	if (over)
		connection_close(over);
	return over;
}

static void turn_away(struct server *s, int fd)
{
	/* A new socket has room for this. A request that is here already is read: closing with it
	 * unread would be an error to the client. */
	if (send(fd, too_many, sizeof(too_many) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0 &&
	    recv(fd, s->env.scratch, PAGE, MSG_DONTWAIT) < 0)
		errno = 0;
	close(fd);
}

static void on_connect(void *ctx, uint32_t events);

/*
 * Level-triggered while it works: one client a round, and the loop says that there are more. When
 * there are no descriptors left it would say so for ever: then edge-triggered, which is once for
 * each client that comes.
 */
static int listen_for(struct server *s, bool deaf)
{
	uint32_t edge = deaf ? (uint32_t)EPOLLET : 0;

	ev_del(s->env.loop, &s->listener);
	s->deaf = deaf;
	return ev_add(s->env.loop, &s->listener, s->listen_fd, EPOLLIN | EV_ALWAYS | MUT_DEAF(edge),
		      on_connect, s);
}

static void on_connect(void *ctx, uint32_t events)
{
	struct server *s = ctx;
	struct connection *c;
	int fd;

	(void)events;
	do {
		fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		if (s->deaf)
			return;
		log_warn("API: accepting a connection: %s", strerror(errno));
		if (listen_for(s, true) < 0)
			log_error("API: no connections are accepted any more");
		return;
	}
	c = find_place(s);
	if (!c)
		turn_away(s, fd);
	else if (connection_open(c, fd) < 0)
		log_warn("API: watching a connection failed");
	if (s->deaf && listen_for(s, false) < 0)
		log_error("API: no connections are accepted any more");
}

/* A descriptor came free. */
static void on_closed(struct connection_env *env)
{
	struct server *s = container_of(env, struct server, env);

	if (s->deaf && listen_for(s, false) < 0)
		log_error("API: no connections are accepted any more");
}

/* ---- starting and stopping ------------------------------------------------------------------- */

static const char *explain(int code)
{
	switch (code) {
	case -EADDRINUSE:
		return "it exists";
	case -ENOENT:
		return "its folder does not exist";
	case -ENOTDIR:
		return "its folder is none";
	case -EACCES:
	case -EROFS:
		return "its folder may not be written to";
	default:
		return strerror(-code);
	}
}

/* Clients' tests look for this sentence. */
static int open_error(struct err *e, int code, const char *path, const char *why)
{
	return err_set(e, code,
		       "Failed to open the API socket at: %.107s. Check that it is not already "
		       "used. (%s)",
		       path, why);
}

static int open_listener(const char *path, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;
	int r;

	if (len == 0)
		return open_error(e, -EINVAL, path, "the path is empty");
	if (len >= sizeof(addr.sun_path))
		return open_error(e, -ENAMETOOLONG, path,
				  "the path is too long, expected at most 107 bytes");
	memcpy(addr.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		return open_error(e, r, path, strerror(-r));
	}
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = -errno;
		close(fd);
		return open_error(e, r, path, explain(r));
	}
	if (listen(fd, MAX_BACKLOG) < 0) {
		r = -errno;
		close(fd);
		unlink(path);
		return open_error(e, r, path, strerror(-r));
	}
	return fd;
}

/* Maps the server with all its buffers. */
static int map_server(struct server **out, size_t max_body, struct err *e)
{
	size_t head = align_up(sizeof(struct server), PAGE);
	size_t in_len;
	size_t total;
	struct server *s;
	char *at;

	if (max_body > SIZE_MAX / 32)
		return err_set(e, -EINVAL, "API: a payload of %zu bytes is too large", max_body);
	in_len = align_up(HTTP_HEAD_MAX + max_body, PAGE);
	total = head + SERVER_MAX_ANSWER +
		SERVER_MAX_CONNECTIONS * (in_len + align_up(CONNECTION_OUT_MAX, PAGE));
	at = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		  -1, 0);
	if (at == MAP_FAILED)
		return err_sys(e, -errno, "API: buffers for payloads of %zu bytes", max_body);
	(void)madvise(at, total, MADV_NOHUGEPAGE); /* a small request must not cost 2 MiB */
	s = (struct server *)(void *)at;
	s->mapped = total;
	at += head;
	s->env.scratch = at;
	at += SERVER_MAX_ANSWER;
	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++) {
		connection_init(&s->connections[i], &s->env, at, at + in_len);
		at += in_len + align_up(CONNECTION_OUT_MAX, PAGE);
	}
	*out = s;
	return 0;
}

int server_start(struct server **out, struct evloop *loop, const char *path, size_t max_body,
		 server_fn fn, void *ctx, struct err *e)
{
	struct server *s = NULL;
	int r = map_server(&s, max_body, e);

	if (!s)
		return r;
	s->env.loop = loop;
	s->env.fn = fn;
	s->env.ctx = ctx;
	s->env.max_body = max_body;
	s->env.closed = on_closed;
	s->listen_fd = open_listener(path, e);
	if (s->listen_fd < 0) {
		r = s->listen_fd;
		goto unmap;
	}
	r = listen_for(s, false);
	if (r < 0) {
		open_error(e, r, path, strerror(-r));
		goto close_listener;
	}
	*out = s;
	return 0;
close_listener:
	close(s->listen_fd);
	unlink(path);
unmap:
	munmap(s, s->mapped);
	return r;
}

void server_stop(struct server *s)
{
	s->deaf = false;
	for (unsigned int i = 0; i < SERVER_MAX_CONNECTIONS; i++)
		connection_close(&s->connections[i]);
	ev_del(s->env.loop, &s->listener);
	close(s->listen_fd);
	munmap(s, s->mapped);
}
