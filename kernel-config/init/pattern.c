// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/pattern.h"

/* The 64-bit finalizer of SplitMix: each input bit changes half of the output bits. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	x ^= x >> 31;
	return x;
}

void pattern_fill(uint64_t seed, uint64_t off, uint8_t *buf, size_t len)
{
	/* Mixed first, so that neighbouring seeds are not the same sequence shifted by a word. */
	uint64_t base = mix(seed + 0x9e3779b97f4a7c15);
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++, off++) {
		if (i == 0 || (off & 7) == 0)
			word = mix(base + (off >> 3) * 0x9e3779b97f4a7c15);
		buf[i] = (uint8_t)(word >> (8 * (off & 7)));
	}
}
