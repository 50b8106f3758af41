"""Writes a page on what the working folder changes against a revision: `make report BASE=main`.

`report/index.html` stands by itself, pictures included; `report/report.md` holds its tables, for a
comment on a pull request. Nothing is trained or evaluated: what the last run left is compared.
"""

import argparse
import base64
import html
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from vigil.pixels.figures import PALETTE, figure
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json
from vigil.plumbing.stages import times_folder
from vigil.review.comparison import Change, changed_stages, compare, is_detail
from vigil.review.revisions import (
    METRICS,
    Committed,
    Curve,
    Files,
    WorkingFolder,
    read_curves,
    read_metrics,
    read_params,
    read_stages,
    read_table,
)

PICTURES = {
    "Crops the classifier gets wrong": "metrics/plots/classifier/wrong.png",
    "Pictures the detector is worst on": "metrics/plots/detector/worst.jpg",
    "Anomalous clips that raise no alarm": "metrics/plots/anomaly/misses.jpg",
    "Allowed clips that raise one": "metrics/plots/anomaly/false_alarms.jpg",
}
MARKS = {"better": "▲ better", "worse": "▼ worse", "other": "changed", "same": ""}
NONE = "-"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #8884; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.better td:last-child { color: #1a7f37; } tr.worse td:last-child { color: #cf222e; }
tr.same { opacity: .65; }
figure { margin: 0 1rem 1rem 0; display: inline-block; vertical-align: top; max-width: 31rem; }
figure img { max-width: 100%; background: #fff; }
figcaption { font-size: .85rem; opacity: .8; }
summary { cursor: pointer; }
code { font-size: .9em; }
"""

Row = tuple[str, ...]


def write_report(root: Path, revision: str, folder: Path) -> None:
    """Compares the project in `root` with a revision of it and writes both files.

    Raises:
        InputError: no such revision, or nothing there to compare yet.
    """
    base, ours = Committed(root, revision), WorkingFolder(root)
    before, after = read_metrics(base), read_metrics(ours)
    if not after:
        raise InputError("report: expected metrics of a finished run below metrics/, found none")
    changes = {name: compare(before.get(name, {}), after.get(name, {})) for name in METRICS}
    params = [
        change
        for change in compare(read_params(base), read_params(ours))
        if change.verdict != "same"
    ]
    stages = changed_stages(read_stages(base), read_stages(ours))
    times = _read_times()
    title = f"Against {revision} ({base.commit[:7]})"
    with whole(folder) as partial:
        partial.mkdir()
        (partial / "report.md").write_text(
            _markdown(title, changes, params, stages, times), encoding="utf-8"
        )
        page = _page(title, changes, params, stages, times, base, ours)
        (partial / "index.html").write_text(page, encoding="utf-8")


def _read_times() -> dict[str, float]:
    """Seconds of each stage's last run on this machine."""
    folder = times_folder()
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return {file.stem: read_json(file)["seconds"] for file in files}


def _number(value: Any) -> str:
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _metric_rows(changes: Iterable[Change]) -> list[Row]:
    return [
        (
            change.name,
            _number(change.base),
            _number(change.ours),
            "" if not change.difference else f"{change.difference:+.4g}",
            MARKS[change.verdict],
        )
        for change in changes
    ]


def _split(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Headline and details."""
    details = [change for change in changes if is_detail(change.name)]
    return [change for change in changes if not is_detail(change.name)], details


METRIC_HEADINGS = ("metric", "base", "ours", "change", "")
PARAM_HEADINGS = ("parameter", "base", "ours")
STAGE_HEADINGS = ("stage", "differs in")
TIME_HEADINGS = ("stage", "seconds")


def _other_tables(
    params: Sequence[Change], stages: dict[str, list[str]], times: dict[str, float]
) -> list[tuple[str, Row, list[Row]]]:
    return [
        (
            "Parameters that differ",
            PARAM_HEADINGS,
            [(change.name, _number(change.base), _number(change.ours)) for change in params],
        ),
        (
            "Stages that differ",
            STAGE_HEADINGS,
            [(name, ", ".join(kinds)) for name, kinds in stages.items()],
        ),
        (
            "Times of the last runs on this machine",
            TIME_HEADINGS,
            [(name, f"{seconds:.1f}") for name, seconds in times.items()],
        ),
    ]


def _markdown(
    title: str,
    changes: dict[str, list[Change]],
    params: Sequence[Change],
    stages: dict[str, list[str]],
    times: dict[str, float],
) -> str:
    parts = [f"## {title}"]
    for name, own in changes.items():
        headline, details = _split(own)
        if own:
            parts += [f"### {name}", _markdown_table(METRIC_HEADINGS, _metric_rows(headline))]
        if moved := [change for change in details if change.verdict != "same"]:
            table = _markdown_table(METRIC_HEADINGS, _metric_rows(moved))
            parts.append(f"<details><summary>{len(moved)} more</summary>\n\n{table}\n\n</details>")
    for heading, columns, rows in _other_tables(params, stages, times):
        parts += [f"### {heading}", _markdown_table(columns, rows) if rows else "None."]
    return "\n\n".join(parts) + "\n"


def _markdown_table(headings: Row, rows: Sequence[Row]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def _page(
    title: str,
    changes: dict[str, list[Change]],
    params: Sequence[Change],
    stages: dict[str, list[str]],
    times: dict[str, float],
    base: Files,
    ours: Files,
) -> str:
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for name, own in changes.items():
        if not own:
            continue
        headline, details = _split(own)
        parts += [f"<h2>{name}</h2>", _metric_table(headline)]
        if details:
            parts.append(
                f"<details><summary>{len(details)} more</summary>{_metric_table(details)}</details>"
            )
    for heading, columns, rows in _other_tables(params, stages, times):
        parts.append(f"<h2>{heading}</h2>")
        parts.append(_html_table(columns, rows) if rows else "<p>None.</p>")
    parts += ["<h2>Curves</h2>", *_draw_curves(base, ours)]
    parts += ["<h2>Pictures</h2>", *_show_pictures(base, ours)]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>vigil: {html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _metric_table(changes: Sequence[Change]) -> str:
    kinds = [change.verdict for change in changes]
    return _html_table(METRIC_HEADINGS, _metric_rows(changes), kinds)


def _html_table(headings: Row, rows: Sequence[Row], kinds: Sequence[str] = ()) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headings)
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(
            f"<td{' class=number' if 0 < column < 4 else ''}>{html.escape(cell)}</td>"
            for column, cell in enumerate(row)
        )
        lines.append(f"<tr class='{kinds[number] if kinds else ''}'>{cells}</tr>")
    return f"<table><tr>{head}</tr>\n{chr(10).join(lines)}</table>"


def _draw_curves(base: Files, ours: Files) -> list[str]:
    """One figure for each title: base dashed, ours whole."""
    drawn = []
    for title, curves in groupby(read_curves(ours), lambda curve: curve.title):
        picture = _draw(title, list(curves), base, ours)
        if picture is not None:
            drawn.append(_image(picture, "image/png", title))
    return drawn or ["<p>None.</p>"]


def _draw(title: str, curves: Sequence[Curve], base: Files, ours: Files) -> bytes | None:
    sides = [("base", base, "--"), ("ours", ours, "-")]
    several = len({curve.y for curve in curves}) > 1 or len({curve.path for curve in curves}) > 1
    is_empty = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curve.png"
        x_label, y_label = curves[0].x_label, curves[0].y_label
        with figure(path, title=title, x_label=x_label, y_label=y_label) as axes:
            for number, curve in enumerate(curves):
                for side, files, style in sides:
                    table = read_table(files, curve.path)
                    if table is None or not {curve.x, curve.y} <= set(table.columns):
                        continue
                    is_empty = False
                    name = f"{_what(curve)}, {side}" if several else side
                    axes.plot(
                        table[curve.x],
                        table[curve.y],
                        style,
                        color=PALETTE[number % len(PALETTE)],
                        label=name,
                        marker="." if len(table) < 30 else None,
                        alpha=0.6 if side == "base" else 1.0,
                    )
            if not is_empty:
                axes.legend(fontsize=8)
        return None if is_empty else path.read_bytes()


def _what(curve: Curve) -> str:
    """`train` or `val` of DVCLive's folders, else the column."""
    parent = Path(curve.path).parent.name
    return parent if parent in {"train", "val"} else curve.y


def _show_pictures(base: Files, ours: Files) -> list[str]:
    parts = []
    for title, path in PICTURES.items():
        before, after = base.read(path), ours.read(path)
        if before is None and after is None:
            continue
        parts.append(f"<h3>{html.escape(title)}</h3>")
        kind = "image/png" if path.endswith(".png") else "image/jpeg"
        if before == after and after is not None:
            parts.append(_image(after, kind, "the same on both sides"))
            continue
        for side, content in (("base", before), ("ours", after)):
            if content is not None:
                parts.append(_image(content, kind, side))
    return parts or ["<p>None.</p>"]


def _image(content: bytes, kind: str, caption: str) -> str:
    data = base64.b64encode(content).decode()
    caption = html.escape(caption)
    return (
        f"<figure><img src='data:{kind};base64,{data}' alt='{caption}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def main() -> None:
    """Writes the report of the project in the current folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="main")
    parser.add_argument("--out", type=Path, default=Path("report"))
    words = parser.parse_args()
    try:
        write_report(Path.cwd(), words.base, words.out)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    print(f"{words.out / 'index.html'}, and {words.out / 'report.md'} for a comment")


if __name__ == "__main__":
    main()
