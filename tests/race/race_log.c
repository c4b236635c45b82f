// SPDX-License-Identifier: Apache-2.0
/*
 * race_log [SECONDS]: threads that log through one FIFO and one limiter while counters are looked
 * at. Lines stay whole, and each one was either written or counted. Built with ThreadSanitizer too.
 */
#include "tests/lib/require.h"
#include "vmm/log.h"
#include "vmm/metrics.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREADS 3u

static atomic_bool over;
static _Atomic uint64_t sent;
static struct metrics_vcpu counts[THREADS];

static void *talk(void *arg)
{
	unsigned int nr = *(unsigned int *)arg;
	char name[16];

	snprintf(name, sizeof(name), "fc_vcpu %u", nr);
	log_name_thread(name);
	for (unsigned int i = 0; !over; i++) {
		log_warn("<%u %u>", nr, nr);
		atomic_fetch_add(&sent, 1);
		metric_own(&counts[nr].exit_io_in, 1);
		if (i % 64 == 0)
			log_guest("<guest>");
	}
	return NULL;
}

/* Reads what there is; returns how many of the threads' own lines there were, all of them whole. */
static uint64_t take_lines(FILE *in)
{
	char line[LOG_LINE_MAX + 1];
	uint64_t nr = 0;

	while (fgets(line, sizeof(line), in)) {
		unsigned int a, b, c;
		char *at = strchr(line, '[');

		REQUIRE(at && strchr(line, '\n'));
		if (sscanf(at, "[vm:fc_vcpu %u] <%u %u>\n", &a, &b, &c) == 3) {
			REQUIRE(a == b && b == c);
			nr++;
		} else {
			REQUIRE(strstr(line, "] guest: "));
		}
	}
	clearerr(in);
	return nr;
}

int main(int argc, char **argv)
{
	static struct metrics_snapshot s;
	const struct log_config config = { .id = "vm", .level = LOG_LEVEL_INFO };
	char path[] = "/tmp/mote-race-XXXXXX";
	time_t end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 10) : 5);
	pthread_t threads[THREADS];
	unsigned int nr[THREADS];
	uint64_t got = 0;
	FILE *in;

	REQUIRE(mkdtemp(path) && rmdir(path) == 0 && mkfifo(path, 0600) == 0);
	REQUIRE(log_open(path, NULL) == 0 && log_configure(&config, NULL) == 0);
	in = fdopen(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), "r");
	REQUIRE(in && unlink(path) == 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		nr[i] = i;
		REQUIRE(metrics_attach(METRICS_ID_vcpu, NULL, (metric *)&counts[i]) == 0);
		REQUIRE(pthread_create(&threads[i], NULL, talk, &nr[i]) == 0);
	}
	while (time(NULL) < end) {
		got += take_lines(in);
		metrics_take(&s, false);
		metrics_commit(&s);
	}
	over = true;
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	got += take_lines(in);
	metrics_take(&s, true);
	/* A lost line of the limiter is counted as well, hence no equality. */
	REQUIRE(got <= sent && got + metric_get(&metrics.logger.missed_log_count) >= sent);
	REQUIRE(s.value[metrics_groups[METRICS_ID_vcpu].first] == sent);
	fclose(in);
	return 0;
}
