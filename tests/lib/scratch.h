/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what writes to files and FIFOs: a path for each test, in a folder of the program's.
 */
#ifndef MOTE_TESTS_SCRATCH_H
#define MOTE_TESTS_SCRATCH_H

extern char scratch_path[64]; /* of this test; nothing is there at its start */
extern char scratch_text[262144];

/* The folder; NULL when it cannot be made. Once, before the tests; scratch_end removes it. */
const char *scratch_begin(void);
void scratch_end(void);

/* Of cmocka. A test has 10 s: a write that waits ends the program. Teardown removes the file. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Into scratch_text, which it returns: the file's contents; what is in a FIFO is taken out of it.
 */
char *scratch_read(void);

#endif
