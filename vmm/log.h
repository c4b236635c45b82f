/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages, in one of two formats. Until something else is asked for they are for a person, on
 * standard error:
 *
 *	mote: disk a: gone
 *	mote: warning: 3 left
 *
 * With log_contract_format they are Firecracker's, on standard output or where log_open says:
 *
 *	2023-06-16T07:45:41.767987318 [vm7:fc_vcpu 0:WARN:vmm/vcpu.c:94] message
 *
 * with the local time, and level and origin only if wanted. A line is one write of at most
 * LOG_LINE_MAX bytes, nothing is kept back. Control characters are escaped ("\n", "\x1b"), bytes
 * that are no UTF-8 become '?', and what is too long ends in "...". errno is left alone. In the
 * contract's format no write waits for a reader: lines that the target does not take are lost and
 * counted (logger.missed_log_count), and the line after one that was taken in part begins on a new
 * line. SIGPIPE has to be ignored by the caller.
 *
 * Messages: any thread. Set-up: the loop's thread, before there are others.
 */
#ifndef MOTE_VMM_LOG_H
#define MOTE_VMM_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

/* With the newline. Less than PIPE_BUF: a FIFO takes all of a line or nothing. */
#define LOG_LINE_MAX   3584u
#define LOG_ID_MAX     65u /* bytes, with the final NUL */
#define LOG_MODULE_MAX 64u

enum log_level {
	LOG_LEVEL_OFF,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE,
};

struct log_config {
	const char *id;	      /* of the microVM */
	enum log_level level; /* the last one that is written */
	bool show_level;
	bool show_origin;
	/*
	 * Only messages whose origin begins with this, written as a path or the way the contract's
	 * clients do: "vmm", "api/", "vmm::vm". NULL or "" = all of them.
	 */
	const char *module;
};

/*
 * Replaces all of the configuration (which is: anonymous-instance, Info, nothing shown). The
 * strings are copied. -EINVAL, with nothing changed: one is too long. May be called again.
 */
int log_configure(const struct log_config *c, struct err *e);

/* From now on the contract's format, and standard output unless log_open was called. */
void log_contract_format(void);

/*
 * From now on the file or FIFO at `path`, which is made when there is none, and the contract's
 * format. A FIFO needs no reader. On error the old target stays, and the message names the path.
 * May be called again.
 */
int log_open(const char *path, struct err *e);

/* Back to what a process starts with: for tests. */
void log_reset(void);

/* "Warning", "warn", "OFF": -EINVAL when it is no level. */
int log_level_parse(const char *text, enum log_level *level);

/* What lines call this thread from now on; a new thread is "main" until it says otherwise. */
void log_name_thread(const char *name);

/* ---- messages -------------------------------------------------------------------------------- */

#define log_error(...)	log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#define log_enabled(at) ((int)(at) <= atomic_load_explicit(&log_threshold, memory_order_relaxed))

/* A message that nobody wants costs a load and a branch; its arguments are not looked at. */
#define log_at(at, ...)                                                 \
	do {                                                            \
		if (log_enabled(at))                                    \
			log_write(at, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/*
 * A warning that the guest can cause. At most ten in five seconds for each place in the source; the
 * first one after that is preceded by the number of those left out, which are counted
 * (logger.rate_limited_log_count).
 */
#define log_guest(...)                                                           \
	do {                                                                     \
		static struct log_site site;                                     \
                                                                                 \
		if (log_enabled(LOG_LEVEL_WARNING))                              \
			log_write_guest(&site, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

#define LOG_SITE_BURST	   10u
#define LOG_SITE_PERIOD_MS 5000

/* A place in the source that speaks for the guest. All zero at first. */
struct log_site {
	_Atomic int64_t since; /* start of its period, ms; 0 = it never spoke */
	_Atomic uint32_t said; /* in this period */
	_Atomic uint32_t left_out;
};

/*
 * May it speak at `now_ms` (monotonic, not 0)? If so *missed is how many messages were left out
 * before. Any thread.
 */
bool log_site_admits(struct log_site *s, int64_t now_ms, uint32_t *missed);

extern _Atomic int log_threshold; /* enum log_level; read by the macros */

void log_write(enum log_level level, const char *file, int line, const char *fmt, ...) PRINTF(4, 5);
void log_write_guest(struct log_site *s, const char *file, int line, const char *fmt, ...)
	PRINTF(4, 5);

#endif
