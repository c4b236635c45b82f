/* SPDX-License-Identifier: Apache-2.0 */
/* For fuzz and race programs: aborts with place and condition when it does not hold. */
#ifndef MOTE_TESTS_LIB_REQUIRE_H
#define MOTE_TESTS_LIB_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(x)                                                                             \
	do {                                                                                   \
		if (!(x)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                               \
		}                                                                              \
	} while (0)

#endif
