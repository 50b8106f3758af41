"""Writes findings as one self-contained HTML page, with curves and pictures of both sides."""

import base64
import html
import re
import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from vigil.pixels.drawing.figures import PALETTE, figure
from vigil.review.findings import (
    TIMES,
    Findings,
    Table,
    metric_table,
    param_table,
    split,
    stage_table,
    time_table,
)
from vigil.review.revisions import Curve, Files, read_curves, read_table

PICTURES = {
    "Crops the classifier gets wrong": "metrics/plots/classifier/pictures/wrong.png",
    "Pictures the detector is worst on": "metrics/plots/detector/pictures/worst.jpg",
    "Pictures the segmenter is worst on": "metrics/plots/segmenter/pictures/worst.jpg",
    "Alarms, and where their evidence lies": "metrics/plots/alarm/pictures/alarms.jpg",
    "Anomalous clips that raise no alarm": "metrics/plots/alarm/pictures/misses.jpg",
    "Allowed clips that raise one": "metrics/plots/alarm/pictures/false_alarms.jpg",
}
MISSING = {
    "base": "base is neither in git nor in DVC's cache here",
    "ours": "ours is not in the working folder",
}
STYLE = """
:root { color-scheme: light dark; --better: #1a7f37; --worse: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --better: #3fb950; --worse: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #8884; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.better td:last-child { color: var(--better); } tr.worse td:last-child { color: var(--worse); }
tr.same { opacity: .65; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr));
  gap: 1rem; }
figure { margin: 0 0 1rem; overflow-x: auto; }
figure img { max-width: 100%; background: #fff; display: block; }
figure.sheet img { max-width: max(100%, 44rem); }
figcaption { font-size: .85rem; opacity: .8; }
summary { cursor: pointer; }
"""


def write_page(findings: Findings, base: Files, ours: Files) -> str:
    """The whole page, which loads no other files."""
    first, *others = findings.summary
    parts = [f"<h1>{html.escape(findings.title)}</h1>", f"<p>{html.escape(first)}</p>", "<ul>"]
    parts += [*(f"<li>{html.escape(line)}</li>" for line in others), "</ul>"]
    for name, changes in findings.metrics.items():
        headline, details = split(changes)
        if headline or details:
            parts += [f"<h2>{name.capitalize()}</h2>", _table(metric_table(headline))]
        if details:
            num_moved = sum(change.verdict != "same" for change in details)
            summary = f"{len(details)} more, {num_moved} of them changed"
            parts.append(_fold(summary, [_table(metric_table(details))]))
    parts += ["<h2>Parameters that differ</h2>", _table(param_table(findings.params))]
    parts += ["<h2>Stages that differ</h2>", _table(stage_table(findings.stages))]
    if findings.times:
        parts.append(_fold(TIMES, [_table(time_table(findings.times))]))
    parts += ["<h2>Curves</h2>", *_draw_curves(base, ours)]
    parts += ["<h2>Pictures</h2>", *_show_pictures(base, ours)]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>vigil: {html.escape(findings.title)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _table(table: Table) -> str:
    if not table.rows:
        return "<p>None.</p>"
    lines = [_line("th", table.headings, table.numbers)]
    for number, row in enumerate(table.rows):
        kind = table.kinds[number] if table.kinds else ""
        lines.append(_line("td", row, table.numbers, kind))
    return f"<div class='wide'><table>{chr(10).join(lines)}</table></div>"


def _line(tag: str, cells: Sequence[str], numbers: tuple[int, ...], kind: str = "") -> str:
    shown = "".join(
        f"<{tag}{' class=number' if column in numbers else ''}>{_breakable(cell)}</{tag}>"
        for column, cell in enumerate(cells)
    )
    return f"<tr class='{kind}'>{shown}</tr>" if kind else f"<tr>{shown}</tr>"


def _breakable(text: str) -> str:
    """Allows a line break in a name after dots and underscores, for narrow screens."""
    return re.sub(r"([._])(?=[a-z])", r"\1<wbr>", html.escape(text))


def _fold(summary: str, parts: Iterable[str]) -> str:
    return f"<details><summary>{html.escape(summary)}</summary>{chr(10).join(parts)}</details>"


def _draw_curves(base: Files, ours: Files) -> list[str]:
    """One figure for each title: base dashed, ours solid; equal curves are in a folded part."""
    differing: list[str] = []
    same: list[str] = []
    for title, grouped in groupby(read_curves(ours), lambda curve: curve.title):
        curves = list(grouped)
        is_same = all(base.read(curve.path) == ours.read(curve.path) for curve in curves)
        sides = [("base", base, "--"), ("ours", ours, "-")]
        picture = _draw(title, curves, [("", ours, "-")] if is_same else sides)
        if picture is not None:
            (same if is_same else differing).append(_image(picture, "image/png", title, ""))
        differing += [
            f"<p>{html.escape(title)}: {MISSING[side]}</p>"
            for side, files, _ in sides
            if all(files.read(curve.path) is None for curve in curves)
        ]
    parts = []
    if differing:
        parts.append(f"<div class='curves'>{''.join(differing)}</div>")
    if same:
        shown = f"<div class='curves'>{''.join(same)}</div>"
        parts.append(_fold(f"{len(same)} the same on both sides", [shown]))
    return parts or ["<p>None.</p>"]


def _draw(
    title: str, curves: Sequence[Curve], sides: Sequence[tuple[str, Files, str]]
) -> bytes | None:
    several = len({curve.y for curve in curves}) > 1 or len({curve.path for curve in curves}) > 1
    is_empty = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curve.png"
        x_label, y_label = (
            label.replace("_", " ") for label in (curves[0].x_label, curves[0].y_label)
        )
        with figure(path, title=title, x_label=x_label, y_label=y_label) as axes:
            for number, curve in enumerate(curves):
                for side, files, style in sides:
                    table = read_table(files, curve.path)
                    if table is None or not {curve.x, curve.y} <= set(table.columns):
                        continue
                    is_empty = False
                    words = [_curve_label(curve)] if several else []
                    axes.plot(
                        table[curve.x],
                        table[curve.y],
                        style,
                        color=PALETTE[number % len(PALETTE)],
                        label=", ".join([*words, side] if side else words),
                        marker="." if len(table) < 30 else None,
                        alpha=0.6 if side == "base" else 1.0,
                    )
            if not is_empty and axes.get_legend_handles_labels()[1]:
                axes.legend(fontsize=8)
        return None if is_empty else path.read_bytes()


def _curve_label(curve: Curve) -> str:
    """`train` or `val` for a table in DVCLive's folders, otherwise the name of the column."""
    parent = Path(curve.path).parent.name
    return parent if parent in {"train", "val"} else curve.y.replace("_", " ")


def _show_pictures(base: Files, ours: Files) -> list[str]:
    """The sheets at full size, one below the other; side by side they are too small to read."""
    parts = []
    for title, path in PICTURES.items():
        before, after = base.read(path), ours.read(path)
        if before is None and after is None:
            continue
        parts.append(f"<h3>{html.escape(title)}</h3>")
        kind = "image/png" if path.endswith(".png") else "image/jpeg"
        if before == after and after is not None:
            parts.append(_image(after, kind, title, "the same on both sides"))
            continue
        for side, content in (("base", before), ("ours", after)):
            if content is None:
                parts.append(f"<p>{MISSING[side]}</p>")
            else:
                parts.append(_image(content, kind, f"{title}, {side}", side))
    return parts or ["<p>None.</p>"]


def _image(content: bytes, kind: str, alt: str, caption: str) -> str:
    """An embedded picture with its alternative text; a sheet has a caption, and a readable size."""
    data = base64.b64encode(content).decode()
    image = f"<img src='data:{kind};base64,{data}' alt='{html.escape(alt)}'>"
    if not caption:
        return f"<figure>{image}</figure>"
    return f"<figure class='sheet'><figcaption>{html.escape(caption)}</figcaption>{image}</figure>"
