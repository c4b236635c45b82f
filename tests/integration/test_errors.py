# SPDX-License-Identifier: Apache-2.0
"""What cannot work ends at once, with one line that names the thing, the value and what was
expected, and with the status that tells whose fault it was."""
import os
import stat
import struct

import pytest

import kernels
from mote import (BAD_ARGUMENT, BAD_CONFIG, FAILED, INITRD_MIN, MOTE, VMLINUX, expect, guest_file,
                  run)

TINY = guest_file("tiny.elf")


def fails(status, message, *args, **kwargs):
    """Nothing on standard output, one line on standard error."""
    result = run(*args, **kwargs)
    assert (result.status, result.out) == (status, b""), result
    assert result.err.decode() == f"mote: {message}\n", result


# ---- arguments -------------------------------------------------------------------------------------

VALUE_OPTIONS = {
    "kernel": "FILE", "initrd": "FILE", "rootfs": "IMG[:ro]", "disk": "IMG[:ro]...", "cpus": "N", "mem": "MIB",
    "net": "NET[,mac=M][,mtu=N]", "vsock": "PATH[:CID]", "append": "ARGS", "kernel-load": "copy|map", "pages": "thp|small|hugetlb",
    "start-time-us": "US", "seccomp-filter": "FILE",
}
FLAGS = ["entropy", "boot-timer", "help", "no-seccomp", "seccomp-kill", "core-dumps"]
REPEATED = ["disk"]
VALID = {"cpus": "1", "mem": "128", "kernel-load": "copy", "pages": "thp", "start-time-us": "1"}


def test_every_option_is_tested():
    """The lists above are those of --help."""
    text = run("run", "--help").out.decode()
    words = [line.split()[0][2:] for line in text.splitlines() if line.startswith("  --")]
    assert sorted(words) == sorted([*VALUE_OPTIONS, *FLAGS])


@pytest.mark.parametrize("option", VALUE_OPTIONS)
def test_value_missing(option):
    fails(BAD_ARGUMENT, f"option '--{option}' requires a value: {VALUE_OPTIONS[option]}",
          "run", f"--{option}")


@pytest.mark.parametrize("option", [o for o in VALUE_OPTIONS if o not in REPEATED])
def test_given_twice(option):
    words = [f"--{option}", VALID.get(option, "x")]
    fails(BAD_ARGUMENT, f"option '--{option}' was given more than once", "run", *words, *words)


@pytest.mark.parametrize("option", FLAGS)
def test_flag_given_twice(option):
    fails(BAD_ARGUMENT, f"option '--{option}' was given more than once",
          "run", f"--{option}", f"--{option}")


@pytest.mark.parametrize("option", FLAGS)
def test_flag_with_a_value(option):
    fails(BAD_ARGUMENT, f"option '--{option}' takes no value, '1' was given",
          "run", f"--{option}=1")


NUMBERS = {"cpus": (1, 32), "mem": (16, 4294967295), "start-time-us": (1, (2**64 - 1) // 1000)}


@pytest.mark.parametrize("option", NUMBERS)
@pytest.mark.parametrize("value", ["", "0", "-1", "+1", " 1", "1 ", "0x10", "1k", "1.5", "one",
                                   "99999999999999999999", "18446744073709551617"])
def test_number(option, value):
    least, most = NUMBERS[option]
    fails(BAD_ARGUMENT, f"option '--{option}': '{value}', expected a number from {least} to {most}",
          "run", f"--{option}", value)


@pytest.mark.parametrize("option,value", [("cpus", "33"), ("mem", "15"), ("mem", "4294967296")])
def test_number_just_out_of_range(option, value):
    least, most = NUMBERS[option]
    fails(BAD_ARGUMENT, f"option '--{option}': '{value}', expected a number from {least} to {most}",
          "run", f"--{option}={value}")


@pytest.mark.parametrize("option,words", [("kernel-load", "copy, map"),
                                          ("pages", "thp, small, hugetlb")], ids=["load", "pages"])
@pytest.mark.parametrize("value", ["", "Copy", "thp,small"])
def test_word(option, words, value):
    fails(BAD_ARGUMENT, f"option '--{option}': '{value}', expected one of {words}",
          "run", f"--{option}", value)


def test_map_and_huge_pages():
    fails(BAD_ARGUMENT, "option '--kernel-load': 'map', expected copy with --pages hugetlb",
          "run", "--kernel-load", "map", "--pages", "hugetlb")


@pytest.mark.parametrize("word", ["--kernle", "-k", "--cpu", "--cpus2", "---cpus"])
def test_unknown_option(word):
    what = (f"option '{word}' is not known" if word.startswith("--")
            else f"argument '{word}' was not expected here")
    fails(BAD_ARGUMENT, f"{what} (see --help)", "run", word)


def test_stray_word():
    fails(BAD_ARGUMENT, "argument 'echo' was not expected here (see --help)", "run", "echo", "hello")


def test_subcommand():
    fails(BAD_ARGUMENT, "argument 'boot' was not expected here (see --help)", "boot")


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "é"], ids=["tab", "newline", "umlaut"])
def test_append_with_odd_characters(text):
    fails(BAD_ARGUMENT, "option '--append': expected printable ASCII characters only",
          "run", "--append", text)


@pytest.mark.parametrize("length", [0, 256, 5000])
@pytest.mark.parametrize("suffix", ["", ":ro"])
@pytest.mark.parametrize("option", ["rootfs", "disk"])
def test_path_of_an_image(option, length, suffix):
    value = "x" * length + suffix
    if value == ":ro":
        fails(BAD_CONFIG, "disk :ro: No such file or directory", "run", f"--{option}", value)
    else:
        fails(BAD_ARGUMENT, f"option '--{option}': a path of {length} bytes, expected 1 to 255", "run", f"--{option}", value)


def test_too_many_disks(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(512))
    words = ["--disk", path] * 40
    result = run("run", *words)
    assert result.status == BAD_ARGUMENT and len(result.messages) == 1
    assert "one too many, expected at most" in result.messages[0] and str(path) in result.messages[0]


@pytest.mark.parametrize("args", [["--append", "x" * 2048], ["--append", "y" * 2010],
                                  ["--", "echo", "z" * 2000]],
                         ids=["append", "words", "command"])
def test_command_line_too_long(args):
    fails(BAD_CONFIG, "kernel command line: longer than 2047 bytes", "run", *args)


def test_the_longest_command_line_fits():
    """Up to the last byte that Linux has room for, all of it arrives; not one more is taken."""
    fixed = "console=ttyS0 reboot=k panic=-1 quiet 8250.nr_uarts=2 MOTE_TTY=ttyS1 MOTE_CMD=cmdline "
    filler = "f" * (2047 - len(fixed))
    tiny = ["--kernel", TINY, "--initrd", INITRD_MIN, "--", "cmdline"]
    expect(run("run", "--append", filler, *tiny), 0, f"{fixed}{filler}\n".encode())
    fails(BAD_CONFIG, "kernel command line: longer than 2047 bytes",
          "run", "--append", filler + "f", *tiny)


# ---- help ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["--version"]])
def test_help(args):
    result = run(*args)
    assert result.status == 0 and result.err == b"", result
    assert result.out.endswith(b"\n"), result
    assert b"mote" in result.out and all(len(x) <= 100 for x in result.out.splitlines()), result


# ---- kernels ---------------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path):
    """Path of a file to be made into a kernel."""
    return str(tmp_path / "kernel")


def bad_kernel(path, message, *more, status=BAD_CONFIG):
    fails(status, f"kernel {path}: {message}", "run", "--kernel", path, "--initrd", INITRD_MIN, *more)


def test_kernel_missing(kernel):
    bad_kernel(kernel, "No such file or directory")


def test_kernel_is_a_directory(tmp_path):
    bad_kernel(tmp_path, "not a regular file")


def test_kernel_is_a_fifo(kernel):
    """Nobody will ever write to it: this must not wait."""
    os.mkfifo(kernel)
    bad_kernel(kernel, "not a regular file")


def test_kernel_is_a_device():
    bad_kernel("/dev/zero", "not a regular file")


def test_kernel_is_empty(kernel):
    kernels.write(kernel, b"")
    bad_kernel(kernel, "file is empty")


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"\n", b"MZ" + bytes(4000)],
                         ids=["script", "tiny", "exe"])
def test_kernel_is_no_kernel(kernel, content):
    kernels.write(kernel, content)
    start = " ".join(f"{b:02x}" for b in (content + bytes(4))[:4])
    bad_kernel(kernel, f"not a kernel: starts with {start}, expected an ELF or bzImage header")


def test_kernel_for_another_processor(kernel):
    kernels.elf_kernel(kernel, machine=183)
    bad_kernel(kernel, "ELF header: machine is 183, expected 62 (x86-64)")


def test_kernel_for_32_bits(kernel):
    kernels.elf_kernel(kernel, ident=b"\x7fELF\x01\x01\x01" + bytes(9))
    bad_kernel(kernel, "ELF header: class is 1, expected 2 (64 bits)")


def test_kernel_is_an_object_file(kernel):
    kernels.elf_kernel(kernel, type=1)
    bad_kernel(kernel, "ELF header: type is 1, expected 2 or 3 (executable)")


@pytest.mark.parametrize("keep", [5, 60, 100])
def test_truncated_header(kernel, keep):
    kernels.write(kernel, kernels.read(VMLINUX)[:keep])
    result = run("run", "--kernel", kernel, "--initrd", INITRD_MIN)
    assert (result.status, result.out) == (BAD_CONFIG, b""), result
    assert len(result.messages) == 1 and f"kernel {kernel}: " in result.messages[0], result
    assert f"{keep} bytes" in result.messages[0], result


def test_truncated_kernel(kernel):
    """As a download that was cut off leaves it."""
    data = kernels.read(VMLINUX)
    kernels.write(kernel, data[:len(data) // 2])
    result = run("run", "--kernel", kernel, "--initrd", INITRD_MIN)
    assert (result.status, result.out) == (BAD_CONFIG, b""), result
    (message,) = result.messages
    assert message.startswith(f"mote: kernel {kernel}: program header "), result
    assert message.endswith(f"end behind the file ({len(data) // 2} bytes); is it cut off?"), result


def test_truncated_bzimage(kernel):
    data = kernels.read(guest_file("debian/vmlinuz"))
    kernels.write(kernel, data[:len(data) - 4096])
    result = run("run", "--kernel", kernel, "--initrd", INITRD_MIN)
    (message,) = result.messages
    assert result.status == BAD_CONFIG and message.endswith("is it cut off?"), result


def test_old_bzimage(kernel):
    data = bytearray(kernels.read(guest_file("debian/vmlinuz")))
    struct.pack_into("<H", data, 0x206, 0x0203)
    kernels.write(kernel, data)
    bad_kernel(kernel, "bzImage: boot protocol is 2.3, expected at least 2.12")


@pytest.mark.parametrize("at,where", [(0x7ffff00, "0x7ffff00-0x8000f00"),
                                      (0x8000000, "0x8000000-0x8001000"),
                                      (0xc0000000, "0xc0000000-0xc0001000"),
                                      (0x100000000, "0x100000000-0x100001000")])
def test_segment_outside_memory(kernel, at, where):
    kernels.elf_kernel(kernel, segments=[(0x200000, 64), (at, 4096)])
    bad_kernel(kernel, f"program header 1: segment {where} is outside guest memory (128 MiB)")


def test_segment_over_the_tables(kernel):
    kernels.elf_kernel(kernel, segments=[(0x7000, 4096)])
    bad_kernel(kernel, "program header 0: segment 0x7000-0x8000 starts below 0x100000")


def test_segment_that_wraps(kernel):
    kernels.elf_kernel(kernel, segments=[(0xfffffffffffff800, 4096)])
    bad_kernel(kernel, "program header 0: segment 0xfffffffffffff800 of 0x1000 bytes wraps around")


def test_overlapping_segments(kernel):
    kernels.elf_kernel(kernel, segments=[(0x200000, 8192), (0x201000, 4096)])
    bad_kernel(kernel, "program headers 0 and 1 overlap in memory")


def test_entry_nowhere(kernel):
    kernels.elf_kernel(kernel, entry=0x300000)
    bad_kernel(kernel, "ELF entry 0x300000 is in no segment")


def test_kernel_larger_than_memory(kernel):
    kernels.elf_kernel(kernel, segments=[(0x100000, 16 << 20)])
    bad_kernel(kernel, "program header 0: segment 0x100000-0x1100000 is outside guest memory "
               "(16 MiB)", "--mem", 16)


def test_kernel_that_cannot_be_read(kernel):
    kernels.write(kernel, kernels.read(TINY))
    os.chmod(kernel, 0)
    bad_kernel_unprivileged(kernel)


def bad_kernel_unprivileged(path):
    prefix = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.getuid() == 0 else []
    fails(BAD_CONFIG, f"kernel {path}: Permission denied", "run", "--kernel", path, "--initrd",
          INITRD_MIN, prefix=prefix)


# ---- initrds ---------------------------------------------------------------------------------------


def bad_initrd(path, message, *more):
    fails(BAD_CONFIG, f"initrd {path}: {message}", "run", "--initrd", path, *more)


def test_initrd_missing(tmp_path):
    bad_initrd(tmp_path / "none", "No such file or directory")


def test_initrd_is_empty(tmp_path):
    bad_initrd(kernels.write(tmp_path / "empty", b""), "file is empty")


def test_initrd_is_a_directory(tmp_path):
    bad_initrd(tmp_path, "not a regular file")


def test_initrd_too_large(tmp_path):
    """Larger than all of guest memory; sparse, so that it costs nothing."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 200 << 20)
    result = run("run", "--initrd", path)
    assert (result.status, result.out) == (BAD_CONFIG, b""), result
    (message,) = result.messages
    assert message.startswith(f"mote: initrd {path}: 200 MiB does not fit below 0x8000000 ("), result


def test_initrd_that_does_not_fit_beside_the_kernel(tmp_path):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 127 << 20)
    result = run("run", "--initrd", path)
    (message,) = result.messages
    assert message.startswith(f"mote: initrd {path}: 127 MiB does not fit below 0x8000000 ("), result


def test_initrd_that_is_none(tmp_path):
    """The kernel finds no init in it and panics: which is the guest's end, not ours."""
    path = kernels.write(tmp_path / "noise", b"noise" * 1000)
    result = run("run", "--initrd", path)
    assert result.status == 0 and not result.messages, result
    assert b"Kernel panic - not syncing: " in result.out, result


# ---- disks -----------------------------------------------------------------------------------------


def bad_disk(path, message, *more):
    fails(BAD_CONFIG, f"disk {path}: {message}", "run", "--rootfs", path, *more)


def test_disk_missing(tmp_path):
    bad_disk(tmp_path / "none", "No such file or directory")


def test_disk_is_empty(tmp_path):
    bad_disk(kernels.write(tmp_path / "empty", b""), "0 bytes, expected at least one sector of 512")


def test_disk_is_smaller_than_a_sector(tmp_path):
    bad_disk(kernels.write(tmp_path / "small", bytes(511)),
             "511 bytes, expected at least one sector of 512")


def test_disk_is_a_directory(tmp_path):
    path = tmp_path / "dir"
    path.mkdir()
    bad_disk(path, "Is a directory")


def test_disk_is_a_directory_read_only(tmp_path):
    fails(BAD_CONFIG, f"disk {tmp_path}: not a regular file or block device",
          "run", "--rootfs", f"{tmp_path}:ro")


def test_disk_is_a_fifo(tmp_path):
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    bad_disk(path, "not a regular file or block device")


def test_disk_without_a_file_system(tmp_path):
    """The kernel cannot mount it: the guest's end."""
    path = kernels.write(tmp_path / "zero", bytes(1 << 20))
    result = run("run", "--rootfs", path)
    assert result.status == 0 and not result.messages, result
    assert b"Unable to mount root fs" in result.out, result
    result = run("run", "--rootfs", path, "--", "/bin/true")
    assert (result.status, result.out) == (125, b""), result
    assert b"cannot mount /dev/vda as the root directory" in result.err, result


# ---- memory ----------------------------------------------------------------------------------------


def test_more_memory_than_the_host_has():
    host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    fails(BAD_CONFIG, f"guest memory: {host + 1} MiB, expected 16 to {host} MiB",
          "run", "--mem", host + 1)


def test_odd_size_with_huge_pages():
    fails(BAD_CONFIG, "guest memory: 129 MiB, expected an even number with huge pages",
          "run", "--mem", 129, "--pages", "hugetlb")


def test_no_huge_pages():
    with open("/proc/sys/vm/nr_hugepages", encoding="ascii") as f:
        if int(f.read()):
            pytest.skip("this machine has huge pages set aside")
    fails(FAILED, "guest memory: cannot reserve 128 MiB of 2 MiB huge pages: Out of memory",
          "run", "--pages", "hugetlb")


# ---- the host --------------------------------------------------------------------------------------

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def test_no_permission_on_dev_kvm():
    if os.getuid() != 0:
        pytest.skip("needs root to become nobody")
    mode = os.stat("/dev/kvm").st_mode
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        pytest.skip("everybody may open /dev/kvm here")
    fails(FAILED, "/dev/kvm: cannot open for reading and writing: Permission denied",
          "run", prefix=NOBODY)


def test_no_dev_kvm():
    """In a mount namespace of its own, with an empty /dev."""
    if os.getuid() != 0:
        pytest.skip("needs root for a mount namespace")
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"]
    fails(FAILED, "/dev/kvm: cannot open for reading and writing: No such file or directory",
          "run", prefix=hidden, stdin=None)


def test_dev_kvm_is_something_else(tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root for a mount namespace")
    hidden = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /dev/kvm && exec "$@"', "sh"]
    fails(FAILED, "/dev/kvm: API version -25, expected 12", "run", prefix=hidden)


def test_too_few_descriptors():
    """Whatever it was that could not be opened, it is said, and nothing hangs."""
    result = run("-c", 'ulimit -n 12; exec "$@"', "sh", MOTE, "run", "--", "true",
                 program="/bin/sh")
    assert (result.status, result.out) == (FAILED, b""), result
    assert len(result.messages) == 1 and "No file descriptors available" in result.messages[0], result


def test_too_little_address_space():
    result = run("-c", 'ulimit -v 65536; exec "$@"', "sh", MOTE, "run", "--", "true",
                 program="/bin/sh")
    assert (result.status, result.out) == (FAILED, b""), result
    assert result.messages == ["mote: guest memory: cannot reserve 128 MiB: Out of memory"]


def test_too_few_processes():
    """The last of eight vCPU threads cannot be started: the others are taken back."""
    if os.getuid() != 0:
        pytest.skip("needs root to become a user without processes")
    result = run("-c", 'exec prlimit --nproc=4 "$@"', "sh",
                 "setpriv", "--reuid", "54321", "--regid", "54321", "--groups",
                 str(os.stat("/dev/kvm").st_gid), MOTE, "run", "--cpus", 8, "--", "true",
                 program="/bin/sh")
    if any("/dev/kvm: cannot open" in m for m in result.messages):
        pytest.skip("the group of /dev/kvm may not open it here")
    assert (result.status, result.out) == (FAILED, b""), result
    (message,) = result.messages
    assert message.endswith("cannot start its thread: Resource temporarily unavailable"), result


def test_installed_without_a_guest(tmp_path):
    """A program alone says where it looked for its kernel."""
    program = tmp_path / "mote"
    program.write_bytes(kernels.read(MOTE))
    program.chmod(0o755)
    where = os.path.realpath(tmp_path)
    fails(BAD_CONFIG, f"vmlinux: not found in {where}/guest or {where}/../share/mote: run 'make', "
          "or name one", "run", program=str(program))


def test_nothing_is_left_in_the_working_directory(tmp_path):
    expect(run("run", "--", "true", cwd=tmp_path), 0)
    assert os.listdir(tmp_path) == []
