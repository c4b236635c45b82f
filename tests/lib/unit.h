/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, with the headers that it wants included before it, and in the order that it wants. */
#ifndef MOTE_TESTS_LIB_UNIT_H
#define MOTE_TESTS_LIB_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
