/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTBED_L1_FAIL_H
#define TESTBED_L1_FAIL_H

/**
 * l1_fail() - report why L1 cannot go on, and stop the machine
 * @fmt: printf format of one line, without a newline
 *
 * The line goes to the control port when it is open (l1_fail_to()), else to the console, where
 * tests/testbed/run finds it when QEMU has ended. For process 1 only; does not return.
 */
void l1_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/** l1_fail_to() - send later l1_fail() lines to the open control port @fd. */
void l1_fail_to(int fd);

#endif
