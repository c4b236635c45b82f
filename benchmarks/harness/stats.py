# SPDX-License-Identifier: Apache-2.0
"""Numbers of several runs as one line of a table."""

import math
import statistics


def p99(values):
    """The nearest rank: with fewer than a hundred values it is the largest."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def summary(values):
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "p99": p99(values),
        "runs": len(values),
    }


def table(rows):
    """Rows of cells as text; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(w) for cell, w in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
