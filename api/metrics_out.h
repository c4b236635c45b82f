/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of vmm/metrics.h as JSON, one object a line: `utc_timestamp_ms`, then `id` and
 * `properties` if wanted, every group whether its device exists or not, and what is attached with
 * an id as <group>_<id>.
 *
 * A line that the file does not take (a FIFO that nobody empties, a full disk) is lost and counted
 * in logger.missed_metrics_count; what it told of comes with the next one. No call waits.
 *
 * Loop thread, except metrics_out_flush_fatal.
 */
#ifndef MOTE_API_METRICS_OUT_H
#define MOTE_API_METRICS_OUT_H

#include <stddef.h>

#include "vmm/err.h"
#include "vmm/settings.h"

/*
 * Lines go to s->metrics_path from now on, which is made when there is none. Once: the second call
 * is refused (-EEXIST). On error nothing is open and e->msg names the path. `id` is the microVM's,
 * for emit_id; it and *s are copied.
 */
int metrics_out_open(const struct metrics_settings *s, const char *id, struct err *e) MUST_CHECK;

/* Writes a line: 0, also when no file was ever opened; -errno when it was lost. errno stays. */
int metrics_out_flush(void);

/*
 * The same from the handler of a fatal signal, on any thread, after which the process exits: it
 * allocates nothing, takes no lock, and has buffers of its own. (json_uint's snprintf of integers
 * does none of that in musl.) Counters that change meanwhile may be told twice.
 */
void metrics_out_flush_fatal(void);

/*
 * The same document with absolute values, without a newline, for GET /metrics; what is flushed does
 * not change. Returns its length without the final NUL, or -ENOSPC when `cap` bytes are too few:
 * METRICS_OUT_MAX is always enough.
 */
int metrics_out_current(char *buf, size_t cap);

#define METRICS_OUT_MAX 131072u

/* For tests: closes the file and forgets it. */
void metrics_out_close(void);

#endif
