# SPDX-License-Identifier: Apache-2.0
"""The root disk: what the guest wrote is in the image, and nothing else is."""
import hashlib
import os
import shutil
import subprocess

import pytest

from mote import ROOTFS, TIMEOUT, Mote, expect, our_init, run

MIB = 1 << 20


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def e2fs(tool, *args):
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    program = shutil.which(tool, path=path)
    return subprocess.run([program, *args], capture_output=True, text=True, check=False)


def assert_clean(image):
    check = e2fs("e2fsck", "-f", "-n", image)
    assert check.returncode == 0, check.stdout + check.stderr


def test_writable_root(rootfs, tmp_path):
    """Written in one boot, read in the next one and from the host."""
    expect(run("run", "--rootfs", rootfs, "--", "/sbin/init", "@fill", "/root/data", 5 * MIB + 3,
               11), 0, b"")
    assert_clean(rootfs)
    expect(run("run", "--rootfs", rootfs, "--mem", 4096, "--", "/sbin/init", "@verify",
               "/root/data", 5 * MIB + 3, 11), 0, b"")
    copy = str(tmp_path / "data")
    e2fs("debugfs", "-R", f"dump /root/data {copy}", rootfs)
    assert os.path.getsize(copy) == 5 * MIB + 3
    assert our_init("@verify", copy, 5 * MIB + 3, 11).returncode == 0
    assert our_init("@verify", copy, 5 * MIB + 3, 12).returncode == 1


def test_read_only_root(rootfs):
    """The guest knows that it may not write, is not let either, and the image stays the same."""
    before = digest(rootfs)
    script = ("/sbin/init @dev; echo x >/x && echo written;"
              "dd if=/dev/zero of=/dev/vda bs=512 count=1 conv=fsync 2>/dev/null && echo written")
    result = run("run", "--rootfs", rootfs + ":ro", "--", "sh", "-c", script)
    assert result.out.splitlines()[0] == b"vda %d ro" % os.path.getsize(rootfs), result
    assert result.status != 0 and b"written" not in result.out, result
    assert digest(rootfs) == before


def test_read_only_file(rootfs):
    """A file that cannot be written needs ':ro'; with it, it is enough that it can be read."""
    os.chmod(rootfs, 0o444)
    command = ["--", "/bin/echo", "up"]
    everyone = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.getuid() != 0:
        everyone = []
    else:
        # Without the privilege to overrule permissions, root is a user like any other.
        everyone += ["--inh-caps", "-dac_override,-dac_read_search"]
    result = run("run", "--rootfs", rootfs, *command, prefix=everyone)
    expect(result, 152, b"", [f"disk {rootfs}: Permission denied"])
    expect(run("run", "--rootfs", rootfs + ":ro", *command, prefix=everyone), 0, b"up\n")


def test_boot_from_the_disk_alone(rootfs):
    """No initrd: the kernel mounts the disk and starts its init, which gives a shell on the
    console; after `reboot` the image is clean and has what was written."""
    with Mote("run", "--rootfs", rootfs, stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"# ")
        m.send(b"mount | grep ' / '; echo kept >/root/file; echo $((6 * 7))\n")
        m.out.wait_for(b"\r\n42\r\n")
        m.send(b"reboot\n")
        result = m.result()
    expect(result, 0)
    assert b"/dev/root on / type ext4 (rw" in result.out, result
    assert b"Restarting system" in result.out, result
    assert_clean(rootfs)
    assert e2fs("debugfs", "-R", "cat /root/file", rootfs).stdout == "kept\n"


def test_boot_from_the_disk_alone_read_only():
    with Mote("run", "--rootfs", ROOTFS + ":ro", stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"# ")
        m.send(b"mount | grep ' / '; poweroff\n")
        result = m.result()
    expect(result, 0)
    assert b"/dev/root on / type ext4 (ro" in result.out, result


def test_image_of_an_odd_size(tmp_path):
    """What is no whole sector at the end is not there."""
    image = tmp_path / "odd.img"
    image.write_bytes(bytes(1000 * 512 + 100))
    result = run("run", "--rootfs", image, "--append", "MOTE_ROOT=", "--", "@dev")
    assert (result.status, result.out) == (0, b"vda 512000 rw\n"), result


def test_whole_disk_raw(tmp_path):
    """The last sector as well as the first, without a file system in between."""
    image = tmp_path / "raw.img"
    size = 3 * MIB + 512
    image.write_bytes(bytes(size))
    expect(run("run", "--rootfs", image, "--append", "MOTE_ROOT=", "--", "@fill", "/dev/vda", size,
               5, 0), 0, b"")
    assert image.stat().st_size == size
    assert our_init("@verify", image, size, 5).returncode == 0


def test_kill_while_writing(rootfs):
    """SIGKILL is a power cut: the journal makes the image whole again."""
    script = "while :; do /sbin/init @fill /root/f 300000 1; sync; echo round; done"
    with Mote("run", "--rootfs", rootfs, "--", "sh", "-c", script) as m:
        m.out.wait_for(b"round\nround\n")
        m.signal(9)
        assert m.wait() == -9
    # Replays the journal; 0 or 1 is "clean" or "mended", nothing worse.
    assert e2fs("e2fsck", "-f", "-y", rootfs).returncode in (0, 1)
    expect(run("run", "--rootfs", rootfs, "--", "/bin/echo", "up"), 0, b"up\n")


def test_block_device(rootfs):
    """A block device instead of a file, and its own size."""
    if os.getuid() != 0:
        pytest.skip("needs root for a loop device")
    made = subprocess.run(["losetup", "--find", "--show", rootfs], capture_output=True, text=True,
                          check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    loop = made.stdout.strip()
    try:
        result = run("run", "--rootfs", loop, "--", "sh", "-c", "echo x >/root/x; /sbin/init @dev",
                     timeout=2 * TIMEOUT)
        expect(result, 0, b"vda %d rw\n" % os.path.getsize(rootfs))
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
    assert e2fs("debugfs", "-R", "cat /root/x", rootfs).stdout == "x\n"
