// SPDX-License-Identifier: Apache-2.0
/* Messages: any thread. Set-up: loop thread. */
#include "vmm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "vmm/metrics.h"
#include "vmm/mutants.h"
#include "vmm/nonblock.h"
#include "vmm/utf8.h"
#include "vmm/util.h"

#define CUT	  "..."
#define PREFIX_NO 256 /* room for the longest prefix, and more for the message */

_Static_assert(LOG_ID_MAX + 64 + PREFIX_NO < LOG_LINE_MAX, "no room for a message");

_Atomic int log_threshold = LOG_LEVEL_INFO;

/* Written at set-up, by one thread; the threads that read it are started later. */
static struct {
	int fd;
	bool ours; /* fd is to be closed */
	bool contract;
	bool show_level;
	bool show_origin;
	char id[LOG_ID_MAX];
	char module[LOG_MODULE_MAX];
} target = { .fd = STDERR_FILENO, .id = "anonymous-instance" };

/* The last line was taken in part. */
static _Atomic bool torn;

static _Thread_local char thread_name[16] = "main";

/* A line in the making; text[0] is kept for the newline that ends a torn one. */
struct line {
	size_t len;
	char text[LOG_LINE_MAX + 1];
};

/* ---- set-up ---------------------------------------------------------------------------------- */

static int copy_string(char *to, size_t size, const char *from, const char *what, struct err *e)
{
	size_t len = strlen(from);

	if (len >= size)
		return err_set(e, -EINVAL, "%s of %zu bytes, expected at most %zu", what, len,
			       size - 1);
	memcpy(to, from, len + 1);
	return 0;
}

int log_configure(const struct log_config *c, struct err *e)
{
	char id[LOG_ID_MAX];
	char module[LOG_MODULE_MAX];
	int r = copy_string(id, sizeof(id), c->id, "id", e);

	if (r == 0)
		r = copy_string(module, sizeof(module), c->module ? c->module : "", "log module",
				e);
	if (r < 0)
		return r;
	memcpy(target.id, id, sizeof(id));
	memcpy(target.module, module, sizeof(module));
	target.show_level = c->show_level;
	target.show_origin = c->show_origin;
	log_threshold = (int)c->level;
	return 0;
}

static void set_target(int fd, bool ours)
{
	if (target.ours)
		close(target.fd);
	target.fd = fd;
	target.ours = ours;
	torn = false;
}

/* The time zone's file is read here, while files can still be opened. */
void log_contract_format(void)
{
	int fd;

	if (target.contract)
		return;
	tzset();
	target.contract = true;
	fd = nonblock_reopen(STDOUT_FILENO, O_WRONLY);
	set_target(fd, fd >= 0);
}

int log_open(const char *path, struct err *e)
{
	int fd = open(path,
		      O_RDWR | MUT_NONBLOCK(O_NONBLOCK) | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
		      0644);

	if (fd < 0)
		return err_sys(e, -errno, "log file %.200s", path);
	tzset();
	target.contract = true;
	set_target(fd, true);
	return 0;
}

void log_reset(void)
{
	static const struct log_config start = { "anonymous-instance", LOG_LEVEL_INFO, false, false,
						 NULL };

	log_configure(&start, NULL);
	target.contract = false;
	set_target(STDERR_FILENO, false);
}

int log_level_parse(const char *text, enum log_level *level)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{ "Off", LOG_LEVEL_OFF },	  { "Error", LOG_LEVEL_ERROR },
		{ "Warning", LOG_LEVEL_WARNING }, { "Warn", LOG_LEVEL_WARNING },
		{ "Info", LOG_LEVEL_INFO },	  { "Debug", LOG_LEVEL_DEBUG },
		{ "Trace", LOG_LEVEL_TRACE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(text, names[i].name) == 0) {
			*level = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

void log_name_thread(const char *name)
{
	snprintf(thread_name, sizeof(thread_name), "%s", name);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* True when `file` begins with `module`, where "::" stands for "/". */
static bool in_module(const char *file, const char *module)
{
	while (*module) {
		bool colons = module[0] == ':' && module[1] == ':';

		if (*file++ != (colons ? '/' : *module))
			return false;
		module += colons ? 2 : 1;
	}
	return true;
}

static void PRINTF(2, 3) append(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, PREFIX_NO, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += min_u64((uint64_t)n, PREFIX_NO - 1);
}

static void contract_prefix(struct line *l, enum log_level level, const char *file, int line)
{
	static const char *const names[] = { "OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	append(l, "%04d-%02d-%02dT%02d:%02d:%02d.%09ld [%s:%s", tm.tm_year + 1900, tm.tm_mon + 1,
	       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec, target.id, thread_name);
	if (target.show_level)
		append(l, ":%s", names[level]);
	if (target.show_origin)
		append(l, ":%s:%d", file, line);
	append(l, "] ");
}

/* Bytes that `c` takes when it is written. */
static size_t shown_len(unsigned char c)
{
	if (c == '\n' || c == '\r' || c == '\t')
		return 2;
	return c < ' ' || c == 0x7f ? 4 : 1;
}

static void show(char *to, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = shown_len(c);

	to[0] = '\\';
	if (len == 1)
		to[0] = (char)c;
	else if (len == 2)
		to[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
	else
		memcpy(to + 1, (char[]){ 'x', digits[c >> 4], digits[c & 15] }, 3);
}

/* Messages repeat what strangers sent: a '?' stands for each byte that is no UTF-8. */
static void scrub(char *msg, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_char(msg + i, len - i);

		if (n == 0)
			msg[i] = '?';
		i += n ? n : 1;
	}
}

/*
 * Escapes the `len` bytes of the message at l->len in place, from the end to the start as it grows,
 * and cuts what then exceeds `room`. `cut`: something is missing already.
 */
static void finish_message(struct line *l, size_t len, size_t room, bool cut)
{
	char *msg = l->text + l->len;
	size_t kept = 0;
	size_t grown = 0;
	size_t mark = strlen(CUT);

	while (kept < len && grown + shown_len((unsigned char)msg[kept]) <= room)
		grown += shown_len((unsigned char)msg[kept++]);
	if (cut || kept < len) {
		while (kept > 0 && grown > room - mark)
			grown -= shown_len((unsigned char)msg[--kept]);
		for (int i = 0; i < 3 && kept > 0 && (msg[kept] & 0xc0) == 0x80; i++) {
			kept--; /* not in the middle of a character */
			grown--;
		}
		cut = true;
	}
	scrub(msg, kept);
	l->len += grown;
	for (char *to = msg + grown; kept > 0; show(to, (unsigned char)msg[kept])) {
		kept--;
		to -= shown_len((unsigned char)msg[kept]);
	}
	if (cut) {
		memcpy(l->text + l->len, CUT, mark);
		l->len += mark;
	}
}

static void send_line(struct line *l)
{
	bool behind_torn = torn;
	const char *from = l->text + (behind_torn ? 0 : 1);
	size_t len = l->len - (behind_torn ? 0 : 1);
	ssize_t n;

	do {
		n = write(target.fd, from, len);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len) {
		torn = false;
		return;
	}
	if (MUT_TORN(n > 0))
		torn = true;
	metric_add(&metrics.logger.missed_log_count, 1);
}

static void PRINTF(5, 0) emit(enum log_level level, const char *origin, int nr, const char *kind,
			      const char *fmt, va_list ap)
{
	struct line l = { .len = 1 };
	int saved = errno;
	size_t room;
	int n;

	if (!in_module(origin, target.module))
		return;
	l.text[0] = '\n';
	if (target.contract)
		contract_prefix(&l, level, origin, nr);
	else
		append(&l, "mote: %s",
		       *kind == '\0' && level == LOG_LEVEL_WARNING ? "warning: " : "");
	append(&l, "%s", kind);
	room = LOG_LINE_MAX - l.len; /* without the newline */
	errno = saved;		     /* for %m */
	n = vsnprintf(l.text + l.len, room, fmt, ap);
	if (n >= 0)
		finish_message(&l, min_u64((uint64_t)n, room - 1), room, (size_t)n >= room);
	l.text[l.len++] = '\n';
	send_line(&l);
	errno = saved;
}

void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(level, file, line, "", fmt, ap);
	va_end(ap);
}

/* ---- what the guest has us say --------------------------------------------------------------- */

bool log_site_admits(struct log_site *s, int64_t now_ms, uint32_t *missed)
{
	int64_t since = s->since;

	/* Of threads that see the period end, one begins the next. */
	if ((since == 0 || now_ms - since >= LOG_SITE_PERIOD_MS) &&
	    atomic_compare_exchange_strong(&s->since, &since, now_ms))
		s->said = 0;
	if (MUT_SPEAKS_ON(atomic_fetch_add(&s->said, 1) >= LOG_SITE_BURST)) {
		atomic_fetch_add(&s->left_out, 1);
		metric_add(&metrics.logger.rate_limited_log_count, 1);
		return false;
	}
	*missed = atomic_exchange(&s->left_out, 0);
	return true;
}

void log_write_guest(struct log_site *s, const char *file, int line, const char *fmt, ...)
{
	struct timespec now;
	uint32_t missed;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!log_site_admits(s, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1, &missed))
		return;
	if (missed > 0)
		log_write(LOG_LEVEL_WARNING, file, line, "guest: %u messages left out", missed);
	va_start(ap, fmt);
	emit(LOG_LEVEL_WARNING, file, line, "guest: ", fmt, ap);
	va_end(ap);
}
