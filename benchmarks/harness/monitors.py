# SPDX-License-Identifier: Apache-2.0
"""The monitors that are measured: where they are, and how each is told to boot the same guest.

Commands name their files as harness.samples copies them: ./mote, ./vmlinux, ./initrd. What is fair
to each peer is argued in README.md.
"""

import dataclasses
import shutil
import subprocess

CMDLINE = "console=ttyS0 reboot=k panic=-1 quiet"


@dataclasses.dataclass
class Guest:
    """What is booted."""

    cpus: int = 1
    mem_mib: int = 128
    words: str = ""  # added to the kernel's command line


@dataclasses.dataclass
class Monitor:
    """A monitor as one row of a table measures it."""

    name: str
    settings: str  # what is special about this row, in a few words
    command: object  # function of a Guest that returns the argument vector
    boot_timer: bool = False  # says when the guest's first instruction and init were reached


def mote(settings="", options=()):
    def command(guest):
        argv = ["./mote", "run", "--kernel", "./vmlinux", "--initrd", "./initrd"]
        argv += ["--mem", str(guest.mem_mib), "--cpus", str(guest.cpus), *options]
        argv += ["--boot-timer", "--start-time-us", "@START_US@"]
        return argv + (["--append", guest.words] if guest.words else [])

    return Monitor("mote", settings, command, boot_timer=True)


def qemu_microvm(settings, machine):
    binary = find_qemu()

    def command(guest):
        argv = [binary, "-M", "microvm,accel=kvm," + machine, "-cpu", "host"]
        argv += ["-m", str(guest.mem_mib), "-smp", str(guest.cpus)]
        argv += ["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
        argv += ["-serial", "stdio", "-kernel", "./vmlinux", "-initrd", "./initrd"]
        return argv + ["-append", f"{CMDLINE} {guest.words}".rstrip()]

    return Monitor("QEMU microvm", settings, command)


def find_qemu():
    return shutil.which("qemu-system-x86_64")


def first_line(argv):
    """The first line that a program prints of its version."""
    try:
        out = subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (out.splitlines() or ["unknown"])[0]


def peers():
    """Peers to measure, and a line about each that is not there."""
    absent = []
    found = []
    lean = "rtc=off,auto-kernel-cmdline=off,x-option-roms=off"
    if find_qemu():
        # Without ACPI the kernel knows of no IOAPIC (microvm has no MPTable): PIC and PIT stay.
        found.append(qemu_microvm("acpi=off", "acpi=off," + lean))
        found.append(qemu_microvm("acpi=on", "acpi=on,pit=off,pic=off," + lean))
    else:
        absent.append("QEMU microvm: no qemu-system-x86_64 in PATH (Debian: qemu-system-x86)")
    return found, absent
