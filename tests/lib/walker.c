// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/walker.h"

#include "tests/lib/unit.h"

#include <errno.h>

void walker_enable(struct walker *w, uint16_t size, uint64_t features)
{
	driver_init(&w->d, &w->g, size, GUEST_LOW);
	assert_int_equal(virtq_enable(&w->q, &w->g.mem, &w->d.regs, features), 0);
}

void walker_breaks(struct walker *w, enum virtq_fault why)
{
	assert_int_equal(virtq_pop(&w->q, &w->c), -EIO);
	assert_string_equal(virtq_fault_name(w->q.fault), virtq_fault_name(why));
	assert_int_equal(virtq_pop(&w->q, &w->c), -EIO);
	assert_int_equal(w->q.fault, why);
}
