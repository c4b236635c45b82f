// SPDX-License-Identifier: Apache-2.0
/*
 * Counting: any thread. Instances and snapshots: loop thread, except that the handler of a fatal
 * signal may take a snapshot wherever it finds the process.
 */
#include "vmm/metrics.h"

#include <errno.h>

#include "vmm/util.h"

struct metrics metrics;

#define FIELD_INC(field)   { NULL, #field, METRIC_INC },
#define FIELD_STORE(field) { NULL, #field, METRIC_STORE },
#define FIELD_DURATION(field)                                                   \
	{ #field, "min_us", METRIC_STORE }, { #field, "max_us", METRIC_STORE }, \
		{ #field, "sum_us", METRIC_INC },
#define FIELDS(group, list)                                                                 \
	static const struct metrics_field fields_##group[] = { list(FIELD_INC, FIELD_STORE, \
								    FIELD_DURATION) };
METRICS_GROUPS(FIELDS)

#define GROUP(group, list)                                    \
	{ #group, fields_##group, ARRAY_SIZE(fields_##group), \
	  offsetof(struct metrics, group) / sizeof(metric) },
const struct metrics_group metrics_groups[METRICS_NR_GROUPS] = { METRICS_GROUPS(GROUP) };

/* The table and the structure are the same list. */
#define SAME_SIZE(group, list)                                              \
	_Static_assert(sizeof(struct metrics_##group) ==                    \
			       ARRAY_SIZE(fields_##group) * sizeof(metric), \
		       "fields_" #group " does not describe its structure");
METRICS_GROUPS(SAME_SIZE)

static struct {
	enum metrics_id group;
	const char *id;
	metric *_Atomic metrics; /* NULL: free */
	uint64_t written[METRICS_MAX_FIELDS];
} instances[METRICS_MAX_INSTANCES];

static uint64_t written[METRICS_NR]; /* what lines told of so far, by METRIC_INC */
static void (*gather_fn)(void *ctx);
static void *gather_ctx;

void metric_duration(struct metric_durations *d, uint64_t us)
{
	uint64_t min = metric_get(&d->min_us);

	metric_own(&d->sum_us, us);
	if (min == 0 || us < min)
		metric_set(&d->min_us, us);
	if (us > metric_get(&d->max_us))
		metric_set(&d->max_us, us);
}

/* The metrics of the whole for group `g`. */
static metric *own_metrics(const struct metrics_group *g)
{
	return (metric *)&metrics + g->first;
}

int metrics_attach(enum metrics_id group, const char *id, metric *group_struct)
{
	if (metrics_groups[group].nr_fields > METRICS_MAX_FIELDS)
		return -ENOSPC;
	for (unsigned int i = 0; i < METRICS_MAX_INSTANCES; i++) {
		if (instances[i].metrics)
			continue;
		instances[i].group = group;
		instances[i].id = id;
		for (unsigned int f = 0; f < METRICS_MAX_FIELDS; f++)
			instances[i].written[f] = 0;
		instances[i].metrics = group_struct;
		return 0;
	}
	return -ENOSPC;
}

/*
 * What `value` of one instance makes of the group's `sum`. Extremes of devices are written with
 * the device only, as in the contract.
 */
static uint64_t combine(const struct metrics_field *f, const char *id, uint64_t sum, uint64_t value)
{
	if (f->kind == METRIC_INC)
		return sum + value;
	if (id || value == 0)
		return sum;
	if (f->part && f->name[1] == 'i') /* min_us */
		return sum == 0 ? value : min_u64(sum, value);
	return max_u64(sum, value);
}

void metrics_detach(const metric *group_struct)
{
	for (unsigned int i = 0; i < METRICS_MAX_INSTANCES; i++) {
		const struct metrics_group *g = &metrics_groups[instances[i].group];
		metric *own = own_metrics(g);

		if (instances[i].metrics != group_struct)
			continue;
		instances[i].metrics = NULL;
		for (unsigned int f = 0; f < g->nr_fields; f++) {
			uint64_t value = metric_get(&group_struct[f]);

			if (g->fields[f].kind == METRIC_INC)
				metric_add(&own[f], value);
			else
				metric_set(&own[f], combine(&g->fields[f], instances[i].id,
							    metric_get(&own[f]), value));
		}
	}
}

void metrics_set_gather(void (*gather)(void *ctx), void *ctx)
{
	gather_fn = NULL; /* never the new function with the old context */
	gather_ctx = ctx;
	gather_fn = gather;
}

/* Absolute values: the groups' own, then those of all that is attached. */
static void read_all(struct metrics_snapshot *s)
{
	for (size_t i = 0; i < METRICS_NR; i++)
		s->value[i] = metric_get((metric *)&metrics + i);
	s->nr_instances = 0;
	for (unsigned int i = 0; i < METRICS_MAX_INSTANCES; i++) {
		const metric *m = instances[i].metrics;
		const struct metrics_group *g = &metrics_groups[instances[i].group];
		struct metrics_instance *one = &s->instance[i];

		one->id = NULL;
		if (!m)
			continue;
		s->nr_instances = i + 1;
		one->group = instances[i].group;
		one->id = instances[i].id;
		for (unsigned int f = 0; f < g->nr_fields; f++) {
			uint64_t *sum = &s->value[g->first + f];

			one->value[f] = metric_get(&m[f]);
			*sum = combine(&g->fields[f], one->id, *sum, one->value[f]);
		}
	}
}

/* Calls fn on each METRIC_INC of the snapshot, with what of it was written before. */
static void for_each_inc(struct metrics_snapshot *s, void (*fn)(uint64_t *value, uint64_t *before))
{
	for (unsigned int n = 0; n < METRICS_NR_GROUPS; n++) {
		const struct metrics_group *g = &metrics_groups[n];

		for (unsigned int f = 0; f < g->nr_fields; f++) {
			if (g->fields[f].kind == METRIC_INC)
				fn(&s->value[g->first + f], &written[g->first + f]);
		}
	}
	for (unsigned int i = 0; i < s->nr_instances; i++) {
		const struct metrics_group *g = &metrics_groups[s->instance[i].group];

		for (unsigned int f = 0; s->instance[i].id && f < g->nr_fields; f++) {
			if (g->fields[f].kind == METRIC_INC)
				fn(&s->instance[i].value[f], &instances[i].written[f]);
		}
	}
}

static void subtract(uint64_t *value, uint64_t *before)
{
	*value -= *before;
}

static void advance(uint64_t *value, uint64_t *before)
{
	*before += *value;
}

void metrics_take(struct metrics_snapshot *s, bool absolute)
{
	if (gather_fn)
		gather_fn(gather_ctx);
	read_all(s);
	if (!absolute)
		for_each_inc(s, subtract);
}

void metrics_commit(struct metrics_snapshot *s)
{
	for_each_inc(s, advance);
}
