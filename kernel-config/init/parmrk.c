// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/parmrk.h"

#define MARK 0377

size_t parmrk_decode(struct parmrk *p, const uint8_t *src, size_t len, uint8_t *dst, bool *brk)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = src[i];

		switch (p->seen) {
		case 0:
			if (c == MARK)
				p->seen = 1;
			else
				dst[n++] = c;
			break;
		case 1:
			/* 377 377 is one byte; a terminal sends nothing else but a 0 here. */
			p->seen = c == 0 ? 2 : 0;
			if (c)
				dst[n++] = c;
			break;
		default:
			p->seen = 0;
			if (c == 0) {
				*brk = true;
				return n;
			}
			dst[n++] = c;
		}
	}
	return n;
}
