/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each row of the routes' table does: typed commands to the machine, and notes of what GET
 * answers. The signature is struct route's `handle`; loop thread.
 */
#ifndef MOTE_API_HANDLERS_H
#define MOTE_API_HANDLERS_H

#include "api/api.h"

#define HANDLER(name) \
	int name(struct api *api, const void *request, const void **answer, struct err *e)

HANDLER(get_instance);
HANDLER(get_version);
HANDLER(get_vm_config);
HANDLER(get_machine_config);
HANDLER(put_action);
HANDLER(put_boot_source);
HANDLER(put_machine_config);
HANDLER(patch_machine_config);
HANDLER(put_drive);
HANDLER(patch_drive);
HANDLER(put_network);
HANDLER(patch_network);
HANDLER(put_vsock);
HANDLER(put_entropy);
HANDLER(put_balloon);
HANDLER(get_balloon);
HANDLER(patch_balloon);
HANDLER(get_balloon_stats);
HANDLER(patch_balloon_stats);
HANDLER(start_hinting);
HANDLER(stop_hinting);
HANDLER(get_hinting_status);
HANDLER(pause_reporting);
HANDLER(resume_reporting);
HANDLER(get_reporting_status);
HANDLER(put_logger);
HANDLER(put_metrics);
HANDLER(put_serial);
HANDLER(patch_vm);

/* What GET /vm/config answers has section `section` from now on. */
void api_note_given(struct api *api, const char *section);

/*
 * The two that the command line uses as well: a log or metrics file that is opened by its options
 * is no different from one that a client asks for.
 */
int api_set_logger(struct api *api, const struct logger_settings *s, struct err *e) MUST_CHECK;
int api_set_metrics(struct api *api, const struct metrics_settings *s, struct err *e) MUST_CHECK;

#endif
