# SPDX-License-Identifier: Apache-2.0
"""The monitors that are measured: where they are, and how each is told to boot the same guest.

Commands name their files as harness.samples copies them: ./mote, ./vmlinux, ./initrd. What is fair
to each peer is argued in README.md.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import zlib

from .place import BenchError

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
    texts: object = lambda guest: {}  # name -> content of files that the command reads

    @property
    def title(self):
        return ", ".join(filter(None, (self.name, self.settings)))


def cmdline(guest):
    """The guest kernel's command line, where the monitor adds nothing."""
    return f"{CMDLINE} {guest.words}".rstrip()


def mote(settings="", options=()):
    def command(guest):
        argv = ["./mote", "run", "--kernel", "./vmlinux", "--initrd", "./initrd"]
        argv += ["--mem", str(guest.mem_mib), "--cpus", str(guest.cpus), *options]
        argv += ["--boot-timer", "--start-time-us", "@START_US@"]
        return argv + (["--append", guest.words] if guest.words else [])

    return Monitor("mote", settings, command, boot_timer=True)


def qemu_microvm(binary, settings, machine):
    def command(guest):
        argv = [binary, "-M", "microvm,accel=kvm," + machine, "-cpu", "host"]
        argv += ["-m", str(guest.mem_mib), "-smp", str(guest.cpus)]
        argv += ["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
        argv += ["-serial", "stdio", "-kernel", "./vmlinux", "-initrd", "./initrd"]
        return argv + ["-append", cmdline(guest)]

    return Monitor("QEMU microvm", settings, command)


def qemu_rows(binary):
    lean = "rtc=off,auto-kernel-cmdline=off,x-option-roms=off"
    # Without ACPI the kernel knows of no IOAPIC (microvm has no MPTable): PIC and PIT stay.
    return [qemu_microvm(binary, "acpi=off", "acpi=off," + lean), qemu_microvm(binary, "acpi=on", "acpi=on,pit=off,pic=off," + lean)]


def kvmtool_rows(binary):
    """It reads no ELF file; the bzImage has the same kernel, compressed."""
    kernel = os.environ.get(KVMTOOL_KERNEL, "")
    if not os.path.isfile(kernel):
        raise BenchError(f"{KVMTOOL_KERNEL} is '{kernel}', expected the bzImage of the kernel (kvmtool reads no ELF file)")

    def command(guest):
        argv = [binary, "run", "--kernel", os.path.abspath(kernel), "--initrd", "./initrd", "--mem", str(guest.mem_mib)]
        return [*argv, "--cpus", str(guest.cpus), "--console", "serial", "--network", "mode=none", "--params", cmdline(guest)]

    return [Monitor("kvmtool", "bzImage", command)]


def firecracker_rows(binary):
    """Without its API: one start, one configuration file."""
    def config(guest):
        text = json.dumps({"boot-source": {"kernel_image_path": "./vmlinux", "initrd_path": "./initrd", "boot_args": cmdline(guest)},
                           "machine-config": {"vcpu_count": guest.cpus, "mem_size_mib": guest.mem_mib}, "drives": []})
        return f"firecracker-{zlib.crc32(text.encode()):08x}.json", text

    def command(guest):
        return [binary, "--no-api", "--config-file", config(guest)[0]]

    return [Monitor("Firecracker", "", command, texts=lambda guest: dict([config(guest)]))]


def cloud_hypervisor_rows(binary):
    def command(guest):
        return [binary, "--kernel", "./vmlinux", "--initramfs", "./initrd", "--cmdline", cmdline(guest), "--cpus", f"boot={guest.cpus}",
                "--memory", f"size={guest.mem_mib}M", "--serial", "tty", "--console", "off"]

    return [Monitor("Cloud Hypervisor", "", command)]


# Name, program, the variable that says where it is, and its rows. README.md argues what is fair to each.
PEERS = (
    ("QEMU microvm", "qemu-system-x86_64", "PEER_QEMU", qemu_rows),
    ("kvmtool", "lkvm", "PEER_KVMTOOL", kvmtool_rows),
    ("Firecracker", "firecracker", "PEER_FIRECRACKER", firecracker_rows),
    ("Cloud Hypervisor", "cloud-hypervisor", "PEER_CLOUD_HYPERVISOR", cloud_hypervisor_rows),
)
KVMTOOL_KERNEL = "PEER_KVMTOOL_KERNEL"


def find(name):
    """Path of the peer called `name`: what its variable says, or else what is in PATH; None when there is none."""
    _, program, variable, _ = next(p for p in PEERS if p[0] == name)
    given = os.environ.get(variable)
    if not given:
        return shutil.which(program)
    if not os.access(given, os.X_OK) or os.path.isdir(given):
        raise BenchError(f"{variable}={given}: expected a program that can be executed")
    return os.path.abspath(given)


def peers():
    """Rows of the peers to measure, and a line about each that is not there."""
    found, absent = [], []
    for name, program, variable, rows in PEERS:
        if binary := find(name):
            found += rows(binary)
        else:
            absent.append(f"{name}: no {program} in PATH; {variable}=FILE names one")
    return found, absent


def versions():
    """What each peer says of its version."""
    return {name: first_line([binary, "--version"]) for name, *_ in PEERS if (binary := find(name))}


def first_line(argv):
    """The first line that a program prints of its version."""
    try:
        out = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (out.splitlines() or ["unknown"])[0]
