# SPDX-License-Identifier: Apache-2.0
"""Somebody who runs code in a thread of the monitor: system calls made there, by ptrace (tests/seccomp/inject.c)."""
import ctypes
import os
import re
import subprocess

import mote

TOOLS = os.path.join(mote.BUILD, "tests", "seccomp")
OPEN, SOCKET, EXECVE, MKDIR, UNLINK, PTRACE, GETPPID, UNSHARE = 2, 41, 59, 83, 87, 101, 110, 272


def thread(pid, name):
    """The thread of that name. The loop's has the name of the program."""
    for task in os.listdir(f"/proc/{pid}/task"):
        if mote.proc_lines(pid, f"task/{task}/comm") == [name]:
            return int(task)
    raise AssertionError(f"no thread {name}: {mote.thread_names(pid)}")


def inject(tid, *words):
    """What the call returned in that thread, or "signal N"."""
    out = subprocess.run([os.path.join(TOOLS, "inject"), *map(str, (tid, *words))], capture_output=True, text=True, check=True,
                         timeout=mote.TIMEOUT).stdout.strip()
    return int(out) if re.fullmatch(r"-?\d+", out) else out


def status(pid, task):
    return dict(line.split(":\t", 1) for line in mote.proc_lines(pid, f"task/{task}/status") if ":\t" in line)


def has_landlock():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(444, None, 0, 1) > 0
