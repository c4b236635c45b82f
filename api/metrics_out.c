// SPDX-License-Identifier: Apache-2.0
/* Loop thread, except metrics_out_flush_fatal. */
#include "api/metrics_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/json_out.h"
#include "vmm/metrics.h"
#include "vmm/mutants.h"

/* The file, and what each line says of the microVM. Written once, before anything can go wrong. */
static struct {
	int fd;
	bool torn; /* the last line was taken in part: the next one begins with a newline */
	char id[SETTINGS_ID_MAX];
	struct metrics_settings settings;
} out = { .fd = -1 };

/* Storage of a flush. A handler that interrupts one must not find it half done. */
struct scratch {
	struct metrics_snapshot snapshot;
	char text[METRICS_OUT_MAX + 2]; /* a newline before it, and one behind */
};

static struct scratch usual, fatal;

static void put_group(struct json_out *o, const char *name, const struct metrics_group *g,
		      const uint64_t *value)
{
	const char *part = NULL;

	json_begin(o, name, '{');
	for (unsigned int i = 0; i < g->nr_fields; i++) {
		const struct metrics_field *f = &g->fields[i];

		if (part && f->part != part)
			json_end(o, '}');
		if (f->part && f->part != part)
			json_begin(o, f->part, '{');
		part = f->part;
		json_uint(o, f->name, value[i]);
	}
	if (part)
		json_end(o, '}');
	json_end(o, '}');
}

static void put_instances(struct json_out *o, const struct metrics_snapshot *s, bool own)
{
	char name[SETTINGS_ID_MAX + 32];

	for (unsigned int i = 0; i < s->nr_instances; i++) {
		const struct metrics_instance *one = &s->instance[i];
		const struct metrics_group *g = &metrics_groups[one->group];
		size_t len = strlen(g->name);

		if (!one->id || (!own && one->group == METRICS_ID_virtio))
			continue;
		memcpy(name, g->name, len);
		name[len++] = '_';
		for (const char *c = one->id; *c && len < sizeof(name) - 1; c++)
			name[len++] = *c;
		name[len] = '\0';
		put_group(o, name, g, one->value);
	}
}

/* With `own`: also groups that the contract's lines do not have. */
static void put_document(struct json_out *o, const struct metrics_snapshot *s, bool own)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_begin(o, NULL, '{');
	json_uint(o, "utc_timestamp_ms",
		  (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	if (out.settings.emit_id)
		json_string(o, "id", out.id);
	if (out.settings.nr_properties > 0) {
		json_begin(o, "properties", '{');
		for (unsigned int i = 0; i < out.settings.nr_properties; i++)
			json_string(o, out.settings.properties[i].name,
				    out.settings.properties[i].value);
		json_end(o, '}');
	}
	for (unsigned int i = 0; i < METRICS_NR_GROUPS; i++) {
		if (own || i != METRICS_ID_virtio)
			put_group(o, metrics_groups[i].name, &metrics_groups[i],
				  &s->value[metrics_groups[i].first]);
	}
	put_instances(o, s, own);
	json_end(o, '}');
}

int metrics_out_open(const struct metrics_settings *s, const char *id, struct err *e)
{
	int fd;

	if (out.fd >= 0)
		return err_set(
			e, -EEXIST,
			"Metrics error: Cannot initialize the metrics system due to bad user "
			"input: Reinitialization of metrics not allowed.");
	fd = open(s->metrics_path,
		  O_RDWR | MUT_NONBLOCK(O_NONBLOCK) | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
		  0644);
	if (fd < 0)
		return err_sys(e, -errno, "metrics file %.200s", s->metrics_path);
	memcpy(&out.settings, s, sizeof(*s));
	for (size_t i = 0; i < sizeof(out.id) - 1 && (i == 0 || out.id[i - 1]); i++)
		out.id[i] = id[i];
	out.fd = fd;
	return 0;
}

/* All of the line, or an error. */
static int write_line(const char *text, size_t len)
{
	size_t skip = out.torn ? 0 : 1;
	ssize_t n;

	do {
		n = write(out.fd, text + skip, len - skip);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)(len - skip)) {
		out.torn = false;
		return 0;
	}
	if (n < 0)
		return -errno;
	if (MUT_TORN(n > 0))
		out.torn = true;
	return -EAGAIN;
}

static int flush(struct scratch *s)
{
	struct json_out o;
	int r;

	if (out.fd < 0)
		return 0;
	metrics_take(&s->snapshot, false);
	s->text[0] = '\n';
	json_out_init(&o, s->text + 1, METRICS_OUT_MAX);
	put_document(&o, &s->snapshot, false);
	if (o.full) {
		metric_add(&metrics.logger.metrics_fails, 1);
		return -ENOSPC;
	}
	s->text[1 + o.len] = '\n';
	r = write_line(s->text, o.len + 2);
	if (r < 0)
		metric_add(&metrics.logger.missed_metrics_count, 1);
	if (MUT_WRITTEN(r == 0))
		metrics_commit(&s->snapshot);
	return r;
}

int metrics_out_flush(void)
{
	int saved = errno;
	int r = flush(&usual);

	errno = saved;
	return r;
}

void metrics_out_flush_fatal(void)
{
	flush(&fatal);
}

int metrics_out_current(char *buf, size_t cap)
{
	struct json_out o;

	if (cap == 0)
		return -ENOSPC;
	metrics_take(&usual.snapshot, true);
	json_out_init(&o, buf, cap);
	put_document(&o, &usual.snapshot, true);
	return o.full ? -ENOSPC : (int)o.len;
}

void metrics_out_close(void)
{
	if (out.fd >= 0)
		close(out.fd);
	memset(&out, 0, sizeof(out));
	out.fd = -1;
}
