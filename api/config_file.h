/* SPDX-License-Identifier: Apache-2.0 */
/* Machines from a file, instead of from requests. */
#ifndef MOTE_API_CONFIG_FILE_H
#define MOTE_API_CONFIG_FILE_H

#include "api/api.h"

/*
 * Does what the configuration file `path` says, and starts the machine. *started tells the two
 * kinds of error apart: false, the file or what it names is at fault; true, the start failed. Loop
 * thread.
 */
int api_apply_config_file(struct api *api, const char *path, bool *started, struct err *e)
	MUST_CHECK;

#endif
