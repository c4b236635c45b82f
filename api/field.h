/* SPDX-License-Identifier: Apache-2.0 */
/* How the tables of objects*.c write down fields and objects. */
#ifndef MOTE_API_FIELD_H
#define MOTE_API_FIELD_H

#include <stddef.h>

#include "api/schema.h"
#include "vmm/util.h"

#define MEMBER_SIZE(s, m) sizeof(((struct s *)0)->m)

/* Where member `m` of struct `s` is, and of lists, whose number is in member nr_m. */
#define AT(s, m) .offset = offsetof(struct s, m), .size = MEMBER_SIZE(s, m)
#define LIST_AT(s, m)                                                  \
	.offset = offsetof(struct s, m), .size = MEMBER_SIZE(s, m[0]), \
	.count_offset = offsetof(struct s, nr_##m)

#define FIELDS(table) .nr = ARRAY_SIZE(table), .fields = (table)

#endif
