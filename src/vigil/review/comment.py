"""Findings as Markdown, for a comment on a pull request."""

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


def write_comment(findings: Findings) -> str:
    """Tables alone: a comment cannot hold pictures. Names and values are shown as code."""
    first, *others = findings.summary
    parts = [f"## {_plain(findings.title)}", _plain(first), _list(others)]
    for name, changes in findings.metrics.items():
        headline, details = split(changes)
        if not headline and not details:
            continue
        moved = [change for change in details if change.verdict != "same"]
        parts.append(f"### {name.capitalize()}")
        table = _table(metric_table(headline), code=(0,))
        if moved or any(change.verdict != "same" for change in headline):
            parts.append(table)
        else:
            parts.append(_fold("all the same", table))
        if moved:
            parts.append(_fold(f"{len(moved)} more", _table(metric_table(moved), code=(0,))))
    for heading, table in (
        ("Parameters that differ", _table(param_table(findings.params), code=(0, 1, 2))),
        ("Stages that differ", _table(stage_table(findings.stages), code=(0,))),
    ):
        parts += [f"### {heading}", table]
    if findings.times:
        parts.append(_fold(TIMES, _table(time_table(findings.times), code=(0,))))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, code: tuple[int, ...]) -> str:
    if not table.rows:
        return "None."
    columns = range(len(table.headings))
    rule = tuple("---:" if column in table.numbers else "---" for column in columns)
    rows = [
        tuple(_code(cell) if column in code else cell for column, cell in enumerate(row))
        for row in table.rows
    ]
    return "\n".join(_line(line) for line in [table.headings, rule, *rows])


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    """As code neither Markdown, HTML nor `@somebody` means anything."""
    shown = " ".join(text.replace("`", "'").split())
    return f"`{shown}`" if shown not in ("", NONE) else shown


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("@", "@\u2060")


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _fold(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"
