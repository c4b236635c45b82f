// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of the API's objects: what the contract says, in literal documents; then every field
 * of every table at its limits, made from the tables.
 */
#include "api/objects.h"

#include "api/json.h"
#include "vmm/util.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM (1u << 20)

static int set_up(void **state)
{
	(void)state;
	return json_init(ROOM, NULL);
}

static int decode(const struct object *o, const char *text, void *dst, struct err *e)
{
	const cJSON *tree = json_parse(text, strlen(text), e);

	if (!tree)
		fail_msg("%s: %s", text, e->msg);
	*e = (struct err){ 0 };
	return schema_decode(o, tree, dst, NULL, e);
}

static void taken(const struct object *o, const char *text, void *dst)
{
	struct err e;

	if (decode(o, text, dst, &e) < 0)
		fail_msg("%s: %s: %s", o->name, text, e.msg);
}

/* Refused with a message that begins with `message`. */
static void refused(const struct object *o, const char *text, const char *message)
{
	void *dst = malloc(o->size);
	struct err e;

	assert_non_null(dst);
	if (decode(o, text, dst, &e) == 0)
		fail_msg("%s: %s: taken", o->name, text);
	free(dst);
	if (strncmp(e.msg, message, strlen(message)) != 0)
		fail_msg("%s: %s: %s", o->name, text, e.msg);
}

static void answers(const struct object *o, const void *src, const char *text)
{
	struct json_out out;
	char buf[8192];

	json_out_init(&out, buf, sizeof(buf));
	schema_encode(o, NULL, src, &out);
	assert_string_equal(buf, text);
}

/* ---- the contract ---------------------------------------------------------------------------- */

static void machines(void **state)
{
	struct machine_settings m;

	(void)state;
	taken(&object_machine, "{\"vcpu_count\":1,\"mem_size_mib\":128}", &m);
	answers(&object_machine, &m,
		"{\"vcpu_count\":1,\"mem_size_mib\":128,\"smt\":false,\"track_dirty_pages\":false,"
		"\"huge_pages\":\"None\"}");
	taken(&object_machine,
	      "{\"vcpu_count\":32,\"mem_size_mib\":2,\"smt\":true,\"cpu_template\":\"V1N1\","
	      "\"huge_pages\":\"2M\"}",
	      &m);
	assert_int_equal(m.cpu_template, CPU_TEMPLATE_V1N1);
	assert_int_equal(m.huge_pages, HUGE_PAGES_2M);
	taken(&object_machine, "{\"vcpu_count\":1,\"mem_size_mib\":1,\"smt\":true}", &m);
	refused(&object_machine, "{\"vcpu_count\":33,\"mem_size_mib\":1}",
		"vcpu_count: 33, expected an integer from 1 to 32");
	refused(&object_machine, "{\"vcpu_count\":0,\"mem_size_mib\":1}",
		"vcpu_count: 0, expected");
	refused(&object_machine, "{\"vcpu_count\":1,\"mem_size_mib\":0}", "mem_size_mib: 0, ");
	refused(&object_machine, "{\"vcpu_count\":3,\"mem_size_mib\":1,\"smt\":true}",
		"vcpu_count: 3, expected 1 or an even number with smt");
	refused(&object_machine, "{\"vcpu_count\":1,\"mem_size_mib\":3,\"huge_pages\":\"2M\"}",
		"mem_size_mib: 3, expected an even number with huge_pages 2M");
	refused(&object_machine, "{\"vcpu_count\":1}", "mem_size_mib: required, not given");
	refused(&object_machine, "{\"vcpu_count\":1,\"mem_size_mib\":1,\"ht_enabled\":true}",
		"ht_enabled: unknown field");
	refused(&object_machine, "{\"vcpu_count\":1,\"mem_size_mib\":1,\"smt\":null}", "smt: null");
	taken(&object_machine_update, "{\"smt\":true}", &m);
	assert_true(schema_given(&object_machine_update, &m, "smt"));
	assert_false(schema_given(&object_machine_update, &m, "vcpu_count"));
	refused(&object_machine_update, "{}", "MachineUpdate: an empty object");
	refused(&object_machine_update, "{\"vcpu_count\":33}", "vcpu_count: 33");
}

static void drives(void **state)
{
	struct drive_settings d;
	struct drive_update u;

	(void)state;
	taken(&object_drive,
	      "{\"drive_id\":\"rootfs\",\"is_root_device\":false,\"path_on_host\":\"/a\","
	      "\"rate_limiter\":null}",
	      &d);
	answers(&object_drive, &d,
		"{\"drive_id\":\"rootfs\",\"partuuid\":null,\"is_root_device\":false,"
		"\"cache_type\":\"Unsafe\",\"is_read_only\":false,\"path_on_host\":\"/a\","
		"\"rate_limiter\":null,\"io_engine\":\"Sync\",\"socket\":null,\"serial\":null}");
	taken(&object_drive, "{\"drive_id\":\"v\",\"is_root_device\":false,\"socket\":\"/s\"}", &d);
	answers(&object_drive, &d,
		"{\"drive_id\":\"v\",\"partuuid\":null,\"is_root_device\":false,"
		"\"cache_type\":\"Unsafe\",\"is_read_only\":null,\"path_on_host\":null,"
		"\"rate_limiter\":null,\"io_engine\":null,\"socket\":\"/s\",\"serial\":null}");
	refused(&object_drive, "{\"drive_id\":\"v\",\"is_root_device\":false}",
		"path_on_host: required without socket");
	refused(&object_drive,
		"{\"drive_id\":\"v\",\"is_root_device\":false,\"socket\":\"/"
		"s\",\"io_engine\":\"Sync\"}",
		"io_engine: given with socket");
	refused(&object_drive, "{\"drive_id\":\"\",\"is_root_device\":false}", "drive_id: \"\"");
	refused(&object_drive_update, "{\"drive_id\":\"v-1\"}", "drive_id: \"v-1\"");
	refused(&object_drive, "{\"drive_id\":\"v\",\"path_on_host\":\"/a\"}",
		"is_root_device: required");
	refused(&object_drive, "{\"cache_type\":\"writeback\"}",
		"cache_type: \"writeback\", expected one of Unsafe, Writeback");
	taken(&object_drive_update, "{\"drive_id\":\"a\",\"rate_limiter\":null}", &u);
	assert_false(schema_given(&object_drive_update, &u, "rate_limiter"));
	taken(&object_drive_update, "{\"drive_id\":\"a\",\"rate_limiter\":{}}", &u);
	assert_true(schema_given(&object_drive_update, &u, "rate_limiter"));
	refused(&object_drive_update, "{}", "drive_id: required");
	refused(&object_drive_update,
		"{\"drive_id\":\"a\",\"rate_limiter\":{\"ops\":{\"size\":1}}}",
		"rate_limiter.ops.refill_time: required, not given");
}

static void networks(void **state)
{
	struct network_settings n;

	(void)state;
	taken(&object_network,
	      "{\"iface_id\":\"1\",\"host_dev_name\":\"/dev/tap7\",\"guest_mac\":null}", &n);
	assert_false(schema_given(&object_network, &n, "guest_mac"));
	taken(&object_network,
	      "{\"iface_id\":\"1\",\"host_dev_name\":\"t\",\"guest_mac\":\"AA:FC:00:00:00:01\","
	      "\"mtu\":68}",
	      &n);
	answers(&object_network, &n,
		"{\"iface_id\":\"1\",\"host_dev_name\":\"t\",\"guest_mac\":\"aa:fc:00:00:00:01\","
		"\"mtu\":68,\"rx_rate_limiter\":null,\"tx_rate_limiter\":null}");
	refused(&object_network, "{\"mtu\":67}", "mtu: 67, expected an integer from 68 to 65535");
	refused(&object_network, "{\"mtu\":65536}", "mtu: 65536, ");
	refused(&object_network, "{\"guest_mac\":\"\"}", "guest_mac: \"\"");
}

static void other_devices(void **state)
{
	struct vsock_settings v;
	struct balloon_settings b;
	struct hinting_start h;
	struct token_bucket_settings t;
	struct entropy_settings n;

	(void)state;
	taken(&object_vsock, "{\"guest_cid\":0,\"uds_path\":\"v\",\"vsock_id\":\"a b\"}", &v);
	taken(&object_vsock, "{\"guest_cid\":4294967295,\"uds_path\":\"v\"}", &v);
	answers(&object_vsock, &v, "{\"guest_cid\":4294967295,\"uds_path\":\"v\"}");
	refused(&object_vsock, "{\"guest_cid\":4294967296}", "guest_cid: 4294967296");
	taken(&object_balloon, "{\"amount_mib\":0,\"deflate_on_oom\":false}", &b);
	answers(&object_balloon, &b,
		"{\"amount_mib\":0,\"deflate_on_oom\":false,\"stats_polling_interval_s\":0,"
		"\"free_page_hinting\":false,\"free_page_reporting\":false}");
	refused(&object_balloon, "{\"stats_polling_interval_s\":65536}",
		"stats_polling_interval_s: 65");
	taken(&object_hinting_start, "{}", &h);
	assert_true(h.acknowledge_on_stop);
	taken(&object_token_bucket, "{\"size\":0,\"refill_time\":0,\"anything\":1}", &t);
	answers(&object_token_bucket, &t, "{\"size\":0,\"refill_time\":0,\"one_time_burst\":null}");
	refused(&object_token_bucket, "{\"size\":-1}", "size: -1");
	taken(&object_entropy, "{}", &n);
	answers(&object_entropy, &n, "{\"rate_limiter\":null}");
}

static void logs_and_metrics(void **state)
{
	static const char *const levels[] = { "Off", "ERROR", "warning", "info", "Debug", "tRace" };
	struct logger_settings l;
	struct metrics_settings m;
	char text[64];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(levels); i++) {
		snprintf(text, sizeof(text), "{\"level\":\"%s\"}", levels[i]);
		taken(&object_logger, text, &l);
		assert_int_equal(l.level, i);
	}
	taken(&object_logger, "{\"level\":\"warn\"}", &l);
	answers(&object_logger, &l,
		"{\"log_path\":null,\"level\":\"Warning\",\"show_level\":null,"
		"\"show_log_origin\":null,\"module\":null}");
	taken(&object_logger, "{}", &l);
	taken(&object_metrics, "{\"metrics_path\":\"m\",\"properties\":{\"a\":\"b\"},\"zzz\":0}",
	      &m);
	assert_int_equal(m.nr_properties, 1);
	refused(&object_metrics, "{}", "metrics_path: required");
}

static void metadata_service(void **state)
{
	static const char *const good[] = { "169.254.1.0", "169.254.254.255" };
	static const char *const bad[] = { "169.254.0.255", "169.254.255.0", "10.0.0.1", "",
					   "169.254.1",	    "169.254.1.1 " };
	struct mmds_settings m;
	char text[128];

	(void)state;
	taken(&object_mmds, "{\"network_interfaces\":[\"eth0\"]}", &m);
	answers(&object_mmds, &m,
		"{\"network_interfaces\":[\"eth0\"],\"version\":\"V1\","
		"\"ipv4_address\":\"169.254.169.254\",\"imds_compat\":false}");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text),
			 "{\"network_interfaces\":[\"a\"],\"ipv4_address\":\"%s\"}", good[i]);
		taken(&object_mmds, text, &m);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text),
			 "{\"network_interfaces\":[\"a\"],\"ipv4_address\":\"%s\"}", bad[i]);
		refused(&object_mmds, text, "ipv4_address: ");
	}
	refused(&object_mmds, "{\"network_interfaces\":[]}", "network_interfaces: 0 elements");
}

static void actions_and_states(void **state)
{
	struct action_request a;
	struct vm_request v;

	(void)state;
	taken(&object_action, "{\"action_type\":\"SendCtrlAltDel\"}", &a);
	assert_int_equal(a.action_type, ACTION_SEND_CTRL_ALT_DEL);
	refused(&object_action, "{\"action_type\":\"InstanceStart\",\"payload\":\"\"}",
		"payload: unknown field, expected action_type");
	refused(&object_action, "{\"action_type\":\"instancestart\"}", "action_type: \"inst");
	taken(&object_vm, "{\"state\":\"Resumed\"}", &v);
	assert_int_equal(v.state, VM_STATE_RESUMED);
}

/* As Kata and flintlock write them, with what GET /vm/config answers. */
static void configuration_files(void **state)
{
	struct vm_settings *s = malloc(sizeof(*s));

	(void)state;
	assert_non_null(s);
	taken(&object_vm_settings,
	      "{\"boot-source\":{\"kernel_image_path\":\"k\"},\"drives\":[],\"future\":{},"
	      "\"pmem\":[],\"memory-hotplug\":null,\"cpu-config\":null,\"vsock\":{\"guest_cid\":3,"
	      "\"uds_path\":\"u\",\"vsock_id\":\"root\"}}",
	      s);
	answers(&object_vm_settings, s,
		"{\"balloon\":null,\"drives\":[],\"boot-source\":{\"kernel_image_path\":\"k\","
		"\"initrd_path\":null,\"boot_args\":null},\"cpu-config\":null,\"logger\":null,"
		"\"machine-config\":null,\"metrics\":null,\"mmds-config\":null,"
		"\"network-interfaces\":[],\"vsock\":{\"guest_cid\":3,\"uds_path\":\"u\","
		"\"vsock_id\":\"root\"},\"entropy\":null,\"pmem\":[],\"memory-hotplug\":null}");
	refused(&object_vm_settings, "{\"drives\":[]}", "boot-source: required");
	refused(&object_vm_settings, "{\"boot-source\":{\"kernel_image_path\":\"k\"}}",
		"drives: required");
	refused(&object_vm_settings, "{\"pmem\":[{\"id\":\"a\"}]}",
		"pmem: not supported by this version");
	refused(&object_vm_settings, "{\"cpu-config\":{}}",
		"cpu-config: not supported by this version");
	refused(&object_vm_settings, "{\"drives\":[{\"drive_id\":\"a\",\"is_root_device\":true}]}",
		"drives[0]: path_on_host: required without socket");
	refused(&object_vm_settings, "{\"vsock\":{\"guest_cid\":1,\"uds_path\":\"\"}}",
		"vsock.uds_path: \"\", expected at least 1 bytes");
	free(s);
}

/* ---- every field of every table ----------------------------------------------------------------
 */

struct maker {
	const struct field *odd; /* the field that gets `text` instead of something good */
	const char *text;
	bool all; /* optional fields, too */
	char *buf;
	size_t len;
};

static void make(struct maker *m, const struct object *o, bool outer);

static void add(struct maker *m, const char *text)
{
	size_t n = strlen(text);

	assert_true(m->len + n < ROOM);
	memcpy(m->buf + m->len, text, n + 1);
	m->len += n;
}

/* A string of `n` bytes; ids and paths may be of letters. */
static void add_text(struct maker *m, uint64_t n)
{
	add(m, "\"");
	while (n-- > 0)
		add(m, "a");
	add(m, "\"");
}

static void add_number(struct maker *m, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	add(m, text);
}

/* A value at the lower or the upper end of what the field takes, or `over` it. */
static void add_value(struct maker *m, const struct field *f, bool high, uint64_t over)
{
	char word[64];

	switch (f->type) {
	case FIELD_STRING:
		if (strcmp(f->name, "ipv4_address") == 0 && over == 0)
			add(m, "\"169.254.1.1\"");
		else
			add_text(m, over + (high		  ? schema_max(f)
					    : f->flags & FIELD_ID ? 1
								  : f->min));
		break;
	case FIELD_UINT:
		add_number(m, over + (high ? schema_max(f) : f->min));
		break;
	case FIELD_BOOL:
		add(m, "false");
		break;
	case FIELD_ENUM:
		snprintf(word, sizeof(word), "\"%.*s\"", (int)strcspn(f->words[0], "|"),
			 f->words[0]);
		add(m, word);
		break;
	case FIELD_MAC:
		add(m, "\"02:00:00:00:00:01\"");
		break;
	case FIELD_OBJECT:
		make(m, f->object, false);
		break;
	case FIELD_MAP:
		add(m, "{\"a\":\"b\"}");
		break;
	case FIELD_OBJECTS:
	case FIELD_STRINGS:
		add(m, "[");
		for (uint64_t i = 0; i < over + (high ? f->max : f->min); i++) {
			add(m, i ? "," : "");
			if (f->type == FIELD_OBJECTS)
				make(m, f->object, false);
			else
				add_text(m, f->size - 1);
		}
		add(m, "]");
		break;
	case FIELD_ANY:
		add(m, "null");
		break;
	}
}

static bool excluded(const struct object *o, const struct field *f)
{
	return o == &object_drive && strcmp(f->name, "socket") == 0;
}

/* Without which the object's own check fails. */
static bool needed(const struct object *o, const struct field *f)
{
	return f->flags & FIELD_REQUIRED ||
	       (o == &object_drive && strcmp(f->name, "path_on_host") == 0) ||
	       (o == &object_machine_update && f == o->fields);
}

static void make(struct maker *m, const struct object *o, bool outer)
{
	bool comma = false;

	add(m, "{");
	for (unsigned int i = 0; i < o->nr; i++) {
		const struct field *f = &o->fields[i];
		bool odd = outer && f == m->odd;

		if (odd && !m->text)
			continue; /* left out */
		if (!odd && !needed(o, f) && (!m->all || f->flags & FIELD_LATER || excluded(o, f)))
			continue;
		add(m, comma ? ",\"" : "\"");
		add(m, f->name);
		add(m, "\":");
		if (odd)
			add(m, m->text);
		else
			add_value(m, f, m->all, 0);
		comma = true;
	}
	add(m, "}");
}

static char *document(const struct object *o, bool all, const struct field *odd, const char *text)
{
	static char buf[ROOM];
	struct maker m = { .odd = odd, .text = text, .all = all, .buf = buf };

	make(&m, o, true);
	return buf;
}

static void comes_back(const struct object *o, const char *text)
{
	static char buf[ROOM];
	void *first = malloc(o->size), *second = malloc(o->size);
	struct json_out out;

	assert_non_null(first);
	assert_non_null(second);
	taken(o, text, first);
	json_out_init(&out, buf, sizeof(buf));
	schema_encode(o, NULL, first, &out);
	assert_false(out.full);
	taken(o, buf, second);
	assert_memory_equal(first, second, o->size);
	free(first);
	free(second);
}

static void minimal_and_full_documents_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; all_objects[i]; i++) {
		comes_back(all_objects[i], document(all_objects[i], false, NULL, NULL));
		comes_back(all_objects[i], document(all_objects[i], true, NULL, NULL));
	}
}

static void check_limits(const struct object *o, const struct field *f)
{
	static char value[ROOM];
	struct maker m = { .all = true, .buf = value };
	bool text = f->type == FIELD_STRING && strcmp(f->name, "ipv4_address") != 0;
	bool list = f->type == FIELD_OBJECTS || f->type == FIELD_STRINGS;

	if (excluded(o, f) || (!text && !list && f->type != FIELD_UINT))
		return;
	add_value(&m, f, true, 0);
	comes_back(o, document(o, false, f, value));
	m.len = 0;
	add_value(&m, f, true, 1);
	refused(o, document(o, false, f, value), f->name);
	m.len = 0;
	add_value(&m, f, false, 0);
	comes_back(o, document(o, false, f, value));
	if (f->min > 0) {
		m.len = 0;
		add_value(&m, f, false, (uint64_t)-1);
		refused(o, document(o, false, f, value), f->name);
	}
}

static void every_field_has_limits(void **state)
{
	(void)state;
	for (size_t i = 0; all_objects[i]; i++) {
		for (unsigned int k = 0; k < all_objects[i]->nr; k++) {
			if (!(all_objects[i]->fields[k].flags & FIELD_LATER))
				check_limits(all_objects[i], &all_objects[i]->fields[k]);
		}
	}
}

/* Each kind of JSON value for each field; all but one or two are of the wrong type. */
static void every_field_has_a_type(void **state)
{
	static const char *const values[] = { "null",	     "true", "-1",
					      "\"\\u001b\"", "[{}]", "{\"\":0}" };

	(void)state;
	for (size_t i = 0; all_objects[i]; i++) {
		const struct object *o = all_objects[i];

		for (unsigned int k = 0; k < o->nr; k++) {
			const struct field *f = &o->fields[k];
			bool optional = !(f->flags & (FIELD_REQUIRED | FIELD_HAS_DEFAULT));

			if (optional && !needed(o, f))
				comes_back(o, document(o, true, f, "null"));
			for (size_t v = optional; v < ARRAY_SIZE(values); v++) {
				if ((f->type == FIELD_BOOL && v == 1) ||
				    (f->type == FIELD_STRING && v == 3) ||
				    (f->type == FIELD_OBJECT && v == 5 && f->object->open))
					continue;
				refused(o, document(o, true, f, values[v]), f->name);
			}
		}
	}
}

static void required_unknown_and_twice(void **state)
{
	char text[4096], message[128];

	(void)state;
	for (size_t i = 0; all_objects[i]; i++) {
		const struct object *o = all_objects[i];

		for (unsigned int k = 0; k < o->nr; k++) {
			const struct field *f = &o->fields[k];

			snprintf(message, sizeof(message), "%s: required, not given", f->name);
			if (f->flags & FIELD_REQUIRED)
				refused(o, document(o, true, f, NULL), message);
			else if (!needed(o, f))
				comes_back(o, document(o, true, f, NULL));
			if (f->flags & (FIELD_REQUIRED | FIELD_HAS_DEFAULT))
				continue;
			snprintf(text, sizeof(text), "{\"%s\":null,\"%s\":null}", f->name, f->name);
			snprintf(message, sizeof(message), "%s: given twice", f->name);
			refused(o, text, message);
		}
		if (!o->open)
			refused(o, "{\"no such\":null}", "\"no such\": unknown field, expected ");
	}
}

/* What the code takes for granted about tables. */
static void tables_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; all_objects[i]; i++) {
		const struct object *o = all_objects[i];

		assert_true(o->nr <= 32 && o->help && o->name);
		for (unsigned int k = 0; k < o->nr; k++) {
			const struct field *f = &o->fields[k];
			size_t n = f->help ? strlen(f->help) : 0;

			assert_true(n > 1 && f->help[n - 1] == '.');
			assert_true(
				f->type == FIELD_ANY || f->flags & FIELD_LATER ||
				(f->offset >= sizeof(uint32_t) && f->offset + f->size <= o->size));
			assert_true(f->type != FIELD_STRING || schema_max(f) < f->size);
			assert_true(f->type != FIELD_UINT || f->size == 4 || f->size == 8);
			assert_true(f->type != FIELD_ENUM || (f->words && f->size == 4));
			assert_true((f->type != FIELD_OBJECT && f->type != FIELD_OBJECTS) ||
				    f->flags & FIELD_LATER || f->size == f->object->size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines),
		cmocka_unit_test(drives),
		cmocka_unit_test(networks),
		cmocka_unit_test(other_devices),
		cmocka_unit_test(logs_and_metrics),
		cmocka_unit_test(metadata_service),
		cmocka_unit_test(actions_and_states),
		cmocka_unit_test(configuration_files),
		cmocka_unit_test(minimal_and_full_documents_come_back),
		cmocka_unit_test(every_field_has_limits),
		cmocka_unit_test(every_field_has_a_type),
		cmocka_unit_test(required_unknown_and_twice),
		cmocka_unit_test(tables_are_sound),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
