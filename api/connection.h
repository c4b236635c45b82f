/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of the API's socket: bytes read, requests answered one after the other, answers
 * written. A peer that does not read its answers is not read from; one that keeps requests coming
 * gets a few of them answered in each round of the loop. Loop thread.
 */
#ifndef MOTE_API_CONNECTION_H
#define MOTE_API_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/server.h"

/* Of an answer that the peer did not take at once, this much is kept for it. */
#define CONNECTION_OUT_MAX (HTTP_ANSWER_HEAD + SERVER_MAX_ANSWER)

/* What all connections share. */
struct connection_env {
	struct evloop *loop;
	server_fn fn;
	void *ctx;
	size_t max_body;
	char *scratch; /* SERVER_MAX_ANSWER bytes; answers are made here, one at a time */
	void (*closed)(struct connection_env *env);
};

struct connection {
	struct connection_env *env;
	struct ev_source source; /* fd -1: free */
	uint32_t events;	 /* watched for: EPOLLIN or EPOLLOUT */
	int fd;
	bool last;   /* no request is taken any more; closed when all is written */
	bool linger; /* after that, what the peer still sends is thrown away until it ends */
	struct http_parser parser;
	char *in; /* HTTP_HEAD_MAX + max_body bytes, page-aligned; in use: in_off to in_end */
	size_t in_off;
	size_t in_end;
	size_t in_high; /* bytes touched since memory was given back */
	char *out;	/* CONNECTION_OUT_MAX bytes, page-aligned; unwritten: out_off to out_end */
	size_t out_off;
	size_t out_end;
};

/* `in` and `out` are the caller's, and zero or never used before. */
void connection_init(struct connection *c, struct connection_env *env, char *in, char *out);

/* Takes fd, a non-blocking socket; -errno: it is closed again. */
int connection_open(struct connection *c, int fd) MUST_CHECK;

static inline bool connection_is_open(const struct connection *c)
{
	return c->fd >= 0;
}

/* True when the peer has had its last answer and we only wait for it to go. */
bool connection_is_over(const struct connection *c);

/* Closes at once, with what can be written without waiting. No effect when not open. */
void connection_close(struct connection *c);

#endif
