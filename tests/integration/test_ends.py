# SPDX-License-Identifier: Apache-2.0
"""How a microVM can end, and what `mote run` makes of it."""
import pytest

from mote import NO_STATUS, TRIPLE_FAULT, expect, run

NO_COMMAND_END = "the guest ended before its command did"


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_status_of_the_command(status):
    expect(run("run", "--", "sh", "-c", f"echo out; exit {status}"), status, b"out\n")


def test_command_killed_by_a_signal():
    expect(run("run", "--", "sh", "-c", "kill -KILL $$"), 128 + 9, b"")


def test_command_not_found():
    result = expect(run("run", "--", "no-such-command"), 127, b"")
    assert b"no-such-command" in result.err


def test_command_not_executable():
    expect(run("run", "--", "/etc/passwd"), 126, b"")


def test_power_off_without_a_command():
    result = expect(run("run", "--append", "MOTE_CMD=@poweroff"), 0)
    assert b"Power down" in result.out, result


def test_reboot_without_a_command():
    result = expect(run("run", "--append", "MOTE_CMD=@reboot"), 0)
    assert b"Restarting system" in result.out, result


@pytest.mark.parametrize("verb", ["@poweroff", "@reboot"])
def test_end_before_the_command(verb):
    expect(run("run", "--", verb), NO_STATUS, b"", [NO_COMMAND_END])


def test_panic():
    result = expect(run("run", "--", "@panic"), NO_STATUS, b"", [NO_COMMAND_END])
    assert b"Kernel panic - not syncing: Attempted to kill init!" in result.err, result


def test_panic_without_a_command():
    result = expect(run("run", "--append", "MOTE_CMD=@panic"), 0)
    assert b"Kernel panic - not syncing: Attempted to kill init!" in result.out, result


def test_triple_fault():
    """`reboot=t` makes Linux restart by loading an empty interrupt table."""
    expect(run("run", "--append", "reboot=t", "--", "@reboot"), TRIPLE_FAULT, b"",
           ["the guest ended with a triple fault"])


def test_status_counts_even_when_the_end_is_a_triple_fault():
    expect(run("run", "--append", "reboot=t MOTE_END=reset", "--", "@exit", "7"), 7, b"")
