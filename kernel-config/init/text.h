/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of text without stdio, which alone would be larger than all of init. One thread: init has
 * no other.
 */
#ifndef MOTE_INIT_TEXT_H
#define MOTE_INIT_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	size_t len;
	char buf[504];
};

/* Append; what does not fit is cut. */
void text_str(struct text *t, const char *s);
void text_dec(struct text *t, uint64_t v);
void text_hex(struct text *t, uint8_t v); /* always two digits */

/* Append a newline, in place of the last byte when full, write the line to fd and empty t. Returns
 * 0 or -errno. */
int text_end(struct text *t, int fd);

/* Write all of it, going on after signals and short writes. Returns 0 or -errno. */
int write_all(int fd, const void *buf, size_t len);

/*
 * One line of strings on standard error (init's is the console), after "init: ". The list ends with
 * NULL, which the macro appends. For errors only: init is silent when nothing is wrong.
 */
void say_list(const char *const *strings);
#define say(...) say_list((const char *const[]){ __VA_ARGS__, NULL })

#endif
