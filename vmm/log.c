// SPDX-License-Identifier: Apache-2.0
/* Any thread. */
#include "vmm/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/util.h"

#define LINE_MAX_BYTES 512
#define GUEST_BURST    10
#define GUEST_PERIOD_S 5

static void PRINTF(2, 0) emit(const char *level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	int at = snprintf(line, sizeof(line), "mote: %s", level);
	int n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	size_t len = n < 0 ? (size_t)at : min_u64((size_t)at + (size_t)n, sizeof(line) - 2);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[len] = '\n';
	if (write(STDERR_FILENO, line, len + 1) < 0)
		errno = saved; /* nobody is left to be told */
	errno = saved;
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("", fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("", fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("warning: ", fmt, ap);
	va_end(ap);
}

/* True when another guest-caused message may be written; *missed: how many were left out. */
static bool guest_may_speak(unsigned int *missed)
{
	static _Atomic int64_t period;
	static _Atomic unsigned int said;
	static _Atomic unsigned int dropped;
	struct timespec now;
	int64_t p;

	clock_gettime(CLOCK_MONOTONIC, &now);
	p = now.tv_sec / GUEST_PERIOD_S + 1;
	if (atomic_exchange(&period, p) != p)
		atomic_store(&said, 0);
	if (atomic_fetch_add(&said, 1) >= GUEST_BURST) {
		atomic_fetch_add(&dropped, 1);
		return false;
	}
	*missed = atomic_exchange(&dropped, 0);
	return true;
}

void log_guest(const char *fmt, ...)
{
	unsigned int missed;
	va_list ap;

	if (!guest_may_speak(&missed))
		return;
	if (missed > 0)
		log_warn("guest: %u messages left out", missed);
	va_start(ap, fmt);
	emit("guest: ", fmt, ap);
	va_end(ap);
}
