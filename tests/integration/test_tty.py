# SPDX-License-Identifier: Apache-2.0
"""`mote run` at a terminal: every key reaches the guest, and the terminal is given back on every way
out that can be caught."""
import os
import signal
import termios
import time

import pytest

import kernels
from mote import (BAD_ARGUMENT, BAD_CONFIG, FAILED, INITRD_MIN, NO_STATUS, VMLINUX, guest_file,
                  thread_names, wait_until)
from terminal import LFLAG, Terminal


CTRL_A = b"\x01"
TINY = ["run", "--kernel", guest_file("tiny.elf"), "--initrd", INITRD_MIN]


def hanging(**kwargs):
    """A guest that stands still, with the terminal in raw mode."""
    t = Terminal(*TINY, "--", "hang", **kwargs)
    t.out.wait_for(b"halted")
    t.wait_raw()
    return t


def test_shell_on_the_terminal():
    """The guest sees a terminal of the right kind and size, its editing works, and Ctrl-C ends what
    runs in the guest, not us."""
    with Terminal("run", "--", "sh") as t:
        t.out.wait_for(b"# ")
        assert t.is_raw()
        t.type(b"stty size; echo $TERM; tty\r")
        t.out.wait_for(b"33 99\r\nvt102\r\n/dev/ttyS1\r\n")
        t.type(b"echo abd\x7fc\r")
        t.out.wait_for(b"\r\nabc\r\n")
        t.type(b"sleep 1000\r")
        t.out.wait_for(b"sleep 1000\r\n")
        # Once it sleeps; before, the interrupt would find the shell.
        time.sleep(1)
        t.type(b"\x03")
        at = t.out.wait_for(b"^C").end()
        t.out.wait_for(b"# ", start=at)
        t.type(b"exit 17\r")
        assert t.wait() == 17
        assert t.restored()


def test_console_on_the_terminal():
    """Without a command: a shell on the kernel's console; `poweroff` ends both."""
    with Terminal("run") as t:
        t.out.wait_for(b"# ")
        assert t.is_raw()
        t.type(b"stty size; echo $TERM\r")
        t.out.wait_for(b"\r\n33 99\r\nvt102\r\n")
        t.type(b"poweroff\r")
        assert t.wait() == 0
        assert t.restored()


def test_ctrl_a():
    """Ctrl-A twice is one Ctrl-A, and what follows it by mistake is not lost."""
    with Terminal("run", "--", "sh", "-c", "stty raw -echo; echo ready; head -c 3 | od -An -tx1") as t:
        t.out.wait_for(b"ready")
        t.type(CTRL_A + CTRL_A + CTRL_A + b"q" + b"z")
        t.out.wait_for(b" 01 71 7a")
        assert t.wait() == 0
        assert t.restored()


@pytest.mark.parametrize("command,status", [(["--", "hang"], NO_STATUS),
                                            (["--append", "MOTE_CMD=hang"], 0)])
def test_ctrl_a_x(command, status):
    with Terminal(*TINY, *command) as t:
        t.wait_raw()
        wait_until(lambda: "fc_vcpu 0" in thread_names(t.pid), "a running guest")
        t.type(CTRL_A)
        t.type(b"x")
        assert t.wait(20) == status
        assert t.restored()


def test_ctrl_a_d():
    """Ctrl-Alt-Del as the keyboard sends it: pressed in order, released in reverse."""
    with Terminal(*TINY, "--", "keys") as t:
        t.out.wait_for(b"ready")
        t.type(CTRL_A + b"d")
        assert t.wait(20) == 0
        assert t.out.text().replace(b"\r", b"").split()[-11:] == [
            b"14", b"11", b"e0", b"71", b"e0", b"f0", b"71", b"f0", b"11", b"f0", b"14"]
        assert t.restored()


def test_ctrl_a_d_restarts_our_kernel():
    """Which ends the monitor, since a restart does."""
    with Terminal("run", "--", "sh", "-c", "echo ready; sleep 1000") as t:
        t.out.wait_for(b"ready")
        t.type(CTRL_A + b"d")
        assert t.wait(20) == NO_STATUS
        assert t.restored()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_signal(signum):
    with hanging() as t:
        t.signal(signum)
        assert t.wait(20) == -signum
        assert t.restored()


@pytest.mark.parametrize("signum", [signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS, signal.SIGBUS])
def test_crash_of_the_monitor(signum):
    """Also one that is nobody's plan."""
    with hanging() as t:
        t.signal(signum)
        assert t.wait(20) == (148 if signum == signal.SIGSYS else 128 + signum)
        assert t.restored()


@pytest.mark.parametrize("scenario,status", [("status", 33), ("triple", 122), ("reset", NO_STATUS)])
def test_end_of_the_guest(scenario, status):
    with Terminal(*TINY, "--", scenario) as t:
        assert t.wait() == status
        assert t.restored()


def test_guest_panic():
    with Terminal("run", "--", "@panic") as t:
        assert t.wait() == NO_STATUS
        t.out.wait_for(b"Kernel panic - not syncing: Attempted to kill init!")
        assert t.restored()


def start_failures(tmp_path):
    # As much as the host has: some of that is never huge pages.
    all_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 21 << 1
    cut = kernels.write(tmp_path / "cut", kernels.read(VMLINUX)[:100000])
    return {
        "argument": (["--cpus", "0"], BAD_ARGUMENT),
        "kernel": (["--kernel", cut], BAD_CONFIG),
        "missing": (["--kernel", tmp_path / "none"], BAD_CONFIG),
        "initrd": (["--initrd", "/dev/null"], BAD_CONFIG),
        "memory": (["--mem", "4000000"], BAD_CONFIG),
        "pages": (["--mem", all_mib, "--pages", "hugetlb"], FAILED),
    }


@pytest.mark.parametrize("what", ["argument", "kernel", "missing", "initrd", "memory", "pages"])
def test_start_failure(what, tmp_path):
    """The message ends with a plain line end, on a terminal that shows it as one."""
    args, status = start_failures(tmp_path)[what]
    with Terminal("run", *args) as t:
        assert t.wait() == status
        assert t.restored()
        lines = t.out.wait_for(b"\r\n").string
        assert lines.startswith(b"mote: ") and lines.count(b"\n") == 1, lines


def test_background_job():
    """The terminal belongs to somebody else: it is neither changed nor read, and not waited for."""
    with Terminal(*TINY, "--", "hang", foreground=False) as t:
        t.out.wait_for(b"halted")
        assert t.restored()
        t.type(b"for the shell\n")
        time.sleep(0.5)
        assert t.state() != "T"
        assert os.read(t.slave, 100) == b"for the shell\n"
        t.signal(signal.SIGTERM)
        assert t.wait(20) == -signal.SIGTERM


def test_output_that_is_no_terminal():
    """`mote run -- cmd | less`: keys are cooked, and Ctrl-C is a signal for us."""
    read_end, write_end = os.pipe()
    with Terminal(*TINY, "--", "hang", stdout=write_end) as t:
        os.close(write_end)
        wait_until(lambda: "fc_vcpu 0" in thread_names(t.pid), "a running guest")
        assert t.attrs()[LFLAG] & termios.ISIG
        t.type(b"\x03")
        assert t.wait(20) == -signal.SIGINT
        assert t.restored()
    os.close(read_end)


def test_terminal_that_nobody_reads():
    """The guest floods a screen that stands still (Ctrl-S): it ends all the same."""
    with Terminal(*TINY, "--", "flood", read=False) as t:
        assert t.wait() == 0
        assert t.restored()


def test_terminal_that_goes_away():
    """The window is closed: the shell passes SIGHUP on, and writing to nowhere hurts nobody."""
    with Terminal(*TINY, "--", "hang", read=False) as t:
        wait_until(lambda: "fc_vcpu 0" in thread_names(t.pid), "a running guest")
        t.hang_up()
        assert t.wait(20) == -signal.SIGHUP
