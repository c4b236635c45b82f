#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the named seeds of fuzz_net: tests/fuzz/seeds_net.py tests/fuzz/corpus/net"""
import os
import struct
import sys

SIZE, TX, WRITE, NEXT, INDIRECT = 16, 0x1000, 2, 1, 4
AVAIL, END = 16 * SIZE, 0x1000 + 0x300


def queue(memory, base, chains):
    """Chains of (address, length, flags), each descriptor after the other."""
    at = 0
    for number, chain in enumerate(chains):
        struct.pack_into("<H", memory, base + AVAIL + 4 + 2 * number, at)
        for i, (gpa, length, flags) in enumerate(chain):
            more = i + 1 < len(chain)
            struct.pack_into("<QIHH", memory, base + 16 * at, gpa, length,
                             flags | (NEXT if more else 0), at + 1 if more else 0)
            at += 1
    struct.pack_into("<H", memory, base + AVAIL + 2, len(chains))


def seed(name, flags, rx=(), tx=()):
    memory = bytearray(END)
    queue(memory, 0, rx)
    queue(memory, TX, tx)
    with open(os.path.join(sys.argv[1], name), "wb") as f:
        f.write(bytes([flags]) + memory.rstrip(b"\0"))


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    small = [[(0x10000 + 0x800 * i, 1526, WRITE)] for i in range(SIZE)]
    frame = [(0x100000, 12, 0), (0x100010, 200, 0)]
    seed("plain", 1, small, [frame, frame])
    seed("unmergeable", 0, [[(0x10000, 12, WRITE), (0x11000, 1600, WRITE)]] * 1, [frame])
    seed("big", 0, [[(0x10000, 65562, WRITE)]])
    seed("tiny-buffers", 3, [[(0x10000 + i, 1 + i, WRITE)] for i in range(SIZE)])
    seed("too-few", 1, [[(0x10000, 2000, WRITE)], [(0x11000, 600, WRITE)]])
    seed("readable", 1, [[(0x10000, 2000, 0)], [(0x11000, 9, 0), (0x11000, 600, WRITE)]] + small[4:])
    seed("short", 1, (), [[(0x100000, 11, 0)], [(0x100000, 12, 0)], [(0x100000, 1, 0)]])
    seed("long", 1, (), [[(0x10000, 0xffff, 0), (0x10000, 0xffff, 0)]])
    seed("writable", 1, (), [[(0x100000, 100, 0), (0x100100, 100, WRITE)]])
    seed("outside", 1, [[(0x20000, 100, WRITE)]], [[(0xfffffffffffff000, 0x2000, 0)]])
    seed("limited", 9, small, [frame] * 6)
    seed("settled", 33, small[:3], [frame])
    seed("stream", 65, small, [frame, frame])
    seed("stream-settled", 97, small[:3], [frame])
    seed("stopped", 17, small[:3], [frame])


main()
