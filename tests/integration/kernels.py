# SPDX-License-Identifier: Apache-2.0
"""Kernel files and initrds made for one test: right ones in other shapes, and wrong ones."""
import importlib.machinery
import importlib.util
import os
import struct
import sys

from mote import INITRD, REPO, VMLINUX

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
PT_LOAD, PT_NOTE = 1, 4
XEN_PHYS32_ENTRY = 18


def _images():
    """kernel-config/images, which knows how to write an initrd."""
    path = os.path.join(REPO, "kernel-config", "images")
    loader = importlib.machinery.SourceFileLoader("images", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("images", loader))
    sys.modules["images"] = module
    loader.exec_module(module)
    return module


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return str(path)


def program_headers(elf):
    """Of each program header its place in the file and its fields."""
    head = EHDR.unpack_from(elf)
    for i in range(head[10]):
        at = head[5] + i * PHDR.size
        yield at, list(PHDR.unpack_from(elf, at))


def without_pvh(path, source=VMLINUX):
    """The kernel with its PVH note made into one that nobody knows, so that only the ELF entry is
    left."""
    elf = bytearray(read(source))
    changed = 0
    for _, (kind, _, offset, _, _, size, _, _) in program_headers(elf):
        at = offset
        while kind == PT_NOTE and at < offset + size:
            name_len, desc_len, note_type = struct.unpack_from("<III", elf, at)
            if note_type == XEN_PHYS32_ENTRY and elf[at + 12:at + 16] == b"Xen\0":
                struct.pack_into("<I", elf, at + 8, 0x4d4f5445)
                changed += 1
            at += 12 + (name_len + 3 & ~3) + (desc_len + 3 & ~3)
    assert changed == 1, f"{source} has {changed} PVH notes"
    return write(path, elf)


def elf_kernel(path, segments=((0x200000, 64),), entry=None, **header):
    """A made-up ELF kernel with zeroes in its segments (address, bytes)."""
    headers, data = b"", b""
    at = EHDR.size + PHDR.size * len(segments)
    for address, size in segments:
        headers += PHDR.pack(PT_LOAD, 5, at + len(data), address, address, size, size, 4096)
        data += bytes(size)
    fields = {"ident": b"\x7fELF\x02\x01\x01" + bytes(9), "type": 2, "machine": 62}
    fields.update(header)
    head = EHDR.pack(fields["ident"], fields["type"], fields["machine"], 1,
                     segments[0][0] if entry is None else entry, EHDR.size, 0, 0, EHDR.size,
                     PHDR.size, len(segments), 0, 0, 0)
    return write(path, head + headers + data)


def initrd_with(path, files):
    """Our initrd and a second archive behind it with `files`: name -> content."""
    images = _images()
    tail = os.fspath(path) + ".tail"
    images.write_cpio(tail, [images.regular(name, data) for name, data in files.items()])
    data = read(INITRD) + read(tail)
    os.unlink(tail)
    return write(path, data)
