# SPDX-License-Identifier: Apache-2.0
"""Block: requests per second by Linux AIO with O_DIRECT, on a raw file of 64 MiB in memory."""

import json
import shlex

from . import devices, monitors

NAME = "block"
COMMAND = ["/bench/aio", "/dev/vda"]


def _rate(key, title, goal, firecracker, qemu):
    return devices.Figure(f"block.{key}", title, "1/s", goal,
                          recorded={"Firecracker 1.16": firecracker, "QEMU": qemu})


def _per_request(key, what, title, goal):
    return devices.Figure(f"block.{key}.{what}", title, "per request", goal, at_most=True)


FIGURES = [
    _rate("read1", "4 KiB random read, depth 1", 28000, 21200, 12900),
    _rate("read32", "4 KiB random read, depth 32", 70000, 21600, 46700),
    _rate("write32", "4 KiB random write, depth 32", 55000, 21500, 35300),
    _rate("seq4", "1 MiB sequential read, depth 4", 2500, 178, 1815),
    _per_request("read1", "exits", "exits, read, depth 1", 1),
    _per_request("read1", "mmio_exits", "of them to the monitor", 1),
    _per_request("read1", "interrupts", "interrupts, read, depth 1", 1),
    _per_request("read32", "exits", "exits, read, depth 32", 0.2),
    _per_request("read32", "mmio_exits", "of them to the monitor", 0.2),
    _per_request("read32", "interrupts", "interrupts, read, depth 32", 0.2),
]


def files(_build):
    return {}


def _with_disk(command):
    # Every page of the file is there before it is measured.
    return f"dd if=/dev/zero of=disk bs=1M count=64 2>/dev/null\n{command} </dev/null 2>&1 | $WATCH"


def _by_config(monitor, binary, engine, mote=False):
    text = json.dumps(devices.config(COMMAND, drives=[
        {"drive_id": "data", "path_on_host": "./disk", "is_root_device": False, "is_read_only": False,
         "io_engine": engine}]))
    argv = [binary, "--no-api", "--config-file", "config", "--level", "Error"]
    write = f"printf %s {shlex.quote(text)} >config\n"
    return devices.Start(f"{monitor} {engine}", write + _with_disk(shlex.join(argv)), is_mote=mote)


def starts():
    found = [_by_config("mote", "./mote", engine, mote=True) for engine in ("Sync", "Async")]
    absent = []
    if monitors.find("QEMU microvm"):
        options = ["-drive", "file=disk,if=none,id=d,format=raw,aio=io_uring",
                   "-device", "virtio-blk-device,drive=d"]
        found.append(devices.Start("QEMU microvm",
                                   _with_disk(devices.qemu_microvm(COMMAND, options))))
    else:
        absent.append("QEMU microvm: no qemu-system-x86_64 in PATH (Debian: qemu-system-x86)")
    if binary := monitors.find("Firecracker"):
        found += [_by_config("Firecracker", binary, e) for e in ("Sync", "Async")]
    else:
        absent.append("Firecracker: no binary in PATH; its figures were recorded earlier")
    return found, absent
