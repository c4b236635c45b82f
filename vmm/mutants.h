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

/* all devices */
#define MUT_LAST(x) (MUT == 270 ? 0 : (x)) /* 270: what a guest sends last is lost */

/* 8: a descriptor is looked at in guest memory, where it can change between two looks */
#if MUT == 8
#define MUT_DESC(copy, ram) ((const struct vring_desc *)(ram))
#else
#define MUT_DESC(copy, ram) (copy)
#endif

/* the walls around the monitor */
#define MUT_FILE_LENGTH(x) (MUT != 140 && (x)) /* 140: a filter file may be cut off */
#define MUT_FILE_SUM(x)	   (MUT != 141 && (x)) /* 141: a filter file may be damaged */
#define MUT_DEADLY(x)	   (MUT == 142 ? SECCOMP_RET_TRAP : (x)) /* 142: --seccomp-kill traps */
#define MUT_LANDLOCK(x)	   (MUT == 143 ? 1 : (x)) /* 143: Landlock refuses to execute, no more */
#define MUT_VCPU_FILTER(x) (MUT == 144 ? SECCOMP_LOOP : (x)) /* 144: the loop's for vCPUs */
#define MUT_DUMPS(x)	   (MUT != 145 && (x))		     /* 145: core dumps are on */

/* vsock */
#define MUT_PACKET_BAD(x) (MUT != 100 && (x))	     /* 100: a packet's length is believed */
#define MUT_NO_CREDIT(x)  (MUT != 101 && (x))	     /* 101: the guest may send without credit */
#define MUT_GUEST_ROOM(x) (MUT == 102 ? 65536 : (x)) /* 102: the guest's credit is ignored */
#define MUT_AFTER_LINE(x) (MUT != 103 && (x))	     /* 103: what follows a line waits for more */
#define MUT_NOT_RESET(x)  (MUT == 104 || (x))	     /* 104: resets are answered by resets */
#define MUT_TELL_TX(x)	  (MUT == 240 ? 0 : (x))     /* 240: the guest hears late of its data */
#define MUT_HEADER(i)	  (MUT == 241 ? 0 : (i))     /* 241: buffers of one read share a header */
#define MUT_NOT_ENDED(x)  (MUT == 105 || (x))	     /* 105: the end may come unseen with data */

/* jailer */
#define MUT_ID_CHAR(c)	 (MUT == 160 && (c) == '.') /* 160: an id may lead elsewhere */
#define MUT_FILE_CHAR(x) (MUT == 161 && (x))	    /* 161: a setting may be for another cgroup */
#define MUT_UPWARDS(x)	 (MUT != 162 && (x))	    /* 162: the parent cgroup may be any */
#define MUT_SMALL(x)	 (MUT != 163 && (x))	    /* 163: a memory limit may kill the monitor */
#define MUT_OURS(x)	 (MUT == 164 || (x))	/* 164: a path may lead through anybody's folders */
#define MUT_RESOLVE(x)	 (MUT == 165 ? 0 : (x)) /* 165: links are followed, also outwards */
#define MUT_TAKE(x)	 (MUT == 166 ? 0 : (x)) /* 166: others may change what is being made */
#define MUT_LINKED(x)	 (MUT != 167 && (x))	/* 167: the executable may have other names */

/* net's backends */
#define MUT_STREAM_LENGTH(x) (MUT != 220 && (x)) /* 220: a frame's length is believed */
#define MUT_STREAM_WHOLE(x)  (MUT == 221 || (x)) /* 221: half a frame is taken for a whole one */
#define MUT_STREAM_REST(x)   (MUT != 222 && (x)) /* 222: what a socket did not take is lost */
#define MUT_OFFERS(x)	     (MUT == 223 || (x)) /* 223: offloads are offered that nobody does */
#define MUT_SETTLED(x)	     (MUT != 224 && (x)) /* 224: kept buffers are forgotten at a pause */

/* balloon, entropy, serial */
#define MUT_NOT_WRITABLE(x) (MUT != 200 && (x)) /* 200: all of the configuration is writable */
#define MUT_ALL_IN(x)	    (MUT == 201 || (x)) /* 201: a large page goes with its first small one */
#define MUT_TURN(x)	    (MUT == 202 ? UINT32_MAX : (x)) /* 202: a chain is done in one turn */
#define MUT_HINT_RUNS(x)    (MUT == 203 || (x)) /* 203: pages are taken that nobody asked for */
#define MUT_HELD_STATS(x)   (MUT == 204 || (x)) /* 204: statistics are returned at once */
#define MUT_ALLOWED(x, y)   (MUT == 205 ? (y) : (x)) /* 205: the console's limit is not kept */
#define MUT_PFN_BAD(x)	    (MUT != 207 && (x))	     /* 207: pages past the end of memory */
#define MUT_INSIDE(x, y)    (MUT == 206 ? (y) : (x)) /* 206: pages are rounded outwards */

#endif
