// SPDX-License-Identifier: Apache-2.0
/* The request that comes over the control port. Process 1, before it has threads. */
#include "request.h"

#include "fail.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			l1_fail("control port ended %zu bytes before the end of the request: %s",
				len, n ? strerror(errno) : "closed");
		p += n;
		len -= (size_t)n;
	}
}

static void take_record(struct request *req, char *rec, size_t *argc, size_t *envc)
{
	switch (rec[0]) {
	case 'A':
		req->argv[(*argc)++] = rec + 1;
		break;
	case 'E':
		req->envp[(*envc)++] = rec + 1;
		break;
	case 'C':
		req->cwd = rec + 1;
		break;
	case 'W':
		if (req->nr_shares == REQUEST_SHARES)
			l1_fail("more than %d writable shares", REQUEST_SHARES);
		req->shares[req->nr_shares++] = rec + 1;
		break;
	case 'X':
		req->rcu_expedited = true;
		break;
	default:
		l1_fail("request has an unknown record '%.20s'", rec);
	}
}

void request_read(int fd, struct request *req)
{
	size_t argc = 0, envc = 0, records = 0;
	uint32_t len;
	char *buf;

	memset(req, 0, sizeof(*req));
	read_all(fd, &len, sizeof(len));
	if (len > REQUEST_MAX)
		l1_fail("request of %u bytes, expected at most %u", len, REQUEST_MAX);
	buf = malloc((size_t)len + 1);
	if (!buf)
		l1_fail("no memory for a request of %u bytes", len);
	read_all(fd, buf, len);
	buf[len] = '\0';

	for (size_t i = 0; i < len; i++)
		records += buf[i] == '\0';
	req->argv = calloc(records + 1, sizeof(*req->argv));
	req->envp = calloc(records + 1, sizeof(*req->envp));
	if (!req->argv || !req->envp)
		l1_fail("no memory for %zu request records", records);
	for (size_t i = 0; i < len; i += strlen(buf + i) + 1)
		take_record(req, buf + i, &argc, &envc);
	if (!argc || !req->cwd)
		l1_fail("request without a command or a directory");
}
