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
#define MUT_SPEAKS_ON(x)    (MUT != 80 && (x))	    /* 80: a guest's messages are not limited */
#define MUT_TORN(x)	    (MUT != 81 && (x))	    /* 81: a torn line swallows the next one */
#define MUT_WRITTEN(x)	    (MUT == 82 || (x))	    /* 82: deltas that were not written are lost */
#define MUT_NONBLOCK(x)	    (MUT == 83 ? 0 : (x))   /* 83: files are waited for */

#define MUT_NUL_ESCAPE(x)   (MUT != 60 && (x))	  /* 60: a string may hold a NUL */
#define MUT_TOO_LARGE(x)    (MUT != 61 && (x))	  /* 61: numbers have no upper bound */
#define MUT_SEEN(x)	    (MUT == 62 ? 0 : (x)) /* 62: a field may be given twice */
#define MUT_NO_FIT(x)	    (MUT == 63 ? 0 : (x)) /* 63: strings may be longer than their place */
#define MUT_MISSING(x)	    (MUT != 64 && (x))	  /* 64: nothing is required */

#define MUT_LINE_MAX(x)	    (MUT == 40 ? 1 << 20 : (x)) /* 40: lines of any length */
#define MUT_LEFT_OVER(x)    (MUT == 41 ? (x) : 0) /* 41: a request inherits from the one before */
#define MUT_BODY_MAX(x)	    (MUT != 42 && (x))	  /* 42: Content-Length is believed */
#define MUT_BUDGET(x)	    (MUT == 43 ? 1 << 20 : (x)) /* 43: one client keeps the loop */
#define MUT_DEAF(x)	    (MUT == 44 ? 0 : (x))	/* 44: a failing accept is tried for ever */
#define MUT_LINGER(x)	    (MUT != 45 && (x)) /* 45: closed before the client has sent all */

#define MUT_FRACTION(x)	    (MUT == 120 ? 0 : (x)) /* 120: fractions of a token are lost */
#define MUT_DEBT(x)	    (MUT == 121 && (x) < 0 ? 0 : (x)) /* 121: debts are forgiven */
#define MUT_FITS(x)	    (MUT == 122 || (x)) /* 122: a frame that was cut off is handed over */
#define MUT_BUFFERS(x)	    (MUT == 123 ? 1 : (x)) /* 123: all frames claim to be in one buffer */
#define MUT_HELD(x)	    (MUT != 124 && (x)) /* 124: a frame that the tap has no room for is lost */
#define MUT_QUEUE_RUNS(x)   (MUT == 125 || (x)) /* 125: buffers of a stopped queue are written */

/* block, and the registers' page */
#define MUT_RANGE_MAX(x) (MUT != 180 && (x))	  /* 180: a discard may be of any length */
#define MUT_SETTLE(x)	 (MUT != 181 && (x))	  /* 181: a reset does not wait for requests */
#define MUT_PAGE(x, y)	 (MUT == 183 ? (y) : (x)) /* 183: registers are not shown anew */
#define MUT_ENDED(x)	 (MUT == 182 ? 0 : (x))	  /* 182: what the kernel cut short is done */

/* 8: a descriptor is looked at in guest memory, where it can change between two looks */
#if MUT == 8
#define MUT_DESC(copy, ram) ((const struct vring_desc *)(ram))
#else
#define MUT_DESC(copy, ram) (copy)
#endif

/* vsock */
#define MUT_PACKET_BAD(x) (MUT != 100 && (x))	     /* 100: a packet's length is believed */
#define MUT_NO_CREDIT(x)  (MUT != 101 && (x))	     /* 101: the guest may send without credit */
#define MUT_GUEST_ROOM(x) (MUT == 102 ? 65536 : (x)) /* 102: the guest's credit is ignored */
#define MUT_AFTER_LINE(x) (MUT != 103 && (x))	     /* 103: what follows a line waits for more */
#define MUT_NOT_RESET(x)  (MUT == 104 || (x))	     /* 104: resets are answered by resets */
#define MUT_NOT_ENDED(x)  (MUT == 105 || (x))	     /* 105: the end may come unseen with data */

#endif
