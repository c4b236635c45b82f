// SPDX-License-Identifier: Apache-2.0
/*
 * Linked into every unit test: results are written line by line, so that those before a crash are
 * not lost with the buffer.
 */
#include <stdio.h>

static void __attribute__((constructor)) write_each_line(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}
