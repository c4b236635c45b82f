# SPDX-License-Identifier: Apache-2.0
"""The shell script that a benchmark runs in its place: how each of them begins."""

import os
import shlex

from .place import BenchError


def prologue(files, texts=None, target="bench"):
    """Lines that make a directory in memory, with copies of `files` (name -> path) and files of `texts` (name -> content), and
    go there. It is removed at the end; what else there is to do then, a script puts into its function at_end. `target` is the
    make target that builds the files."""
    for path in files.values():
        if not os.path.exists(path):
            raise BenchError(f"{path} is missing; run 'make {target}'")
    lines = ["set -eu", "d=$(mktemp -d /dev/shm/mote-bench.XXXXXX)", "at_end() { :; }", "trap 'at_end; rm -rf \"$d\"' EXIT"]
    lines += [f'cp -- {shlex.quote(os.path.abspath(path))} "$d/{name}"' for name, path in files.items()]
    lines += [f'printf %s {shlex.quote(text)} >"$d/{name}"' for name, text in (texts or {}).items()]
    return [*lines, 'cd "$d"', 'echo "host $(uname -srv)"']
