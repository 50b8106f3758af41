"""Compares the values of two sides: a base revision, and ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vigil.plumbing.listed_code import CODE, LISTER

Verdict = Literal["better", "worse", "other", "same"]

LESS_IS_BETTER = ("brier", "false_alarm_rate")
WITHOUT_DIRECTION = ("threshold", "score_threshold")
COUNTS = "num_"
DETAILS = (
    *("intervals_95.", "scorers.", "channels.", "frames.", "by_class.", "by_video.", "_by_"),
    "accuracy.",
)


@dataclass(frozen=True)
class Change:
    """One value on both sides; None if a side does not have it.

    Attributes:
        verdict: `other` if the value changed, and is neither better nor worse.
        is_uncertain: whether ours differs, but is within the base's 95% interval.
    """

    name: str
    base: Any
    ours: Any
    verdict: Verdict
    is_uncertain: bool = False

    @property
    def difference(self) -> float | None:
        """Ours minus base, if both are numbers."""
        if isinstance(self.base, (int, float)) and isinstance(self.ours, (int, float)):
            return self.ours - self.base
        return None


def compare(base: Mapping[str, Any], ours: Mapping[str, Any]) -> list[Change]:
    """All values of both sides: first in the order of ours, then values that only base has."""
    names = [*ours, *(name for name in base if name not in ours)]
    changes = []
    for name in names:
        before, after = base.get(name), ours.get(name)
        verdict = judge(name, before, after)
        low, high = (base.get(f"intervals_95.{name}.{end}") for end in ("low", "high"))
        is_uncertain = (
            verdict in ("better", "worse") and low is not None and high is not None
        ) and low <= after <= high
        changes.append(Change(name, before, after, verdict, is_uncertain))
    return changes


def judge(name: str, base: Any, ours: Any) -> Verdict:
    """Whether a metric became better; its name says which direction is better."""
    if base == ours:
        return "same"
    are_numbers = isinstance(base, (int, float)) and isinstance(ours, (int, float))
    if not are_numbers or not has_direction(name):
        return "other"
    return "better" if (ours < base) == (_last(name) in LESS_IS_BETTER) else "worse"


def has_direction(name: str) -> bool:
    """Whether a larger or a smaller value of a metric is better, rather than neither."""
    last = _last(name)
    return not (last in WITHOUT_DIRECTION or last.startswith(COUNTS) or "intervals" in name)


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def is_detail(name: str) -> bool:
    """Whether a metric is shown in the details, and not in the headline."""
    return any(part in name for part in DETAILS)


def changed_stages(base: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, list[str]]:
    """What differs in each changed stage: `code`, `data`, `params`, `results`.

    `list_code` is left out: what it found is told of the stages that it concerns.
    """
    changed = {}
    for name in [*ours, *(name for name in base if name not in ours)]:
        differing = []
        before, after = base.get(name, {}), ours.get(name, {})
        dependencies = _digests(before, "deps"), _digests(after, "deps")
        paths = {
            path
            for path in dependencies[0].keys() | dependencies[1].keys()
            if dependencies[0].get(path) != dependencies[1].get(path)
        }
        if any(_is_code(path) for path in paths):
            differing.append("code")
        if any(not _is_code(path) for path in paths):
            differing.append("data")
        if before.get("params") != after.get("params"):
            differing.append("params")
        if _digests(before, "outs") != _digests(after, "outs"):
            differing.append("results")
        if differing and name != LISTER:
            changed[name] = differing
    return changed


def _is_code(path: str) -> bool:
    return path.endswith(".py") or path.startswith((f"{CODE}/", "src/")) or path == "stages"


def _digests(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", "") for entry in stage.get(kind, [])}
