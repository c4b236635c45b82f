/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that start.S and the C files share. */
#ifndef MOTE_TESTS_GUEST_LAYOUT_H
#define MOTE_TESTS_GUEST_LAYOUT_H

#define TRAMPOLINE 0x10000 /* a page in low RAM that the monitor leaves alone */
#define STACK_LEN  16384

#endif
