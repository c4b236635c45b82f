// SPDX-License-Identifier: Apache-2.0
/* The balloon's rows of the routes' table. Loop thread. */
#include "api/handlers.h"

#include "api/objects.h"
#include "vmm/util.h"

HANDLER(put_balloon)
{
	int r = machine_set_balloon(&api->machine, request, e);

	(void)answer;
	if (r == 0)
		api_note_given(api, "balloon");
	return r;
}

HANDLER(get_balloon)
{
	(void)request;
	*answer = &api->machine.settings.balloon;
	return machine_check_balloon(&api->machine, e);
}

HANDLER(patch_balloon)
{
	(void)answer;
	return machine_update_balloon(&api->machine, request, e);
}

HANDLER(get_balloon_stats)
{
	static struct balloon_statistics a;
	int r = machine_balloon_stats(&api->machine, &a, e);

	(void)request;
	/* A guest may say anything; as a JSON number not everything arrives. */
	for (unsigned int i = 0; r == 0 && i < BALLOON_STATS_MAX; i++)
		a.guest[i] = min_u64(a.guest[i], SCHEMA_UINT_MAX);
	*answer = &a;
	return r;
}

HANDLER(patch_balloon_stats)
{
	(void)answer;
	return machine_update_balloon_stats(&api->machine, request, e);
}

HANDLER(start_hinting)
{
	(void)answer;
	return machine_start_hinting(&api->machine, request, e);
}

HANDLER(stop_hinting)
{
	(void)request;
	(void)answer;
	return machine_stop_hinting(&api->machine, e);
}

HANDLER(get_hinting_status)
{
	static struct hinting_status a;

	(void)request;
	*answer = &a;
	return machine_hinting_status(&api->machine, &a, e);
}

HANDLER(pause_reporting)
{
	(void)request;
	(void)answer;
	return machine_pause_reporting(&api->machine, true, e);
}

HANDLER(resume_reporting)
{
	(void)request;
	(void)answer;
	return machine_pause_reporting(&api->machine, false, e);
}

HANDLER(get_reporting_status)
{
	static struct reporting_status a;

	(void)request;
	*answer = &a;
	return machine_reporting_status(&api->machine, &a, e);
}
