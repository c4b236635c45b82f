// SPDX-License-Identifier: Apache-2.0
/* The devices of a machine: set before the guest runs, changed while it does. Loop thread. */
#include "vmm/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- rate limiters --------------------------------------------------------------------------- */

static struct rate_bucket_config bucket(const struct token_bucket_settings *s)
{
	return (struct rate_bucket_config){
		.size = s->size,
		.refill_ms = s->refill_time,
		.burst = s->one_time_burst,
	};
}

static struct rate_config limits(const struct rate_limiter_settings *s)
{
	return (struct rate_config){ bucket(&s->bandwidth), bucket(&s->ops) };
}

/* Of a running limiter, does `change` with what the update gives. */
static int with_limits(struct rate_limit *l, const struct rate_limiter_settings *u,
		       int (*change)(struct rate_limit *l,
				     const struct rate_bucket_config *bandwidth,
				     const struct rate_bucket_config *ops))
{
	struct rate_config c = limits(u);

	return change(l, u->given & RATE_LIMITER_BANDWIDTH ? &c.bandwidth : NULL,
		      u->given & RATE_LIMITER_OPS ? &c.ops : NULL);
}

static int change_limits(struct rate_limit *l, const struct rate_limiter_settings *u)
{
	return with_limits(l, u, rate_limit_set);
}

/* A bucket that holds nothing, or is never filled, is none. */
static void merge_bucket(struct token_bucket_settings *s, const struct token_bucket_settings *u)
{
	*s = u->size != 0 && u->refill_time != 0 ? *u : (struct token_bucket_settings){ 0 };
}

static void merge_limits(struct rate_limiter_settings *s, const struct rate_limiter_settings *u)
{
	if (u->given & RATE_LIMITER_BANDWIDTH)
		merge_bucket(&s->bandwidth, &u->bandwidth);
	if (u->given & RATE_LIMITER_OPS)
		merge_bucket(&s->ops, &u->ops);
	s->given = (s->bandwidth.given ? RATE_LIMITER_BANDWIDTH : 0) |
		   (s->ops.given ? RATE_LIMITER_OPS : 0);
}

/* ---- drives ---------------------------------------------------------------------------------- */

/* The place of the drive called `id`; nr_drives when there is none. */
static unsigned int find_drive(const struct machine *m, const char *id)
{
	unsigned int i = 0;

	while (i < m->settings.nr_drives && strcmp(m->settings.drives[i].drive_id, id) != 0)
		i++;
	return i;
}

static int check_drive(const struct machine *m, const struct drive_settings *s, unsigned int at,
		       struct err *e)
{
	const struct drive_settings *first = &m->settings.drives[0];

	if (s->socket[0] != '\0')
		return err_set(e, -EOPNOTSUPP, "socket: " NOT_SUPPORTED);
	if (at == VM_MAX_DRIVES)
		return err_set(e, -EINVAL,
			       "drive_id: %s is one too many, expected at most %u drives",
			       s->drive_id, VM_MAX_DRIVES);
	if (s->is_root_device && m->settings.nr_drives > 0 && first->is_root_device && at != 0)
		return err_set(e, -EINVAL,
			       "is_root_device: true for %s: A root block device already exists! "
			       "It is %s",
			       s->drive_id, first->drive_id);
	return 0;
}

/* Moves drive `from` to place `to`, and those between one up or down. */
static void move_drive(struct machine *m, unsigned int from, unsigned int to)
{
	int step = from < to ? 1 : -1;

	for (unsigned int i = from; i != to; i = (unsigned int)((int)i + step)) {
		unsigned int next = (unsigned int)((int)i + step);
		struct drive_config c = m->config.drive[i];

		m->config.drive[i] = m->config.drive[next];
		m->config.drive[next] = c;
		/* Too large for a copy on the stack: exchanged by way of the unused last place. */
		m->settings.drives[VM_MAX_DRIVES] = m->settings.drives[i];
		m->settings.drives[i] = m->settings.drives[next];
		m->settings.drives[next] = m->settings.drives[VM_MAX_DRIVES];
	}
}

/* Opens `path` for a drive, whose serial number is its own or the file's. */
static int open_file(struct blk_file *f, const struct drive_settings *s, const char *path,
		     struct err *e)
{
	int r = blk_file_open(f, path, s->is_read_only, e);

	if (r == 0 && s->serial[0] != '\0')
		blk_file_set_id(f, s->serial);
	return r;
}

int machine_set_drive(struct machine *m, const struct drive_settings *s, struct err *e)
{
	unsigned int at = find_drive(m, s->drive_id);
	struct drive_config c = { .flush = s->cache_type == CACHE_WRITEBACK,
				  .async = s->io_engine == IO_ASYNC,
				  .limit = limits(&s->rate_limiter) };
	int r = check_drive(m, s, at, e);

	/* Here, where the client is told which field it was, and not when the machine starts. */
	if (r == 0 && c.async)
		r = blk_check_async(e);
	if (r == 0)
		r = open_file(&c.file, s, s->path_on_host, e);
	if (r < 0)
		return r;
	if (at == m->settings.nr_drives)
		m->config.nr_drives = ++m->settings.nr_drives;
	else
		blk_file_close(&m->config.drive[at].file);
	m->config.drive[at] = c;
	m->settings.drives[at] = *s;
	if (s->is_root_device)
		move_drive(m, at, 0);
	return 0;
}

/* Puts another file behind running drive `i`. */
static int change_file(struct machine *m, unsigned int i, const char *path, struct err *e)
{
	struct drive_settings *s = &m->settings.drives[i];
	struct blk_file file;
	int r = open_file(&file, s, path, e);

	if (r < 0)
		return r;
	r = blk_change(&m->vm.device[i].blk, &file);
	if (r < 0) {
		blk_file_close(&file);
		return err_sys(e, r, "drive %s: path_on_host", s->drive_id);
	}
	snprintf(s->path_on_host, sizeof(s->path_on_host), "%s", path);
	return 0;
}

int machine_update_drive(struct machine *m, const struct drive_update *u, struct err *e)
{
	unsigned int i = find_drive(m, u->drive_id);
	struct drive_settings *s = &m->settings.drives[i];
	int r = 0;

	if (i == m->settings.nr_drives)
		return err_set(e, -ENOENT, "drive_id: %s: no such drive", u->drive_id);
	if (u->path_on_host[0] != '\0')
		r = change_file(m, i, u->path_on_host, e);
	if (r < 0)
		return r;
	r = change_limits(&m->vm.device[i].blk.dev.limit, &u->rate_limiter);
	if (r < 0)
		return err_sys(e, r, "drive %s: rate_limiter", u->drive_id);
	merge_limits(&s->rate_limiter, &u->rate_limiter);
	return 0;
}

/* ---- networks -------------------------------------------------------------------------------- */

/* The place of the interface called `id`; nr_networks when there is none. */
static unsigned int find_network(const struct machine *m, const char *id)
{
	unsigned int i = 0;

	while (i < m->settings.nr_networks && strcmp(m->settings.networks[i].iface_id, id) != 0)
		i++;
	return i;
}

static bool has_mac(const struct network_settings *s)
{
	static const uint8_t none[6];

	return memcmp(s->guest_mac, none, sizeof(none)) != 0;
}

static int check_network(const struct machine *m, const struct network_settings *s, unsigned int at,
			 struct err *e)
{
	const uint8_t *mac = s->guest_mac;

	if (at == VM_MAX_NETS)
		return err_set(e, -EINVAL,
			       "iface_id: %s is one too many, expected at most %u interfaces",
			       s->iface_id, VM_MAX_NETS);
	for (unsigned int i = 0; has_mac(s) && i < m->settings.nr_networks; i++) {
		if (i != at && memcmp(m->settings.networks[i].guest_mac, mac, 6) == 0)
			return err_set(e, -EINVAL,
				       "guest_mac: The MAC address is already in use: "
				       "%02x:%02x:%02x:%02x:%02x:%02x",
				       mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	}
	return 0;
}

int machine_set_network(struct machine *m, const struct network_settings *s, struct err *e)
{
	unsigned int at = find_network(m, s->iface_id);
	bool replace = at < m->settings.nr_networks;
	struct net_config c = {
		.has_mac = has_mac(s),
		.mtu = (uint16_t)s->mtu,
		.rx = limits(&s->rx_rate_limiter),
		.tx = limits(&s->tx_rate_limiter),
	};
	int r = check_network(m, s, at, e);

	if (r < 0)
		return r;
	memcpy(c.mac, s->guest_mac, sizeof(c.mac));
	if (replace && strcmp(m->settings.networks[at].host_dev_name, s->host_dev_name) == 0) {
		/* A tap has one holder: it cannot be opened again while we have it. */
		c.backend = m->config.net[at].backend;
	} else {
		r = net_backend_open(&c.backend, s->host_dev_name, e);
		if (r < 0)
			return r;
		if (replace)
			net_backend_close(&m->config.net[at].backend);
	}
	if (!replace)
		m->config.nr_nets = ++m->settings.nr_networks;
	m->config.net[at] = c;
	m->settings.networks[at] = *s;
	return 0;
}

int machine_update_network(struct machine *m, const struct network_update *u, struct err *e)
{
	unsigned int i = find_network(m, u->iface_id);
	struct network_settings *s = &m->settings.networks[i];
	struct net *n;
	int r;

	if (i == m->settings.nr_networks)
		return err_set(e, -ENOENT, "iface_id: %s: no such interface", u->iface_id);
	n = &m->vm.device[m->settings.nr_drives + i].net;
	/* Both or none. */
	r = with_limits(&n->rx.limit, &u->rx_rate_limiter, rate_limit_prepare);
	if (r == 0)
		r = with_limits(&n->tx_limit, &u->tx_rate_limiter, rate_limit_prepare);
	if (r == 0)
		r = change_limits(&n->rx.limit, &u->rx_rate_limiter);
	if (r == 0)
		r = change_limits(&n->tx_limit, &u->tx_rate_limiter);
	if (r < 0)
		return err_sys(e, r, "interface %s: rate limiter", u->iface_id);
	merge_limits(&s->rx_rate_limiter, &u->rx_rate_limiter);
	merge_limits(&s->tx_rate_limiter, &u->tx_rate_limiter);
	return 0;
}

/* ---- vsock, entropy -------------------------------------------------------------------------- */

int machine_set_vsock(struct machine *m, const struct vsock_settings *s, struct err *e)
{
	struct vm_config *c = &m->config;
	struct vsock_uds uds;
	int r;

	/* A socket's name is taken until its file is gone, also by ourselves. */
	if (c->has_vsock && strcmp(c->vsock.path, s->uds_path) == 0) {
		vsock_uds_discard(&c->vsock);
		c->has_vsock = false;
	}
	r = vsock_uds_open(&uds, s->uds_path, e);
	if (r < 0)
		return r;
	if (c->has_vsock)
		vsock_uds_discard(&c->vsock);
	c->vsock = uds;
	c->vsock_cid = s->guest_cid;
	c->has_vsock = true;
	m->settings.vsock = *s;
	return 0;
}

int machine_set_entropy(struct machine *m, const struct entropy_settings *s, struct err *e)
{
	(void)e;
	m->config.rng = true;
	m->config.rng_limit = limits(&s->rate_limiter);
	m->settings.entropy = *s;
	return 0;
}
