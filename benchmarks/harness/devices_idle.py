# SPDX-License-Identifier: Apache-2.0
"""An idle microVM with one device of each kind: what wakes the monitor, and the memory that it has."""

import json
import shlex

from . import devices, monitors

NAME = "idle"
SECONDS = 10
KINDS = {
    "drives": [{"drive_id": "root", "path_on_host": "./disk", "is_root_device": False,
                "is_read_only": False}],
    "network_interfaces": [{"iface_id": "1", "host_dev_name": "idle0"}],
    "vsock": {"guest_cid": 3, "uds_path": "v"},
    "entropy": {},
    "balloon": {"amount_mib": 0, "deflate_on_oom": True, "free_page_reporting": True},
}

FIGURES = [
    devices.Figure("idle.wakeups", f"wake-ups of the monitor in {SECONDS} s", "", 0, at_most=True),
    devices.Figure("idle.private", "private memory of the monitor", "KiB", 640, at_most=True),
]

# Of every thread but the vCPUs', which wake up for the guest's timers.
WAKEUPS = r"""
wakeups() {
    for t in /proc/$1/task/*; do
        case $(cat $t/comm) in fc_vcpu*) ;; *) cat $t/status ;; esac
    done | awk '/ctxt_switches/ { n += $2 } END { print n + 0 }'
}
"""

# All that is private, but the largest writable anonymous mapping, which is the guest's RAM.
PRIVATE = r"""
private() {
    awk '/^[0-9a-f]+-/ { anon = $2 ~ /w/ && $5 == 0 && $6 == ""; own = 0 }
         /^Size:/ { size = $2 }
         /^Private_/ { all += $2; own += $2 }
         /^VmFlags:/ && anon && size > largest { largest = size; ram = own }
         END { print all - ram }' /proc/$1/smaps
}
"""


def files(_build):
    return {}


def _start(monitor, binary, parts, mote=False):
    text = json.dumps(devices.config(["@hold", "up"], **parts))
    argv = [binary, "--no-api", "--config-file", "config", "--level", "Error"]
    shell = [WAKEUPS, PRIVATE,
             "rm -f v; ip link del idle0 2>/dev/null || true",
             # The host's own IPv6 would solicit routers on it: frames that have to be delivered.
             "ip tuntap add idle0 mode tap",
             "echo 1 >/proc/sys/net/ipv6/conf/idle0/disable_ipv6 2>/dev/null || true",
             "ip link set idle0 up",
             "dd if=/dev/zero of=disk bs=1M count=1 2>/dev/null",
             f"printf %s {shlex.quote(text)} >config",
             f"{shlex.join(argv)} </dev/null >console 2>&1 & pid=$!",
             "while ! grep -q '^up' console; do kill -0 $pid || cat console; sleep 0.2; done",
             # Linux fetches entropy by itself when it is 1, 1.5, 2.3, ... s up, at last each minute.
             # The measured time begins after such a request, when the next one is far away.
             "sleep 22; seen=$(wakeups $pid); n=0",
             "while [ $(wakeups $pid) = $seen ] && [ $n -lt 60 ]; do sleep 0.5; n=$((n + 1)); done",
             "sleep 1; before=$(wakeups $pid)", f"sleep {SECONDS}; after=$(wakeups $pid)",
             'echo "result idle.wakeups $((after - before))"',
             'echo "result idle.private $(private $pid)"',
             "kill -9 $pid; wait $pid 2>/dev/null; ip link del idle0"]
    return devices.Start(monitor, "\n".join(shell), is_mote=mote)


def starts():
    found = [_start("mote", "./mote", KINDS, mote=True)]
    absent = []
    if binary := monitors.find("Firecracker"):
        found.append(_start("Firecracker", binary, KINDS))
    else:
        absent.append("Firecracker: no binary in PATH")
    return found, absent
