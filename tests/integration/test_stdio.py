# SPDX-License-Identifier: Apache-2.0
"""A command's standard input and output, byte for byte, whoever is on the other side."""
import fcntl
import os
import signal
import struct
import subprocess
import termios
import time

import pytest

from mote import MOTE, TIMEOUT, Mote, Stream, expect, our_init, run, wait_until


KIB, MIB = 1 << 10, 1 << 20
# Every byte of a serial port leaves the guest, and the testbed makes 5,000 to 20,000 of that a second.
MUCH = 96 * KIB if "MOTE_TESTBED" in os.environ else MIB
PIPE = 4 * KIB
ALL_BYTES = bytes(range(256))
# With this the kernel says when it powers off.
SAYS_END = ("--append", "loglevel=5")


def test_every_byte_value_both_ways():
    """And the same again in reverse, so that no byte has the same neighbours twice."""
    data = (ALL_BYTES + ALL_BYTES[::-1]) * 4
    expect(run("run", "--", "cat", input=data), 0, data)


def test_nothing_but_the_command_is_heard():
    """The kernel's last words are an emergency to it, but not to us."""
    result = expect(run("run", "--entropy", "--", "sh", "-c", "echo out; exit 3"), 3, b"out\n")
    assert result.err == b"", result


def test_script_on_standard_input():
    """Without a command the guest's shell reads what we are given, and ends when that ends."""
    expect(run("run", input=b"echo $((6 * 7))\nexit 5\n"), 5, b"42\n")
    expect(run("run", input=b""), 0, b"")


def test_end_of_input():
    expect(run("run", "--", "cat", input=b"x"), 0, b"x")


def test_empty_input():
    expect(run("run", "--", "cat", input=b""), 0, b"")


def test_input_after_the_start():
    """The command gets each piece when it comes, and its answer comes back before the next."""
    with Mote("run", "--", "cat", stdin=subprocess.PIPE) as m:
        at = 0
        for i in range(5):
            m.send(b"line %d\n" % i)
            at = m.out.wait_for(b"line %d\n" % i, start=at).end()
        m.close_stdin()
        expect(m.result(), 0, b"".join(b"line %d\n" % i for i in range(5)))


def test_command_that_does_not_read():
    """More input than anything can hold, and nobody who wants it."""
    expect(run("run", "--", "@exit", "4", input=bytes(MIB)), 4, b"")


def test_much_input(tmp_path):
    """Faster than a serial port is read: nothing may be lost."""
    data = tmp_path / "data"
    assert our_init("@fill", data, MUCH, 21).returncode == 0
    result = run("run", "--", "sh", "-c", f"cat >/f; wc -c </f; /init @verify /f {MUCH} 21",
                 input=data.read_bytes(), timeout=2 * TIMEOUT)
    expect(result, 0, b"%d\n" % MUCH)


def test_much_output(tmp_path):
    data = tmp_path / "data"
    result = expect(run("run", "--", "sh", "-c", f"/init @fill /f {MUCH} 22; cat /f",
                        timeout=2 * TIMEOUT), 0)
    data.write_bytes(result.out)
    assert len(result.out) == MUCH
    assert our_init("@verify", data, MUCH, 22).returncode == 0


def test_input_from_a_file(tmp_path):
    """A regular file is always readable, and must still not overrun the guest."""
    data = tmp_path / "data"
    assert our_init("@fill", data, 20 * KIB, 23).returncode == 0
    with open(data, "rb") as f:
        result = run("run", "--", "cat", stdin=f)
    expect(result, 0, data.read_bytes())


def test_output_to_a_file(tmp_path):
    with open(tmp_path / "out", "wb") as f:
        result = run("run", "--", "echo", "hello", stdout=f)
    assert result.status == 0, result
    assert (tmp_path / "out").read_bytes() == b"hello\n"


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_closed_descriptor(closed):
    """Started with standard input, output or error closed: the other two work, and nothing that we
    open takes the place of the closed one."""
    redirect = ["0<&-", "1>&-", "2>&-"][closed]
    result = run("-c", f'exec "$@" {redirect}', "sh", MOTE, "run", "--", "sh", "-c",
                 "cat; echo hello; exit 5", program="/bin/sh")
    assert result.status == 5, result
    assert result.out == (b"" if closed == 1 else b"hello\n"), result
    assert closed != 2 or result.err == b"", result


def test_standard_error_is_the_console():
    """Kernel messages and the monitor's own never reach standard output."""
    result = run("run", "--append", "loglevel=7", "--", "echo", "hello")
    expect(result, 0, b"hello\n")
    assert b"Linux version " in result.err and b"hello" not in result.err.replace(
        b"echo+hello", b""), result


def small_pipe():
    """A pipe of one page, which is soon full."""
    read_end, write_end = os.pipe()
    assert fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE) == PIPE
    return read_end, write_end


def waiting_bytes(fd):
    """How much a pipe holds that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]


def test_slow_reader_gets_everything(tmp_path):
    """Who reads a little now and then holds the command up, and loses nothing."""
    # More than pipes, rings and buffers on the way hold.
    size = 120 * KIB
    script = f"/init @fill /f {size} 24; cat /f; echo 'the command ends' >/dev/console"
    read_end, write_end = small_pipe()
    with Mote("run", "--", "sh", "-c", script, stdout=write_end) as m:
        os.close(write_end)
        wait_until(lambda: waiting_bytes(read_end) == PIPE, "a full pipe")
        time.sleep(1)
        assert m.running() and b"the command ends" not in m.err.text()
        got = bytearray()
        while piece := os.read(read_end, 1000):
            got += piece
            time.sleep(0.005)
        assert m.wait() == 0
        assert b"the command ends" in m.err.text()
    os.close(read_end)
    (tmp_path / "got").write_bytes(got)
    assert len(got) == size
    assert our_init("@verify", tmp_path / "got", size, 24).returncode == 0


def test_reader_that_reads_only_at_the_end():
    """The guest is gone and the last of its output waits: it is there when somebody reads."""
    size = PIPE + 10000
    read_end, write_end = small_pipe()
    with Mote("run", *SAYS_END, "--", "sh", "-c", f"head -c {size} /dev/zero",
              stdout=write_end) as m:
        os.close(write_end)
        m.err.wait_for(b"reboot: ")
        time.sleep(1)
        assert m.running() and waiting_bytes(read_end) == PIPE
        assert Stream(read_end).finish(TIMEOUT) == bytes(size)
        assert m.wait() == 0


def test_signal_while_waiting_for_the_last_reader():
    """The guest has ended, and whoever should read does not: a signal still ends us."""
    read_end, write_end = small_pipe()
    with Mote("run", *SAYS_END, "--", "sh", "-c", f"head -c {PIPE + 10000} /dev/zero",
              stdout=write_end) as m:
        os.close(write_end)
        m.err.wait_for(b"reboot: ")
        time.sleep(1)
        assert m.running()
        m.signal(signal.SIGTERM)
        assert m.wait(10) == -signal.SIGTERM
    os.close(read_end)


def test_reader_that_goes_away():
    """As in `mote run -- yes | head`: the command may go on, the monitor does not die of it."""
    read_end, write_end = small_pipe()
    with Mote("run", "--", "sh", "-c", "head -c 50000 /dev/zero; exit 9", stdout=write_end) as m:
        os.close(write_end)
        assert os.read(read_end, 100)
        os.close(read_end)
        result = m.result()
    assert result.status == 9, result


def test_console_that_nobody_reads():
    """Without a command the console is standard output: 100 KB of it stall nobody."""
    read_end, write_end = small_pipe()
    script = "MOTE_CMD=sh+-c+head%20-c%20100000%20/dev/zero%20%3E/dev/console;%20exit%200"
    with Mote("run", "--append", script, stdout=write_end) as m:
        os.close(write_end)
        assert m.wait(2 * TIMEOUT) == 0
    os.close(read_end)


def test_kernel_messages_that_nobody_reads():
    """Standard error is a full pipe: the command still runs, and its status still comes."""
    read_end, write_end = small_pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, bytes(4096))
    except BlockingIOError:
        os.set_blocking(write_end, True)
    with Mote("run", "--append", "loglevel=7", "--", "sh", "-c", "echo hello; exit 8",
              stderr=write_end) as m:
        os.close(write_end)
        assert m.wait(2 * TIMEOUT) == 8
        assert m.out.finish(10) == b"hello\n"
    os.close(read_end)


def test_shared_descriptors_keep_their_flags():
    """O_NONBLOCK belongs to the open file, which we share with who started us."""
    ins, outs = os.pipe(), os.pipe()
    with Mote("run", "--", "cat", stdin=ins[0], stdout=outs[1]) as m:
        os.write(ins[1], b"x")
        assert os.read(outs[0], 1) == b"x"
        assert os.get_blocking(ins[0]) and os.get_blocking(outs[1])
        os.close(ins[1])
        assert m.wait() == 0
    assert os.get_blocking(ins[0]) and os.get_blocking(outs[1])
    for fd in (ins[0], *outs):
        os.close(fd)


def test_binary_arguments():
    """Words arrive as they were given: blanks, quotes, every byte that a word can have."""
    odd = bytes(range(1, 256))
    words = ["", "two words", "a'b\"c", "$HOME `id`", "%41+%", odd]
    script = 'for w in "$@"; do printf "%s" "$w" | od -An -tx1 -v | tr -d " \\n"; echo; done'
    result = expect(run("run", "--", "sh", "-c", script, "sh", *words), 0)
    expected = [w if isinstance(w, bytes) else w.encode() for w in words]
    assert result.out.decode().split("\n")[:-1] == [w.hex() for w in expected]
