/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs on vsock connections; as verbs_file.h says. */
#ifndef MOTE_INIT_VERBS_VSOCK_H
#define MOTE_INIT_VERBS_VSOCK_H

/* PORT COUNT: listen, say so, accept COUNT connections one after the other, and send back what each
 * sends. */
int verb_vsock_echo(char **args);

/* PORT COUNT: the same, but all of them are accepted before the first one's bytes are sent back. */
int verb_vsock_gather(char **args);

/* PORT COUNT: as vsock-echo, but nothing is sent back: it reads to the end and closes. */
int verb_vsock_take(char **args);

/*
 * PORT BYTES SEED: connect to that port of the host, send the pattern of SEED (pattern.h), close
 * that half, and fail unless the same bytes come back, and then the end.
 */
int verb_vsock_call(char **args);

/* PORT BYTES: connect to that port of the host, send zeroes, close that half, wait for the end. */
int verb_vsock_send(char **args);

#endif
