/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of strings in one word of the kernel command line. Pure; any thread. */
#ifndef MOTE_INIT_ARGS_H
#define MOTE_INIT_ARGS_H

#include <stdint.h>

/*
 * Decode one string in place: %XX becomes the byte it names. Returns 0, or -EINVAL when a '%' is
 * not followed by two hexadecimal digits or names the byte 0, which no C string can hold; s is then
 * partly decoded.
 */
int args_decode(char *s);

/*
 * Take the list s apart in place: pieces are separated by '+' and decoded each as above; an empty
 * piece is an empty string, an empty s an empty list. Writes pointers into s to argv and a NULL
 * after them. Returns their count, -EINVAL as above, or -E2BIG when there are more than max - 1.
 */
int args_split(char *s, char **argv, int max);

/*
 * Take the line s apart in place at blanks; several count as one. Each word is decoded as above.
 * Returns as args_split does.
 */
int args_words(char *s, char **argv, int max);

/*
 * Read an unsigned decimal number that fills the whole string. Returns 0 and the number in *v, or
 * -EINVAL, and then *v is as it was, when s has no digit, anything else, or more than 64 bits.
 */
int args_number(const char *s, uint64_t *v);

#endif
