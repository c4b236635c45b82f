#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of fuzz_loader, small kernels of each kind, into tests/fuzz/corpus/loader.

The fuzzer has 256 KiB of memory from 1 MiB on, so that is where they go.
"""
import os
import struct

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "loader")
RAM = 0x100000
PT_LOAD, PT_NOTE = 1, 4


def note(name, kind, desc, align=4):
    def pad(b):
        return b + bytes(-len(b) % align)
    name = name.encode() + b"\0"
    head = struct.pack("<III", len(name), len(desc), kind)
    return pad(pad(head + name) + desc)


def elf(segments, notes=b"", entry=RAM + 0x10, kind=2, note_align=4):
    """segments: (guest address, bytes, size in memory)"""
    headers = []
    off = 64 + 56 * (len(segments) + bool(notes))
    data = b""
    if notes:
        headers.append(struct.pack("<IIQQQQQQ", PT_NOTE, 4, off, 0, 0, len(notes), len(notes),
                                   note_align))
        data += notes
    for gpa, content, memsz in segments:
        # At the same place in its page in the file and in memory, as LOAD_MAP wants it.
        at = off + len(data)
        at += (gpa - at) % 0x1000
        data += bytes(at - off - len(data)) + content
        headers.append(struct.pack("<IIQQQQQQ", PT_LOAD, 5, at, 0, gpa, len(content), memsz, 0x1000))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, entry, 64, 0, 0, 64, 56,
                               len(headers), 64, 0, 0) + b"".join(headers) + data


def bzimage(payload, pref=RAM + 0x4000, init_size=0x8000, version=0x20f, relocatable=1, sects=1):
    head = bytearray((sects + 1) * 512)
    struct.pack_into("<B", head, 0x1f1, sects)
    struct.pack_into("<I", head, 0x1f4, (len(payload) + 15) // 16)
    struct.pack_into("<HBB4sH", head, 0x1fe, 0xaa55, 0xeb, 0x6a, b"HdrS", version)
    head[0x211] = 1
    struct.pack_into("<IIBBHI", head, 0x22c, 0x7fffffff, 0x2000, relocatable, 13, 0x3f, 2047)
    struct.pack_into("<QI", head, 0x258, pref, init_size)
    return bytes(head) + payload


def main():
    pvh = note("Xen", 18, struct.pack("<Q", RAM + 0x10))
    code = bytes(range(256))
    seeds = {
        "elf-pvh": elf([(RAM, code, 0x1000)], pvh),
        "elf-pvh-4": elf([(RAM, code, 256)], note("Xen", 18, struct.pack("<I", RAM + 0x10))),
        "elf-linux64": elf([(RAM, code, 0x200)]),
        "elf-notes": elf([(RAM, code, 256)], note("GNU", 3, bytes(20)) + note("Linux", 1, b"x") + pvh),
        "elf-notes-8": elf([(RAM, code, 256)], note("GNU", 5, b"abcd", 8) +
                           note("Xen", 18, struct.pack("<Q", RAM + 0x10), 8), note_align=8),
        "elf-segments": elf([(RAM, code, 256), (RAM + 0x1080, code * 20, 0x3000),
                             (RAM + 0x1f000, code * 4, 0x2000)], pvh, kind=3),
        "elf-pages": elf([(RAM, code * 40, 0x4000)], entry=RAM),
        "elf-overlap": elf([(RAM, code, 0x2000), (RAM + 0x1000, code, 0x1000)]),
        "elf-high": elf([(1 << 32, code, 256)], entry=1 << 32),
        "elf-no-memory": elf([(RAM, code, 256), (1 << 40, code, 0)]),
        "elf-cut": elf([(RAM, code, 0x1000)], pvh)[:-100],
        "bzimage": bzimage(code * 4),
        "bzimage-moved": bzimage(code * 4, pref=0x1000000),
        "bzimage-fixed": bzimage(code * 4, pref=0x1000000, relocatable=0),
        "bzimage-old": bzimage(code * 4, version=0x20b),
        "bzimage-2.12": bzimage(code * 3 + b"x", version=0x20c, sects=4),
        "script": b"#!/bin/sh\n",
    }
    os.makedirs(OUT, exist_ok=True)
    for name, content in seeds.items():
        with open(os.path.join(OUT, name), "wb") as f:
            f.write(content)


if __name__ == "__main__":
    main()
