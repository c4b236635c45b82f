// SPDX-License-Identifier: Apache-2.0
/* Devices: drives, network, vsock, entropy, balloon, serial. */
#include "api/objects.h"

#include "api/field.h"

#include <errno.h>

static const struct field token_bucket_fields[] = {
	{ "size", FIELD_UINT, FIELD_REQUIRED, AT(token_bucket_settings, size),
	  .help = "What the bucket holds, in bytes or operations; 0: no limit." },
	{ "refill_time", FIELD_UINT, FIELD_REQUIRED, AT(token_bucket_settings, refill_time),
	  .help = "Milliseconds until an empty bucket is full again; 0: no limit." },
	{ "one_time_burst", FIELD_UINT, 0, AT(token_bucket_settings, one_time_burst),
	  .help = "What may be spent before the bucket, once; it is never refilled." },
};

const struct object object_token_bucket = {
	.name = "TokenBucket",
	.help = "A limit on bytes or operations per time.",
	.size = sizeof(struct token_bucket_settings),
	FIELDS(token_bucket_fields),
	.open = true,
};

static const struct field rate_limiter_fields[] = {
	{ "bandwidth", FIELD_OBJECT, 0, AT(rate_limiter_settings, bandwidth),
	  .object = &object_token_bucket, .help = "Limits bytes." },
	{ "ops", FIELD_OBJECT, 0, AT(rate_limiter_settings, ops), .object = &object_token_bucket,
	  .help = "Limits operations." },
};

const struct object object_rate_limiter = {
	.name = "RateLimiter",
	.help = "Limits a device; what is not given is not limited, or, in an update, not changed.",
	.size = sizeof(struct rate_limiter_settings),
	FIELDS(rate_limiter_fields),
};

static const char *const cache_types[] = {
	[CACHE_UNSAFE] = "Unsafe", [CACHE_WRITEBACK] = "Writeback", NULL
};
static const char *const io_engines[] = { [IO_SYNC] = "Sync", [IO_ASYNC] = "Async", NULL };

static const struct field drive_fields[] = {
	/* The path of a request admits fewer characters; a configuration file's ids have no path.
	 */
	{ "drive_id", FIELD_STRING, FIELD_REQUIRED, AT(drive_settings, drive_id), .min = 1,
	  .help = "Name of the drive in the API." },
	{ "partuuid", FIELD_STRING, 0, AT(drive_settings, partuuid), .min = 1,
	  .help = "Of a root device: the partition that holds the root file system." },
	{ "is_root_device", FIELD_BOOL, FIELD_REQUIRED, AT(drive_settings, is_root_device),
	  .help = "Whether the guest boots from it; it is the first drive then." },
	{ "cache_type", FIELD_ENUM, FIELD_HAS_DEFAULT, AT(drive_settings, cache_type),
	  .fallback = CACHE_UNSAFE, .words = cache_types,
	  .help = "Whether the guest's flushes reach the disk (Writeback) or not (Unsafe)." },
	{ "is_read_only", FIELD_BOOL, 0, AT(drive_settings, is_read_only),
	  .help = "Whether the guest may only read; not given: it may write." },
	{ "path_on_host", FIELD_STRING, 0, AT(drive_settings, path_on_host), .min = 1,
	  .help = "File or block device with the contents; required without `socket`." },
	{ "rate_limiter", FIELD_OBJECT, FIELD_BY_PARTS, AT(drive_settings, rate_limiter),
	  .object = &object_rate_limiter, .help = "Limits the guest's requests." },
	{ "io_engine", FIELD_ENUM, 0, AT(drive_settings, io_engine), .words = io_engines,
	  .help = "How the file is accessed; not given: Sync." },
	{ "socket", FIELD_STRING, 0, AT(drive_settings, socket), .min = 1,
	  .help = "Socket of a vhost-user backend; excludes the four fields before it and "
		  "`serial`." },
	{ "serial", FIELD_STRING, 0, AT(drive_settings, serial), .min = 1,
	  .help = "Serial number that the guest sees; not given: made from the file." },
};

/* is_read_only and io_engine default only for drives that are files. */
static int check_drive(void *obj, struct err *e)
{
	static const char *const of_files[] = { "path_on_host", "is_read_only", "rate_limiter",
						"io_engine", "serial" };
	const struct object *o = &object_drive;

	if (!schema_given(o, obj, "socket")) {
		if (!schema_given(o, obj, "path_on_host"))
			return err_set(e, -EINVAL, "path_on_host: required without socket");
		schema_set_given(o, obj, "is_read_only", true);
		schema_set_given(o, obj, "io_engine", true);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_files); i++) {
		if (schema_given(o, obj, of_files[i]))
			return err_set(e, -EINVAL, "%s: given with socket, expected only one",
				       of_files[i]);
	}
	return 0;
}

const struct object object_drive = {
	.name = "Drive",
	.help = "A block device of the guest.",
	.size = sizeof(struct drive_settings),
	FIELDS(drive_fields),
	.check = check_drive,
};

static const struct field drive_update_fields[] = {
	{ "drive_id", FIELD_STRING, FIELD_REQUIRED | FIELD_ID, AT(drive_update, drive_id),
	  .help = "Which drive." },
	{ "path_on_host", FIELD_STRING, 0, AT(drive_update, path_on_host), .min = 1,
	  .help = "Another file or block device; its size may differ." },
	{ "rate_limiter", FIELD_OBJECT, 0, AT(drive_update, rate_limiter),
	  .object = &object_rate_limiter, .help = "Replaces the buckets that it names." },
};

const struct object object_drive_update = {
	.name = "PartialDrive",
	.help = "A change to a drive of a running machine.",
	.size = sizeof(struct drive_update),
	FIELDS(drive_update_fields),
};

static const struct field network_fields[] = {
	{ "iface_id", FIELD_STRING, FIELD_REQUIRED, AT(network_settings, iface_id), .min = 1,
	  .help = "Name of the interface in the API." },
	{ "host_dev_name", FIELD_STRING, FIELD_REQUIRED, AT(network_settings, host_dev_name),
	  .min = 1,
	  .help = "Tap device on the host, or a device file such as /dev/tap7. "
		  "Extension: fd:N, inherited; unix:PATH, a stream socket such as passt's." },
	{ "guest_mac", FIELD_MAC, 0, AT(network_settings, guest_mac),
	  .help = "MAC address that the guest is told." },
	{ "mtu", FIELD_UINT, 0, AT(network_settings, mtu), .min = 68, .max = 65535,
	  .help = "Largest packet that the guest is told, in bytes." },
	{ "rx_rate_limiter", FIELD_OBJECT, FIELD_BY_PARTS, AT(network_settings, rx_rate_limiter),
	  .object = &object_rate_limiter, .help = "Limits what the guest receives." },
	{ "tx_rate_limiter", FIELD_OBJECT, FIELD_BY_PARTS, AT(network_settings, tx_rate_limiter),
	  .object = &object_rate_limiter, .help = "Limits what the guest sends." },
};

const struct object object_network = {
	.name = "NetworkInterface",
	.help = "A network interface of the guest.",
	.size = sizeof(struct network_settings),
	FIELDS(network_fields),
};

static const struct field network_update_fields[] = {
	{ "iface_id", FIELD_STRING, FIELD_REQUIRED | FIELD_ID, AT(network_update, iface_id),
	  .help = "Which interface." },
	{ "rx_rate_limiter", FIELD_OBJECT, 0, AT(network_update, rx_rate_limiter),
	  .object = &object_rate_limiter, .help = "Replaces the buckets that it names." },
	{ "tx_rate_limiter", FIELD_OBJECT, 0, AT(network_update, tx_rate_limiter),
	  .object = &object_rate_limiter, .help = "Replaces the buckets that it names." },
};

const struct object object_network_update = {
	.name = "PartialNetworkInterface",
	.help = "A change to a network interface of a running machine.",
	.size = sizeof(struct network_update),
	FIELDS(network_update_fields),
};

static const struct field vsock_fields[] = {
	{ "guest_cid", FIELD_UINT, FIELD_REQUIRED, AT(vsock_settings, guest_cid),
	  .help = "The guest's context id; matters inside the guest only." },
	{ "uds_path", FIELD_STRING, FIELD_REQUIRED, AT(vsock_settings, uds_path), .min = 1,
	  .help = "Unix socket on the host that leads to the guest." },
	{ "vsock_id", FIELD_STRING, FIELD_DEPRECATED | FIELD_ABSENT, AT(vsock_settings, vsock_id),
	  .help = "Without effect." },
};

const struct object object_vsock = {
	.name = "Vsock",
	.help = "Sockets between guest and host.",
	.size = sizeof(struct vsock_settings),
	FIELDS(vsock_fields),
};

static const struct field entropy_fields[] = {
	{ "rate_limiter", FIELD_OBJECT, 0, AT(entropy_settings, rate_limiter),
	  .object = &object_rate_limiter, .help = "Limits the guest's requests." },
};

const struct object object_entropy = {
	.name = "EntropyDevice",
	.help = "A source of random numbers for the guest.",
	.size = sizeof(struct entropy_settings),
	FIELDS(entropy_fields),
};

static const struct field balloon_fields[] = {
	{ "amount_mib", FIELD_UINT, FIELD_REQUIRED, AT(balloon_settings, amount_mib),
	  .help = "Memory that the guest is asked to give back, in MiB." },
	{ "deflate_on_oom", FIELD_BOOL, FIELD_REQUIRED, AT(balloon_settings, deflate_on_oom),
	  .help = "Whether the guest may take memory back before it runs out of it." },
	{ "stats_polling_interval_s", FIELD_UINT, FIELD_HAS_DEFAULT,
	  AT(balloon_settings, stats_polling_interval_s), .max = UINT16_MAX,
	  .help = "Seconds between statistics from the guest; 0: none." },
	{ "free_page_hinting", FIELD_BOOL, FIELD_HAS_DEFAULT,
	  AT(balloon_settings, free_page_hinting),
	  .help = "Whether the guest can be asked which pages it does not use." },
	{ "free_page_reporting", FIELD_BOOL, FIELD_HAS_DEFAULT,
	  AT(balloon_settings, free_page_reporting),
	  .help = "Whether the guest reports pages by itself as it frees them." },
};

const struct object object_balloon = {
	.name = "Balloon",
	.help = "Takes memory back from the guest.",
	.size = sizeof(struct balloon_settings),
	FIELDS(balloon_fields),
};

static const struct field balloon_update_fields[] = {
	{ "amount_mib", FIELD_UINT, FIELD_REQUIRED, AT(balloon_update, amount_mib),
	  .help = "Memory that the guest is asked to give back, in MiB." },
};

const struct object object_balloon_update = {
	.name = "BalloonUpdate",
	.help = "A change to the balloon of a running machine.",
	.size = sizeof(struct balloon_update),
	FIELDS(balloon_update_fields),
};

static const struct field balloon_stats_update_fields[] = {
	{ "stats_polling_interval_s", FIELD_UINT, FIELD_REQUIRED,
	  AT(balloon_stats_update, stats_polling_interval_s), .max = UINT16_MAX,
	  .help = "Seconds between statistics; cannot be turned on or off." },
};

const struct object object_balloon_stats_update = {
	.name = "BalloonStatsUpdate",
	.help = "How often a running guest sends statistics.",
	.size = sizeof(struct balloon_stats_update),
	FIELDS(balloon_stats_update_fields),
};

static const struct field hinting_start_fields[] = {
	{ "acknowledge_on_stop", FIELD_BOOL, FIELD_HAS_DEFAULT,
	  AT(hinting_start, acknowledge_on_stop), .fallback = true,
	  .help = "Whether the guest may use the pages again as soon as it has told all." },
};

const struct object object_hinting_start = {
	.name = "BalloonStartCmd",
	.help = "Asks the guest which pages it does not use.",
	.size = sizeof(struct hinting_start),
	FIELDS(hinting_start_fields),
};

static const struct field serial_fields[] = {
	{ "serial_out_path", FIELD_STRING, 0, AT(serial_settings, serial_out_path), .min = 1,
	  .help = "File or FIFO for what the guest writes, instead of standard output." },
	{ "rate_limiter", FIELD_OBJECT, 0, AT(serial_settings, rate_limiter),
	  .object = &object_token_bucket, .help = "Limits bytes; what exceeds it is dropped." },
};

const struct object object_serial = {
	.name = "SerialDevice",
	.help = "The guest's serial console.",
	.size = sizeof(struct serial_settings),
	FIELDS(serial_fields),
};
