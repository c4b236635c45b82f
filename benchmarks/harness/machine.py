# SPDX-License-Identifier: Apache-2.0
"""What a result file says about where it comes from."""

import datetime
import os
import subprocess

from . import monitors
from .place import REPO


def git(*words):
    out = subprocess.run(["git", "-C", REPO, *words], capture_output=True, text=True)
    return out.stdout.strip() if out.returncode == 0 else "unknown"


def proc_value(path, key):
    with open(path) as f:
        for line in f:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return "unknown"


def facts(mote):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "cpu": proc_value("/proc/cpuinfo", "model name"),
            "cpus": os.cpu_count(),
            "memory": proc_value("/proc/meminfo", "MemTotal"),
            "kernel": " ".join(os.uname()[:3:2]),
        },
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "versions": {
            "mote": monitors.first_line([mote, "--version"]),
            **monitors.versions(),
            "compiler": monitors.first_line(["musl-gcc", "--version"]),
        },
    }
