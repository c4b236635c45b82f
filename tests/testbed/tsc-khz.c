// SPDX-License-Identifier: Apache-2.0
/*
 * tsc-khz: prints the rate of this machine's time stamp counter, kHz. QEMU passes the counter on to
 * the emulated machine, whose kernel would find out its rate by timers that QEMU serves late when
 * this machine is busy: a clock that is five times too fast was seen.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define TRIES	  64
#define PERIOD_NS 50000000

struct reading {
	uint64_t tsc;
	uint64_t ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Both at once: of several tries the one that nothing came between. */
static struct reading read_both(void)
{
	struct reading best = { 0, 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = now_ns();
		uint64_t took = __rdtsc() - before;

		if (took < least) {
			least = took;
			best = (struct reading){ before + took / 2, ns };
		}
	}
	return best;
}

int main(void)
{
	const struct timespec period = { .tv_nsec = PERIOD_NS };
	struct reading a = read_both(), b;

	nanosleep(&period, NULL);
	b = read_both();
	printf("%.0f\n", (double)(b.tsc - a.tsc) / (double)(b.ns - a.ns) * 1e6);
	return 0;
}
