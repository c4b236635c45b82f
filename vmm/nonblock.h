/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams that must not make the monitor wait. */
#ifndef MOTE_VMM_NONBLOCK_H
#define MOTE_VMM_NONBLOCK_H

/*
 * A non-blocking descriptor of our own for what `fd` refers to; `flags` is O_RDONLY or O_WRONLY.
 * O_NONBLOCK belongs to the open file, which we may share with a shell: so the file is opened anew.
 * Where that is not possible (sockets, another user's terminal) the flag is set on a duplicate,
 * which does reach the others. -errno when there is no such descriptor. Any thread, at set-up.
 */
int nonblock_reopen(int fd, int flags);

#endif
