// SPDX-License-Identifier: Apache-2.0
/* The balloon of a machine: set before the guest runs, changed and asked while it does. Loop
 * thread. */
#include "vmm/machine.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "vmm/devices.h"
#include "vmm/util.h"

#define PAGES_PER_MIB 256u

int machine_check_balloon(const struct machine *m, struct err *e)
{
	return m->config.has_balloon ? 0 : err_set(e, -ENOENT, "balloon: the machine has none");
}

/* The running one; NULL with *e set: there is none. */
static struct balloon *running(struct machine *m, struct err *e)
{
	struct vm_device *d;

	if (machine_check_balloon(m, e) < 0)
		return NULL;
	d = devices_find(&m->vm, VIRTIO_ID_BALLOON);
	return d ? &d->balloon : NULL;
}

static int check_amount(const struct machine *m, uint32_t mib, struct err *e)
{
	uint64_t most = min_u64(m->config.mem_mib, UINT32_MAX / PAGES_PER_MIB);

	if (mib <= most)
		return 0;
	return err_set(e, -EINVAL,
		       "amount_mib: Amount of pages requested is too large: %u MiB, expected at "
		       "most the guest's %llu MiB",
		       mib, (unsigned long long)most);
}

int machine_set_balloon(struct machine *m, const struct balloon_settings *s, struct err *e)
{
	int r = check_amount(m, s->amount_mib, e);

	if (r < 0)
		return r;
	m->config.has_balloon = true;
	m->config.balloon = (struct balloon_config){
		.pages = s->amount_mib * PAGES_PER_MIB,
		.deflate_on_oom = s->deflate_on_oom,
		.hinting = s->free_page_hinting,
		.reporting = s->free_page_reporting,
		.stats_s = s->stats_polling_interval_s,
	};
	m->settings.balloon = *s;
	return 0;
}

int machine_update_balloon(struct machine *m, const struct balloon_update *u, struct err *e)
{
	struct balloon *b = running(m, e);
	int r;

	if (!b)
		return -ENOENT;
	r = check_amount(m, u->amount_mib, e);
	if (r < 0)
		return r;
	balloon_set_target(b, u->amount_mib * PAGES_PER_MIB);
	m->settings.balloon.amount_mib = u->amount_mib;
	return 0;
}

/* ---- statistics ------------------------------------------------------------------------------ */

int machine_update_balloon_stats(struct machine *m, const struct balloon_stats_update *u,
				 struct err *e)
{
	struct balloon *b = running(m, e);
	uint32_t now = m->settings.balloon.stats_polling_interval_s;
	int r;

	if (!b)
		return -ENOENT;
	if ((u->stats_polling_interval_s == 0) != (now == 0))
		return err_set(e, -EINVAL,
			       "stats_polling_interval_s: %u, expected %s: statistics cannot be "
			       "turned on or off after boot",
			       u->stats_polling_interval_s, now == 0 ? "0" : "1 to 65535");
	r = now == 0 ? 0 : balloon_set_interval(b, u->stats_polling_interval_s);
	if (r < 0)
		return err_sys(e, r, "balloon: statistics timer");
	m->settings.balloon.stats_polling_interval_s = u->stats_polling_interval_s;
	return 0;
}

int machine_balloon_stats(struct machine *m, struct balloon_statistics *a, struct err *e)
{
	struct balloon *b = running(m, e);

	_Static_assert(BALLOON_STATS_MAX == BALLOON_NR_STATS, "all that the guest tells");
	if (!b)
		return -ENOENT;
	if (b->config.stats_s == 0)
		return err_set(e, -EINVAL,
			       "statistics: not enabled, expected a balloon with "
			       "stats_polling_interval_s");
	memset(a, 0, sizeof(*a));
	a->given = b->stats.given * BALLOON_STATS_GUEST(0);
	a->target_pages = b->config.pages;
	a->actual_pages = balloon_actual(b);
	a->target_mib = a->target_pages / PAGES_PER_MIB;
	a->actual_mib = a->actual_pages / PAGES_PER_MIB;
	memcpy(a->guest, b->stats.value, sizeof(a->guest));
	return 0;
}

/* ---- hinting and reporting ------------------------------------------------------------------- */

static struct balloon *with_hinting(struct machine *m, struct err *e)
{
	struct balloon *b = running(m, e);

	if (!b || b->config.hinting)
		return b;
	err_set(e, -EINVAL, "hinting: not enabled, expected a balloon with free_page_hinting");
	return NULL;
}

int machine_start_hinting(struct machine *m, const struct hinting_start *s, struct err *e)
{
	struct balloon *b = with_hinting(m, e);

	if (!b)
		return -EINVAL;
	return balloon_hint_start(b, s->acknowledge_on_stop) == 0
		       ? 0
		       : err_set(e, -ENODEV, "hinting: the guest's driver is not there, or cannot");
}

int machine_stop_hinting(struct machine *m, struct err *e)
{
	struct balloon *b = with_hinting(m, e);

	if (!b)
		return -EINVAL;
	balloon_hint_stop(b);
	return 0;
}

int machine_hinting_status(struct machine *m, struct hinting_status *a, struct err *e)
{
	const struct balloon *b = with_hinting(m, e);

	if (!b)
		return -EINVAL;
	*a = (struct hinting_status){
		.given = b->hinting.guest_spoke ? HINTING_STATUS_GUEST : 0,
		.host_cmd = b->hinting.host_cmd,
		.guest_cmd = b->hinting.guest_cmd,
	};
	return 0;
}

static struct balloon *with_reporting(struct machine *m, struct err *e)
{
	struct balloon *b = running(m, e);

	if (!b || b->config.reporting)
		return b;
	err_set(e, -EINVAL, "reporting: not enabled, expected a balloon with free_page_reporting");
	return NULL;
}

int machine_pause_reporting(struct machine *m, bool pause, struct err *e)
{
	struct balloon *b = with_reporting(m, e);

	if (!b)
		return -EINVAL;
	balloon_pause_reporting(b, pause);
	return 0;
}

int machine_reporting_status(struct machine *m, struct reporting_status *a, struct err *e)
{
	const struct balloon *b = with_reporting(m, e);

	if (!b)
		return -EINVAL;
	*a = (struct reporting_status){ .paused = b->reporting_paused };
	return 0;
}
