// SPDX-License-Identifier: Apache-2.0
#include "vmm/metrics.h"

#include "api/json.h"
#include "api/metrics_out.h"
#include "tests/lib/scratch.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *folder;
static struct metrics_settings settings;

static int setup(void **state)
{
	scratch_setup(state);
	memset(&settings, 0, sizeof(settings));
	snprintf(settings.metrics_path, sizeof(settings.metrics_path), "%s", scratch_path);
	return 0;
}

static int teardown(void **state)
{
	metrics_out_close();
	return scratch_teardown(state);
}

static void open_out(void)
{
	assert_int_equal(metrics_out_open(&settings, "vm-\"7\"", NULL), 0);
}

static const cJSON *parse(const char *line)
{
	struct err e = { .msg = "" };
	const cJSON *o = json_parse(line, strlen(line), &e);

	assert_string_equal(e.msg, "");
	assert_non_null(o);
	return o;
}

/* Writes a line, which is the only one, and returns its object. */
static const cJSON *flushed(void)
{
	size_t len;

	assert_int_equal(truncate(scratch_path, 0), 0);
	assert_int_equal(metrics_out_flush(), 0);
	scratch_read();
	len = strlen(scratch_text);
	assert_true(len > 0 && strchr(scratch_text, '\n') == scratch_text + len - 1);
	return parse(scratch_text);
}

static uint64_t number(const cJSON *o, const char *group, const char *part, const char *name)
{
	const cJSON *in = cJSON_GetObjectItemCaseSensitive(o, group);

	if (part)
		in = cJSON_GetObjectItemCaseSensitive(in, part);
	in = cJSON_GetObjectItemCaseSensitive(in, name);
	if (!cJSON_IsNumber(in))
		fail_msg("no number %s.%s", group, name);
	return (uint64_t)in->valuedouble;
}

static unsigned int members(const cJSON *o)
{
	unsigned int nr = 0;

	for (const cJSON *c = o->child; c; c = c->next)
		nr++;
	return nr;
}

static void every_field_is_written(void **state)
{
	const cJSON *o;
	struct timespec now;

	(void)state;
	open_out();
	o = flushed();
	assert_string_equal(o->child->string, "utc_timestamp_ms");
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true((double)now.tv_sec * 1000 - o->child->valuedouble < 2000);
	assert_true(o->child->valuedouble < (double)(now.tv_sec + 1) * 1000);
	assert_int_equal(members(o), METRICS_NR_GROUPS); /* and no `virtio` */
	for (unsigned int i = 0; i < METRICS_NR_GROUPS; i++) {
		const struct metrics_group *g = &metrics_groups[i];

		for (unsigned int f = 0; i != METRICS_ID_virtio && f < g->nr_fields; f++)
			number(o, g->name, g->fields[f].part, g->fields[f].name);
	}
}

/* The names that clients look for, from the contract and not from our list. */
static void groups_are_the_contracts(void **state)
{
	static const char *const names[] = {
		"api_server",
		"balloon",
		"block",
		"deprecated_api",
		"get_api_requests",
		"i8042",
		"logger",
		"mmds",
		"latencies_us",
		"put_api_requests",
		"seccomp",
		"vcpu",
		"net",
		"patch_api_requests",
		"vmm",
		"uart",
		"signals",
		"vsock",
		"entropy",
		"interrupts",
		"pmem",
		"memory_hotplug",
	};
	const cJSON *o;

	(void)state;
	open_out();
	o = flushed();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(o, names[i])));
	assert_int_equal(sizeof(names) / sizeof(names[0]), METRICS_NR_GROUPS - 1);
	number(o, "block", "read_agg", "sum_us");
	assert_null(cJSON_GetObjectItemCaseSensitive(o, "virtio"));
	number(o, "vcpu", "exit_mmio_write_agg", "min_us");
	number(o, "logger", NULL, "rate_limited_log_count");
}

static void counters_are_deltas_and_values_are_not(void **state)
{
	const cJSON *o;

	(void)state;
	open_out();
	metric_add(&metrics.get_api_requests.mmds_count, 3);
	metric_set(&metrics.latencies_us.pause_vm, 1234);
	o = flushed();
	assert_int_equal(number(o, "get_api_requests", NULL, "mmds_count"), 3);
	assert_int_equal(number(o, "latencies_us", NULL, "pause_vm"), 1234);
	metric_add(&metrics.get_api_requests.mmds_count, 2);
	assert_true(metrics_out_current(scratch_text, sizeof(scratch_text)) > 0);
	o = parse(scratch_text);
	assert_int_equal(number(o, "get_api_requests", NULL, "mmds_count"), 5);
	number(o, "virtio", NULL, "queue0_interrupts");
	o = flushed();
	assert_int_equal(number(o, "get_api_requests", NULL, "mmds_count"), 2);
	assert_int_equal(number(o, "latencies_us", NULL, "pause_vm"), 1234);
	assert_int_equal(number(flushed(), "get_api_requests", NULL, "mmds_count"), 0);
}

/* A reader that is blocked: lines are lost, what they told of is not. */
static void lost_lines_lose_no_counts(void **state)
{
	unsigned int lost = 0;
	char *last;
	uint64_t sum = 0;
	const cJSON *o;

	(void)state;
	assert_int_equal(mkfifo(scratch_path, 0600), 0);
	open_out();
	assert_int_equal(metrics_out_flush(), 0);
	scratch_read();
	errno = ENOTDIR;
	for (unsigned int i = 0; i < 50; i++) {
		metric_add(&metrics.get_api_requests.mmds_count, 1);
		lost += metrics_out_flush() < 0;
	}
	assert_int_equal(errno, ENOTDIR);
	assert_true(lost > 20 && lost < 50);
	scratch_read();
	/* All whole lines; one that was torn is no document. */
	for (char *line = strtok_r(scratch_text, "\n", &last); line;
	     line = strtok_r(NULL, "\n", &last)) {
		if (line[strlen(line) - 1] == '}' && line[strlen(line) - 2] == '}')
			sum += number(parse(line), "get_api_requests", NULL, "mmds_count");
	}
	assert_int_equal(sum, 50 - lost);
	assert_int_equal(metrics_out_flush(), 0);
	scratch_read();
	if (scratch_text[0] == '\n') /* behind the torn one */
		memmove(scratch_text, scratch_text + 1, strlen(scratch_text));
	o = parse(scratch_text);
	assert_int_equal(number(o, "get_api_requests", NULL, "mmds_count"), lost);
	assert_int_equal(number(o, "logger", NULL, "missed_metrics_count"), lost);
}

static void instances_are_summed(void **state)
{
	static struct metrics_block a, b;
	static struct metrics_vcpu v[2];
	const cJSON *o;

	(void)state;
	open_out();
	flushed();
	assert_int_equal(metrics_attach(METRICS_ID_block, "a", (metric *)&a), 0);
	assert_int_equal(metrics_attach(METRICS_ID_block, "b", (metric *)&b), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(metrics_attach(METRICS_ID_vcpu, NULL, (metric *)&v[i]), 0);
	metric_own(&a.read_bytes, 512);
	metric_own(&b.read_bytes, 1024);
	metric_duration(&a.read_agg, 7);
	metric_duration(&b.read_agg, 9);
	metric_duration(&v[0].exit_io_in_agg, 5);
	metric_duration(&v[1].exit_io_in_agg, 3);
	metric_duration(&v[1].exit_io_in_agg, 8);
	o = flushed();
	assert_int_equal(members(o), 1 + METRICS_NR_GROUPS - 1 + 2);
	assert_int_equal(number(o, "block_a", NULL, "read_bytes"), 512);
	assert_int_equal(number(o, "block_b", NULL, "read_bytes"), 1024);
	assert_int_equal(number(o, "block", NULL, "read_bytes"), 1536);
	assert_int_equal(number(o, "block_b", "read_agg", "min_us"), 9);
	assert_int_equal(number(o, "block", "read_agg", "min_us"), 0); /* as the contract's */
	assert_int_equal(number(o, "block", "read_agg", "sum_us"), 16);
	assert_int_equal(number(o, "vcpu", "exit_io_in_agg", "min_us"), 3);
	assert_int_equal(number(o, "vcpu", "exit_io_in_agg", "max_us"), 8);
	assert_int_equal(number(o, "vcpu", "exit_io_in_agg", "sum_us"), 16);
	/* What counted before it left is still told of. */
	metric_own(&a.read_bytes, 1);
	metrics_detach((metric *)&a);
	metrics_detach((metric *)&v[0]);
	o = flushed();
	assert_null(cJSON_GetObjectItemCaseSensitive(o, "block_a"));
	assert_int_equal(number(o, "block", NULL, "read_bytes"), 1);
	assert_int_equal(number(o, "block_b", NULL, "read_bytes"), 0);
	assert_int_equal(number(o, "vcpu", "exit_io_in_agg", "max_us"), 8);
	metrics_detach((metric *)&b);
	metrics_detach((metric *)&v[1]);
	assert_int_equal(number(flushed(), "block", NULL, "read_bytes"), 0);
}

static void too_many_instances_are_refused(void **state)
{
	static struct metrics_pmem p[METRICS_MAX_INSTANCES + 1];

	(void)state;
	for (unsigned int i = 0; i < METRICS_MAX_INSTANCES; i++)
		assert_int_equal(metrics_attach(METRICS_ID_pmem, NULL, (metric *)&p[i]), 0);
	assert_int_equal(metrics_attach(METRICS_ID_pmem, NULL, (metric *)&p[METRICS_MAX_INSTANCES]),
			 -ENOSPC);
	for (unsigned int i = 0; i < METRICS_MAX_INSTANCES; i++)
		metrics_detach((metric *)&p[i]);
}

static void gather_now(void *ctx)
{
	metric_set(&metrics.interrupts.triggers, *(uint64_t *)ctx);
}

static void gathered_before_each_look(void **state)
{
	uint64_t elsewhere = 11;

	(void)state;
	open_out();
	metrics_set_gather(gather_now, &elsewhere);
	assert_int_equal(number(flushed(), "interrupts", NULL, "triggers"), 11);
	elsewhere = 15;
	assert_int_equal(number(flushed(), "interrupts", NULL, "triggers"), 4);
	metrics_set_gather(NULL, NULL);
}

static void id_and_properties_are_escaped(void **state)
{
	const cJSON *o;
	const cJSON *p;

	(void)state;
	settings.emit_id = true;
	settings.nr_properties = 2;
	snprintf(settings.properties[0].name, SETTINGS_WORD_MAX, "%s", "na\"me");
	snprintf(settings.properties[0].value, SETTINGS_WORD_MAX, "%s", "a\nb\\");
	snprintf(settings.properties[1].name, SETTINGS_WORD_MAX, "%s", "zone");
	snprintf(settings.properties[1].value, SETTINGS_WORD_MAX, "%s", "\xff");
	open_out();
	o = flushed();
	assert_string_equal(o->child->string, "utc_timestamp_ms");
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(o, "id")->valuestring, "vm-\"7\"");
	p = cJSON_GetObjectItemCaseSensitive(o, "properties");
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(p, "na\"me")->valuestring, "a\nb\\");
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(p, "zone")->valuestring,
			    "\xef\xbf\xbd");
}

static void opened_once(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(metrics_out_flush(), 0); /* nothing is open: nothing to lose */
	open_out();
	assert_int_equal(metrics_out_open(&settings, "x", &e), -EEXIST);
	assert_non_null(strstr(e.msg, "Reinitialization of metrics not allowed."));
	metrics_out_flush_fatal();
	parse(scratch_read());
	assert_int_equal(metrics_out_current(scratch_text, 100), -ENOSPC);
}

static void errors_name_the_path(void **state)
{
	struct metrics_settings s = { .metrics_path = "/tmp/no/such/file" };
	struct err e;

	(void)state;
	assert_int_equal(metrics_out_open(&s, "x", &e), -ENOENT);
	assert_string_equal(e.msg, "metrics file /tmp/no/such/file: No such file or directory");
	snprintf(s.metrics_path, sizeof(s.metrics_path), "%s", folder);
	assert_int_equal(metrics_out_open(&s, "x", &e), -EISDIR);
	open_out(); /* a failure was no initialization */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_field_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_are_the_contracts, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_are_deltas_and_values_are_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lost_lines_lose_no_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(instances_are_summed, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_instances_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(gathered_before_each_look, setup, teardown),
		cmocka_unit_test_setup_teardown(id_and_properties_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(opened_once, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_name_the_path, setup, teardown),
	};
	int r;

	folder = scratch_begin();
	if (!folder || json_init(METRICS_OUT_MAX, NULL) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	scratch_end();
	return r;
}
