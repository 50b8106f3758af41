"""What differs between two sides, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    """One value on both sides; None where a side has none.

    Attributes:
        verdict: `other` where a value changed that is neither good nor bad.
        is_uncertain: whether ours differs, but lies in the 95% interval that base gives for it.
    """

    name: str
    base: Any
    ours: Any
    verdict: Verdict
    is_uncertain: bool = False

    @property
    def difference(self) -> float | None:
        """Ours less base, for numbers."""
        if isinstance(self.base, (int, float)) and isinstance(self.ours, (int, float)):
            return self.ours - self.base
        return None


def compare(base: Mapping[str, Any], ours: Mapping[str, Any]) -> list[Change]:
    """All values of two sides, in the order of ours, then what only base has."""
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
    """Whether a metric got better, by its name."""
    if base == ours:
        return "same"
    known = isinstance(base, (int, float)) and isinstance(ours, (int, float))
    if not known or not has_direction(name):
        return "other"
    return "better" if (ours < base) == (_last(name) in LESS_IS_BETTER) else "worse"


def has_direction(name: str) -> bool:
    """Whether more of a metric, or less, is better."""
    last = _last(name)
    return not (last in WITHOUT_DIRECTION or last.startswith(COUNTS) or "intervals" in name)


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def is_detail(name: str) -> bool:
    """Whether a metric stands below the headline."""
    return any(part in name for part in DETAILS)


def changed_stages(base: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, list[str]]:
    """By stage that ran otherwise: what of it differs: `code`, `data`, `params`, `results`."""
    found = {}
    for name in [*ours, *(name for name in base if name not in ours)]:
        differing = []
        before, after = base.get(name, {}), ours.get(name, {})
        dependencies = _digests(before, "deps"), _digests(after, "deps")
        paths = {
            path
            for path in dependencies[0].keys() | dependencies[1].keys()
            if dependencies[0].get(path) != dependencies[1].get(path)
        }
        if any(path.endswith(".py") or path.startswith("src/") for path in paths):
            differing.append("code")
        if any(not path.endswith(".py") and not path.startswith("src/") for path in paths):
            differing.append("data")
        if before.get("params") != after.get("params"):
            differing.append("params")
        if _digests(before, "outs") != _digests(after, "outs"):
            differing.append("results")
        if differing:
            found[name] = differing
    return found


def _digests(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", "") for entry in stage.get(kind, [])}
