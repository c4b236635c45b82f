// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/scratch.h"

#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char scratch_path[64];
char scratch_text[262144];

static char dir[] = "/tmp/mote-test-XXXXXX";

const char *scratch_begin(void)
{
	return mkdtemp(dir);
}

void scratch_end(void)
{
	rmdir(dir);
}

int scratch_setup(void **state)
{
	static unsigned int nr;

	(void)state;
	snprintf(scratch_path, sizeof(scratch_path), "%s/%u", dir, nr++);
	alarm(10);
	return 0;
}

int scratch_teardown(void **state)
{
	(void)state;
	alarm(0);
	unlink(scratch_path);
	return 0;
}

char *scratch_read(void)
{
	int fd = open(scratch_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, scratch_text + len, sizeof(scratch_text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	scratch_text[len] = '\0';
	return scratch_text;
}
