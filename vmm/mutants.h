/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted bugs. In every real build these macros are the identity; `make mutants` builds tests once
 * for each line of tests/mutants/list, with -DMUT=n, and expects them to fail: so tests can.
 */
#ifndef MOTE_VMM_MUTANTS_H
#define MOTE_VMM_MUTANTS_H

#ifndef MUT
#define MUT 0
#endif

#define MUT_INDEX_BAD(x)    (MUT != 1 && (x))	       /* 1: heads and links are not bounded */
#define MUT_IOV_ROOM(x)	    (MUT == 2 ? 1 << 20 : (x)) /* 2: no cap on segments */
#define MUT_WALK_ON(x)	    (MUT == 3 || (x))	       /* 3: loops are followed for ever */
#define MUT_AVAIL_BAD(x)    (MUT != 4 && (x))	       /* 4: avail.idx is believed */
#define MUT_IN_FLIGHT(x)    (MUT != 5 && (x))	       /* 5: a head may be in flight twice */
#define MUT_QUEUE_FROZEN(x) (MUT != 6 && (x))  /* 6: rings may move under a running device */
#define MUT_SECTOR_BAD(x)   (MUT != 7 && (x))  /* 7: requests past the end of the disk */
#define MUT_NOT_OFFERED(x)  (MUT != 9 && (x))  /* 9: features that were not offered are accepted */
#define MUT_LOCK_FREE(x)    (MUT == 10 || (x)) /* 10: registers are read without the lock */
#define MUT_NO_ENTRY(x)	    (MUT != 11 && (x)) /* 11: a kernel may start outside itself */
#define MUT_NO_ROOM(x)	    (MUT != 12 && (x)) /* 12: a buffer's end is not seen */
#define MUT_STALE(x)	    (MUT != 13 && (x)) /* 13: events come to sources that are gone */
#define MUT_EVENT_DUE(x, y) (MUT == 14 ? (y) : (x)) /* 14: indices are taken not to wrap */

#define MUT_FRACTION(x)	    (MUT == 120 ? 0 : (x)) /* 120: fractions of a token are lost */
#define MUT_DEBT(x)	    (MUT == 121 && (x) < 0 ? 0 : (x)) /* 121: debts are forgiven */
#define MUT_FITS(x)	    (MUT == 122 || (x)) /* 122: a frame that was cut off is handed over */
#define MUT_BUFFERS(x)	    (MUT == 123 ? 1 : (x)) /* 123: all frames claim to be in one buffer */
#define MUT_HELD(x)	    (MUT != 124 && (x)) /* 124: a frame that the tap has no room for is lost */
#define MUT_QUEUE_RUNS(x)   (MUT == 125 || (x)) /* 125: buffers of a stopped queue are written */

/* 8: a descriptor is looked at in guest memory, where it can change between two looks */
#if MUT == 8
#define MUT_DESC(copy, ram) ((const struct vring_desc *)(ram))
#else
#define MUT_DESC(copy, ram) (copy)
#endif

#endif
