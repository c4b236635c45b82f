# SPDX-License-Identifier: Apache-2.0
"""A boot cut into phases: the monitor's by its system calls, the guest kernel's by its own log.

Of a traced start (harness/trace.py) the marks below are looked for, one after the other; a phase lasts from its mark to the
next one's. The kernel's log comes from a start of its own with `initcall_debug`, because that costs something: what is taken
from there is how long the kernel needs until its first initcall and after its last one, neither of which is made longer by it,
and each initcall's own time. The time of all initcalls is what is left of a start without it.
"""

import dataclasses
import re

from . import trace
from .trace import IOCTL, TraceError, end_of, first

PREADV, EXIT_GROUP = 295, 231
KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_SET_REGS, KVM_CREATE_PIT2, KVM_GET_API_VERSION = 0xAE01, 0xAE41, 0x4090AE82, 0x4040AE77, 0xAE00
PAGE_GPA = "gpa 0xc0000000 val 0x7b"
MARK_GPA = "gpa 0xc0000ff0 val 0x1"


@dataclasses.dataclass
class Phase:
    name: str
    start: float  # ms from exec
    ms: float


@dataclasses.dataclass
class Initcall:
    name: str
    at: float  # us of the guest's clock
    us: float


def kvm_call(number):
    return lambda e: e.enters(IOCTL, number)


def marks_of_mote(events):
    """[(phase's name, when it begins)] up to the first instruction, in mote's order of doing things."""
    at = lambda i: events[i].at
    program = first(events, lambda e: e.name == "sys_enter", "system call")
    kvm = first(events, kvm_call(KVM_GET_API_VERSION), "KVM_GET_API_VERSION")
    opened = max(i for i in range(kvm) if events[i].enters(2) or events[i].enters(257))
    vm = first(events, kvm_call(KVM_CREATE_VM), "KVM_CREATE_VM")
    pit = first(events, kvm_call(KVM_CREATE_PIT2), "KVM_CREATE_PIT2")
    vcpu = first(events, kvm_call(KVM_CREATE_VCPU), "KVM_CREATE_VCPU")
    # The kernel's file is read from its header on; the initrd comes last.
    reads = [i for i in range(pit, vcpu) if events[i].enters(PREADV)]
    if not reads:
        raise TraceError("no preadv between KVM_CREATE_PIT2 and KVM_CREATE_VCPU")
    regs = max(i for i in range(trace.first_run(events)) if events[i].enters(IOCTL, KVM_SET_REGS))
    return [("execve, by the kernel", None), ("program starts: options, files, loop", at(program)),
            ("/dev/kvm: open, capabilities", at(opened)), ("KVM_CREATE_VM", at(vm)),
            ("interrupt controllers, PIT", at(end_of(events, vm))), ("guest memory, consoles", at(end_of(events, pit))),
            ("kernel and initrd into guest memory", at(reads[0])), ("boot data and tables", at(end_of(events, reads[-1]))),
            ("vCPU: created, CPUID, registers", at(vcpu)), ("threads, filters", at(end_of(events, regs)))]


def marks_of_any(events):
    """What every monitor does."""
    vm = first(events, kvm_call(KVM_CREATE_VM), "KVM_CREATE_VM")
    return [("exec to KVM_CREATE_VM", None), ("KVM_CREATE_VM", events[vm].at), ("KVM_CREATE_VM to first instruction", events[end_of(events, vm)].at)]


def marks_of_guest(events, ready_at, has_init):
    """From the first instruction to the process's end. `ready_at`: the guest's line has arrived."""
    run = trace.first_run(events)
    last = max(i for i, e in enumerate(events) if e.name == "sys_exit" and e.call == IOCTL and e.task == events[run].task)
    leave = first(events, lambda e: e.enters(EXIT_GROUP), "exit_group", last)
    marks = [("guest kernel" if has_init else "guest to init's line", events[run].at)]
    if has_init:
        init = first(events, lambda e: e.name == "kvm_mmio" and PAGE_GPA in e.text, "write to the boot timer")
        marks.append(("init to its first line", events[init].at))
    return marks + [("guest ends: command, reset", ready_at), ("monitor ends", events[last].at), ("process torn down", events[leave].at)]


def phases(events, facts, of_mote):
    """The phases of one start. `facts` is what measure.c said of it."""
    start, seen, end = (int(facts[k][0]) / 1e6 for k in ("start_ns", "seen_ns", "end_ns"))
    marks = (marks_of_mote if of_mote else marks_of_any)(events) + marks_of_guest(events, start + seen, of_mote)
    times = [start] + [at for _, at in marks[1:]] + [start + end]
    if times != sorted(times):
        raise TraceError("what should come one after the other does not: " + ", ".join(f"{n} {t - start:.3f}" for (n, _), t in zip(marks, times)))
    return [Phase(name, a - start, b - a) for (name, _), a, b in zip(marks, times, times[1:])]


KLOG = re.compile(r"klog (\d+) (.*)$")
CALLING = re.compile(r"calling +(\S+) @ \d+")
ZERO = re.compile(r"kvm-clock: using sched offset of (\d+) cycles")
RETURNED = re.compile(r"initcall (\S+) returned -?\d+ after (\d+) usecs")


def symbols(path):
    """Address -> name, of a System.map."""
    with open(path, encoding="ascii") as f:
        words = (line.split() for line in f)
        return {int(address, 16): name for address, kind, name in words if kind in "tT"}


def named(text, names):
    """A kernel without kallsyms prints addresses."""
    text = text.partition("+")[0]
    return names.get(int(text, 16), text) if text.startswith("0x") else text


def read_log(lines, names):
    """([Initcall], {what: us of the guest's clock}) of the guest's kernel log: its "begun" initcalls, the "ended" last one,
    the "mark", and "zero": where its clock starts, counted from the VM's making."""
    calls, at = [], {}
    for line in lines:
        if not (m := KLOG.search(line)):
            continue
        us, text = int(m.group(1)), m.group(2)
        if CALLING.match(text):
            at.setdefault("begun", us)
        elif r := RETURNED.match(text):
            at["ended"] = us
            calls.append(Initcall(named(r.group(1), names), us - int(r.group(2)), int(r.group(2))))
        elif z := ZERO.match(text):
            at["zero"] = int(z.group(1)) / 1000
        elif text == "bench-mark":
            at["mark"] = us
    if len(at) != 4:
        raise TraceError(f"the guest's log tells {', '.join(at) or 'nothing'}, expected zero, begun, ended, mark")
    return calls, at


def around_initcalls(events, lines, names):
    """(ms from the first instruction to the first initcall, ms from the last one to init, [Initcall]), of the start with the log.

    KVM may set the guest's clock once, when it finds all vCPUs' TSCs alike: in the testbed it goes back by some ms then. So what is
    early is placed by the clock's beginning, what is late by the mark.
    """
    calls, at = read_log(lines, names)
    seen = first(events, lambda e: e.name == "kvm_mmio" and MARK_GPA in e.text and "write" in e.text, "mark of the guest")
    init = first(events, lambda e: e.name == "kvm_mmio" and PAGE_GPA in e.text, "write to the boot timer")
    vm = first(events, kvm_call(KVM_CREATE_VM), "KVM_CREATE_VM")
    begun = events[vm].at + (at["zero"] + at["begun"]) / 1000
    ended = events[seen].at - (at["mark"] - at["ended"]) / 1000
    return begun - events[trace.first_run(events)].at, events[init].at - ended, calls


def split_guest(found, before, after):
    """The phases with "guest kernel" cut in three."""
    out = []
    for p in found:
        if p.name != "guest kernel":
            out.append(p)
            continue
        middle = p.ms - before - after
        if min(before, middle, after) < 0:
            raise TraceError(f"guest kernel: {p.ms:.3f} ms, but {before:.3f} before its initcalls and {after:.3f} after them")
        out += [Phase("guest kernel: before initcalls", p.start, before), Phase("guest kernel: initcalls", p.start + before, middle),
                Phase("guest kernel: to init", p.start + before + middle, after)]
    return out
