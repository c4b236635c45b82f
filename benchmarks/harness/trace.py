# SPDX-License-Identifier: Apache-2.0
"""What a monitor asks of the kernel while it starts, seen from outside: the kernel's own tracepoints, in an instance of
their own (tracefs), of nothing but the process that is started. The monitor is the one that everybody runs; it knows
nothing of it. A system call costs 2-3 us more when it is traced.
"""

import dataclasses
import os
import re
import shlex

from .script import prologue

LINE = re.compile(r"-(\d+) +\[\d+\] \S+ +(\d+\.\d+): (\w+): (.*)$")
CALL = re.compile(r"NR (-?\d+) \(([0-9a-f, ]*)\)")

# Of each kind of run, the events it needs: an event that nobody needs would be in the times.
PHASE_EVENTS = ("raw_syscalls/sys_enter", "raw_syscalls/sys_exit", "sched/sched_process_exec", "sched/sched_process_exit", "kvm/kvm_mmio")
COUNT_EVENTS = ("raw_syscalls/sys_enter", "sched/sched_process_exec", "exceptions/page_fault_user", "exceptions/page_fault_kernel",
                "kmem/mm_page_alloc")

# linux/kvm.h
KVM_CALLS = {0xAE00: "KVM_GET_API_VERSION", 0xAE01: "KVM_CREATE_VM", 0xAE03: "KVM_CHECK_EXTENSION", 0xAE04: "KVM_GET_VCPU_MMAP_SIZE",
             0xC008AE05: "KVM_GET_SUPPORTED_CPUID", 0xAE41: "KVM_CREATE_VCPU", 0xAE47: "KVM_SET_TSS_ADDR",
             0x4008AE48: "KVM_SET_IDENTITY_MAP_ADDR", 0x4020AE46: "KVM_SET_USER_MEMORY_REGION", 0xAE60: "KVM_CREATE_IRQCHIP",
             0x4020AE76: "KVM_IRQFD", 0x4040AE77: "KVM_CREATE_PIT2", 0x4040AE79: "KVM_IOEVENTFD", 0xAE80: "KVM_RUN",
             0x8090AE81: "KVM_GET_REGS", 0x4090AE82: "KVM_SET_REGS", 0x8138AE83: "KVM_GET_SREGS", 0x4138AE84: "KVM_SET_SREGS",
             0x4008AE89: "KVM_SET_MSRS", 0x41A0AE8D: "KVM_SET_FPU", 0x8400AE8E: "KVM_GET_LAPIC", 0x4400AE8F: "KVM_SET_LAPIC",
             0x4008AE90: "KVM_SET_CPUID2", 0xAEA3: "KVM_GET_TSC_KHZ", 0x4188AEA7: "KVM_SET_XCRS"}
IOCTL = 16  # x86_64, as all numbers here


class TraceError(ValueError):
    """The trace does not say what it should."""


@dataclasses.dataclass
class Event:
    at: float  # ms, CLOCK_MONOTONIC
    task: int
    name: str  # of the tracepoint
    text: str
    call: int = -1  # system call's number, at its entry or exit
    args: tuple = ()

    def enters(self, call, second=None):
        return self.name == "sys_enter" and self.call == call and (second is None or self.args[1] & 0xFFFFFFFF == second)


def shell(directory="/sys/kernel/tracing"):
    """Shell functions: `traced "EVENT..." COMMAND...` runs COMMAND and prints "trace LINE" for each event."""
    return f"""
t={directory}
[ -e $t/trace ] || mount -t tracefs tracefs $t 2>/dev/null || true
[ -w $t/trace ] || {{ echo "benchmarks/phases: $t/trace cannot be written: expected root and a kernel with tracefs" >&2; exit 1; }}
t=$t/instances/mote-bench.$$
mkdir $t
at_end() {{ [ ! -d $t ] || rmdir $t; }}
echo mono >$t/trace_clock
echo 16384 >$t/buffer_size_kb
echo 0 >$t/options/overwrite # what does not fit is the end: a long console
echo 1 >$t/options/event-fork
traced() {{
    for e in $1; do echo 1 >$t/events/$e/enable; done
    shift
    echo >$t/trace
    status=0
    sh -c 'echo $$ >"$0"; exec "$@"' $t/set_event_pid "$@" || status=$?
    echo 0 >$t/events/enable
    echo >$t/set_event_pid
    sed -n '/^#/!s/^/trace /p' $t/trace
    return $status
}}
"""


def parse(lines, program):
    """Events of `program` and of what it starts, from its exec on."""
    found, others, begun = [], set(), False
    for line in lines:
        if not (m := LINE.search(line)):
            continue
        task, name, text = int(m.group(1)), m.group(3), m.group(4)
        if not begun:
            begun = name == "sched_process_exec" and os.path.basename(text.split()[0]) == os.path.basename(program)
            if not begun:
                others.add(task)
                continue
            others.discard(task)  # it was a copy of who started it
        if task in others:
            continue
        event = Event(float(m.group(2)) * 1000, task, name, text)
        if name == "sys_enter" and (c := CALL.match(text)):
            event.call, event.args = int(c.group(1)), tuple(int(a, 16) for a in c.group(2).split(", "))
        elif name == "sys_exit":
            event.call = int(text.split()[1])
        found.append(event)
    if not found:
        raise TraceError(f"no exec of {program} in {len(lines)} lines of trace")
    return found


def first(events, wanted, what, start=0):
    """Index of the first event that `wanted` holds for."""
    for i in range(start, len(events)):
        if wanted(events[i]):
            return i
    raise TraceError(f"no {what} in the trace")


def end_of(events, i):
    """Index of the exit of the call that events[i] enters."""
    return first(events, lambda e: e.task == events[i].task and e.name == "sys_exit" and e.call == events[i].call,
                 f"end of system call {events[i].call}", i)


def first_run(events):
    return first(events, lambda e: e.enters(IOCTL, 0xAE80), "KVM_RUN")


def call_names():
    """Number -> name of this machine's system calls, from the kernel's header."""
    names = {}
    with open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", encoding="utf-8") as f:
        for line in f:
            if m := re.match(r"#define __NR_(\w+) (\d+)", line):
                names[int(m.group(2))] = m.group(1)
    return names


def counts(events):
    """({name: how many system calls of this name}, {what: how many pages}) before the first KVM_RUN."""
    names, calls, pages = call_names(), {}, {}
    for e in events[: first_run(events)]:
        if e.name == "sys_enter":
            name = names.get(e.call, f"system call {e.call}")
            if e.call == IOCTL:
                name = KVM_CALLS.get(e.args[1] & 0xFFFFFFFF, f"ioctl {e.args[1] & 0xFFFFFFFF:#x}")
            calls[name] = calls.get(name, 0) + 1
        elif e.name.startswith("page_fault"):
            what = "page faults in the program" if e.name == "page_fault_user" else "page faults in the kernel"
            pages[what] = pages.get(what, 0) + 1
        elif e.name == "mm_page_alloc" and (m := re.search(r"order=(\d+)", e.text)):
            size = 4 << int(m.group(1))
            what = f"pages of {size} KiB allocated" if size < 2048 else f"pages of {size >> 10} MiB allocated"
            pages[what] = pages.get(what, 0) + 1
    return calls, pages


def script(files, texts, runs):
    """Copies `files` ({name: path}), writes `texts` ({name: content}) and starts each of `runs` (events, command): "begin N", facts."""
    lines = [*prologue(files, texts, "bench-phases"), shell()]
    for i, (events, command) in enumerate(runs):
        words = shlex.join(command)
        lines.append(f"echo begin {i}")
        lines.append(f'traced "{" ".join(events)}" {words} || echo failed' if events else f"{words} || echo failed")
    return "\n".join(lines) + "\n"
