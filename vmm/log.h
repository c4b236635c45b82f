/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people, on standard error. One line, one write, no buffer; errno is left alone. Any
 * thread.
 */
#ifndef MOTE_VMM_LOG_H
#define MOTE_VMM_LOG_H

#include "vmm/compiler.h"

/* "mote: <message>\n". Control characters in the message become '?'. */
void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);

/*
 * A message that the guest can cause: at most ten in five seconds for the whole process, and a
 * count of those left out with the next one that is let through.
 */
void log_guest(const char *fmt, ...) PRINTF(1, 2);

#endif
