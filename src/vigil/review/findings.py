"""The findings of a report, and its tables as rows of text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vigil.review.comparison import Change, has_direction, is_detail

MARKS = {"better": "▲ better", "worse": "▼ worse", "other": "changed", "same": ""}
UNCERTAIN = ", within base's 95% interval"
TIMES = "Seconds of each stage's last run on this machine"
NONE = "-"
MAX_DECIMALS = 9

Row = tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """The differences between a revision and the working folder.

    Attributes:
        base: the revision's name as the user gave it, and its short commit hash.
        metrics: the metrics of each branch of the pipeline.
        params: the parameters that differ.
        stages: what differs in each stage.
        stale: stages that have not run with the present code, data and parameters.
        altered: outputs that were changed after the last run.
        times: seconds of each stage's last run on this machine, in the order of the stages.
    """

    base: tuple[str, str]
    metrics: dict[str, list[Change]]
    params: list[Change]
    stages: dict[str, list[str]]
    stale: list[str]
    altered: list[str]
    times: dict[str, float]

    @property
    def title(self) -> str:
        """The title of the report."""
        return f"Changes compared with {self.base[0]}"

    @property
    def summary(self) -> list[str]:
        """Sentences for the top of the report."""
        lines = [f"Base: {self.base[0]} at {self.base[1]}. Ours: the working folder."]
        for name, changes in self.metrics.items():
            headline, _ = split(changes)
            if not headline:
                continue
            counts = Counter(change.verdict for change in headline if has_direction(change.name))
            words = [f"{counts[kind]} {kind}" for kind in ("better", "worse", "same")]
            lines.append(f"{name.capitalize()}: {', '.join(words)}.")
        lines.append(f"Parameters that differ: {len(self.params)}. Stages: {len(self.stages)}.")
        if self.stale:
            lines.append(
                f"Not run with the present code, data and parameters: {', '.join(self.stale)}. "
                "The results below are from an earlier run."
            )
        if self.altered:
            lines.append(
                f"Changed after the last run: {', '.join(self.altered)}. "
                "The next dvc repro makes them again."
            )
        return lines


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        numbers: the columns that hold numbers.
        kinds: the verdict of each row; empty if rows have no verdict.
    """

    headings: Row
    rows: Sequence[Row]
    numbers: tuple[int, ...] = ()
    kinds: Sequence[str] = ()


def split(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """Splits changes into headline and details."""
    headline: list[Change] = []
    details: list[Change] = []
    for change in changes:
        if change.base is not None or change.ours is not None:
            (details if is_detail(change.name) else headline).append(change)
    return headline, details


def metric_table(changes: Iterable[Change]) -> Table:
    """Metrics of both sides, with a mark for better or worse."""
    changes = list(changes)
    rows = []
    for change in changes:
        base, ours, difference = _numbers(change)
        mark = MARKS[change.verdict] + (UNCERTAIN if change.is_uncertain else "")
        rows.append((change.name, base, ours, difference, mark))
    kinds = [change.verdict for change in changes]
    return Table(("metric", "base", "ours", "change", ""), rows, (1, 2, 3), kinds)


def param_table(changes: Iterable[Change]) -> Table:
    """Parameters of both sides, with all digits."""
    rows = [(change.name, _text(change.base), _text(change.ours)) for change in changes]
    return Table(("parameter", "base", "ours"), rows)


def stage_table(stages: dict[str, list[str]]) -> Table:
    """Stages that changed, and what differs in each."""
    return Table(("stage", "differs in"), [(name, ", ".join(of)) for name, of in stages.items()])


def time_table(times: dict[str, float]) -> Table:
    """Seconds of each stage, and their sum."""
    rows = [(name, f"{seconds:.1f}") for name, seconds in times.items()]
    if times:
        rows.append(("all of these", f"{sum(times.values()):.1f}"))
    return Table(("stage", "seconds"), rows, (1,))


def _numbers(change: Change) -> Row:
    """Both sides and their difference, all with as many decimals as the longer side needs."""
    sides = (change.base, change.ours)
    decimals = max((_decimals(value) for value in sides if value is not None), default=0)
    texts = [
        f"{value:.{decimals}f}" if isinstance(value, float) and decimals else _text(value)
        for value in sides
    ]
    if not change.difference:
        return (*texts, "")
    return (*texts, f"{change.difference:+.{decimals}f}")


def _decimals(value: Any) -> int:
    """The number of decimals of a value; metrics are stored rounded."""
    if not isinstance(value, float):
        return 0
    _, _, after = f"{value:.{MAX_DECIMALS}f}".rstrip("0").partition(".")
    return max(len(after), 1)


def _text(value: Any) -> str:
    return NONE if value is None else str(value)
