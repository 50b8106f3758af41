"""Writes findings as Markdown, for a comment on a pull request."""

import re
from collections.abc import Sequence

from vigil.review.findings import (
    NONE,
    TIMES,
    Findings,
    Row,
    Table,
    metric_table,
    param_table,
    split,
    stage_table,
    time_table,
)

MAX_CHARACTERS = 65_000
"""GitHub accepts comments of up to 65,536; this leaves space for a link to the page."""
MAX_ROWS = (1000, 200, 50, 10)
MAX_CELL = 200


def write_comment(findings: Findings) -> str:
    """The tables only, since a comment cannot hold pictures. Names and values are shown as code.

    Tables are as long as a comment allows. The page holds all rows.
    """
    for max_rows in MAX_ROWS:
        text = _write(findings, max_rows)
        if len(text) <= MAX_CHARACTERS:
            break
    return text


def _write(findings: Findings, max_rows: int) -> str:
    first, *others = findings.summary
    parts = [f"## {_plain(findings.title)}", _plain(first), _list(others)]
    for name, changes in findings.metrics.items():
        headline, details = split(changes)
        if not headline and not details:
            continue
        moved = [change for change in details if change.verdict != "same"]
        parts.append(f"### {name.capitalize()}")
        table = _table(metric_table(headline), max_rows, code=(0,))
        if moved or any(change.verdict != "same" for change in headline):
            parts.append(table)
        else:
            parts.append(_fold("all the same", table))
        if moved:
            more = _table(metric_table(moved), max_rows, code=(0,))
            parts.append(_fold(f"{len(moved)} more", more))
    for heading, table in (
        ("Parameters that differ", _table(param_table(findings.params), max_rows, code=(0, 1, 2))),
        ("Stages that differ", _table(stage_table(findings.stages), max_rows, code=(0,))),
    ):
        parts += [f"### {heading}", table]
    if findings.times:
        parts.append(_fold(TIMES, _table(time_table(findings.times), max_rows, code=(0,))))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, max_rows: int, code: tuple[int, ...]) -> str:
    if not table.rows:
        return "None."
    columns = range(len(table.headings))
    rule = tuple("---:" if column in table.numbers else "---" for column in columns)
    rows = [
        tuple(_code(cell) if column in code else cell for column, cell in enumerate(row))
        for row in table.rows[:max_rows]
    ]
    text = "\n".join(_line(line) for line in [table.headings, rule, *rows])
    num_more = len(table.rows) - len(rows)
    return f"{text}\n\n{num_more} more rows are in the report." if num_more else text


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    """The text as code, in which Markdown, HTML and `@somebody` have no effect."""
    shown = " ".join(text.replace("`", "'").split())
    shown = shown if len(shown) <= MAX_CELL else f"{shown[: MAX_CELL - 1]}…"
    return f"`{shown}`" if shown not in ("", NONE) else shown


def _plain(text: str) -> str:
    """The text without HTML and `@somebody`; an @ within a word (a stage's name) is harmless."""
    return re.sub(r"(?<!\w)@", "@\u2060", text.replace("<", "&lt;"))


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _fold(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"
