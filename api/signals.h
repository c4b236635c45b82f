/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the monitor, as the contract has them (api-contract 1.1). */
#ifndef MOTE_API_SIGNALS_H
#define MOTE_API_SIGNALS_H

#include "api/api.h"

/*
 * SIGTERM, SIGINT and SIGQUIT end the process by themselves, but not before counters are written
 * and the terminal is given back: they come to the loop and set api->signal. SIGHUP ends it with
 * its own status. SIGPIPE is counted. Whatever says that the process is broken (SIGBUS, SIGSEGV,
 * SIGILL, SIGSYS, SIGXFSZ, SIGXCPU) is logged and ends it at once, with the counters written.
 * Before other threads are started.
 */
int signals_catch(struct api *api, struct err *e) MUST_CHECK;

/* At the end: dies of api->signal, so that whoever waits sees it; returns when there was none. */
void signals_die(const struct api *api);

#endif
