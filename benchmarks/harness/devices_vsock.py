# SPDX-License-Identifier: Apache-2.0
"""vsock over its Unix socket: streams of 64 MiB, and round trips of one byte."""

import json
import shlex

from . import devices, monitors

NAME = "vsock"
BYTES = 64 << 20
ROUNDS = 2000


def _figure(key, title, unit, goal, firecracker, at_most=False):
    return devices.Figure(f"vsock.{key}", title, unit, goal, at_most, {"Firecracker 1.16": firecracker})


FIGURES = [
    _figure("take", "stream, guest to host", "MB/s", 750, 496),
    _figure("send", "stream, host to guest", "MB/s", 600, 211),
    _figure("ping", "round trip of one byte", "us", 85, 128, at_most=True),
]


def files(build):
    return {"measure_vsock": f"{build}/bench/measure_vsock"}


def _guest(binary, words):
    """Shell that starts the monitor behind our back, the guest running init's verb."""
    text = json.dumps(devices.config(words, vsock={"guest_cid": 3, "uds_path": "v"}))
    argv = [binary, "--no-api", "--config-file", "config", "--level", "Error"]
    return f"rm -f v; printf %s {shlex.quote(text)} >config; {shlex.join(argv)} </dev/null >/dev/null 2>&1 &"


def _by_config(monitor, binary, mote=False):
    """Each question has a guest of its own, which ends when its connection does."""
    shell = ["rm -f v_6000; ./measure_vsock take v 6000 & host=$!",
             "while [ ! -S v_6000 ]; do sleep 0.05; done",
             _guest(binary, ["@vsock-send", "6000", str(BYTES)]), "wait $host; wait",
             _guest(binary, ["@vsock-take", "5000", "1"]),
             f"./measure_vsock send v 5000 {BYTES}; wait",
             _guest(binary, ["@vsock-echo", "5000", "1"]),
             f"./measure_vsock ping v 5000 {ROUNDS}; wait"]
    return devices.Start(monitor, "\n".join(shell), is_mote=mote)


def starts():
    found = [_by_config("mote", "./mote", mote=True)]
    absent = ["QEMU microvm: its vsock is the host kernel's, not over a Unix socket"]
    if binary := monitors.find("Firecracker"):
        found.append(_by_config("Firecracker", binary))
    else:
        absent.append("Firecracker: no binary in PATH; its figures were recorded earlier")
    return found, absent
