"""Prints a table of speed and memory against references: `python benchmarks/run.py [section]`.

Sections: extract, engine, loader, epoch, sharded, workers, busy, memory, embed, alarm, detector,
segmenter, exported, watching, no_op, many, damage. The input files are made once, under
`benchmarks/work/`. Ratios are medians over rounds that run both sides in turn.
"""

import argparse
import importlib
import os
import platform

from measure import WORK, Row

SECTIONS = (
    "extract",
    "engine",
    "loader",
    "epoch",
    "sharded",
    "workers",
    "busy",
    "memory",
    "embed",
    "alarm",
    "detector",
    "segmenter",
    "exported",
    "watching",
    "no_op",
    "many",
    "damage",
)
HEADINGS = ("what", "ours", "reference", "ratio", "target", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="section")
    chosen = parser.parse_args().sections or SECTIONS
    WORK.mkdir(exist_ok=True)
    rows: list[Row] = []
    for section in chosen:
        rows.extend(importlib.import_module(section).run())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    print(format_table(rows))


def format_table(rows: list[Row]) -> str:
    lines = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    return row.what, row.ours, row.reference, ratio, row.target, verdict


if __name__ == "__main__":
    main()
