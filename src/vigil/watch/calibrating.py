"""Picks `raise_at` from watched normal recordings, with a bound on the alarms: `vigil calibrate`.

The threshold of the alarm comes from clips. At a camera, people come, go and meet, and normal
windows may be above it. The bound is that of `vigil.domain.hourly`. No network runs.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vigil.domain.hourly import BlockThreshold, Footage, footage_of, pick_by_blocks
from vigil.plumbing.errors import FieldError, InputError, shorten
from vigil.plumbing.records import read_json
from vigil.watch.recording import RUN_FILE
from vigil.watch.replaying import changed_settings
from vigil.watch.results.findings import Findings, read_findings

DECIMALS = 3
SAME = ("detect_every_s", "suppression", "window_s", "stride_s", "tracking")
"""Settings that change scores; the alarm's channel `objects` depends on tracks."""
SAME_RULE = ("num_above", "num_windows")


class Calibration(NamedTuple):
    """Settings of `watch.raising`, and their bound.

    Attributes:
        raise_at: the least value with the bound, rounded up.
        clear_at: the same share of `raise_at` as in the watched recordings.
        bound: the bound on the alarms in a new normal block.
    """

    raise_at: float
    clear_at: float
    bound: BlockThreshold

    def describe(self) -> str:
        """The settings and the bound, for people."""
        bound = self.bound
        return (
            f"watch.raising.raise_at={self.raise_at:g} watch.raising.clear_at={self.clear_at:g}\n"
            f"{bound.num_blocks} blocks of {bound.block_s:g} s of normal footage: a new normal "
            f"block raises an alarm with a probability of at most {bound.alarm_probability:.3g}"
        )


def calibrate(folders: Sequence[Path], block_s: float, alarm_probability: float) -> Calibration:
    """The least `raise_at` for which a new normal block raises an alarm rarely enough.

    Args:
        folders: those of watched recordings in which nothing unusual happens.
        block_s: the length of a block; the rest of a recording that fills no block is left out.
        alarm_probability: the largest allowed probability of an alarm in a new normal block.

    Raises:
        InputError: a folder holds no watched recording; recordings are the same, or were watched by
            other models or settings; or there is too little footage.
    """
    if not (math.isfinite(block_s) and block_s > 0):
        raise InputError(f"--block-s: expected a number above 0, got {block_s:g}")
    if not 0 < alarm_probability < 1:
        raise InputError(
            f"--alarm-probability: expected a number above 0 below 1, got {alarm_probability:g}"
        )
    runs = {folder: read_json(folder / RUN_FILE) for folder in folders}
    rule = _common_rule(runs)
    try:
        bound = pick_by_blocks(
            [part for folder in folders for part in _footage(read_findings(folder))],
            block_s=block_s,
            alarm_probability=alarm_probability,
            num_above=rule["num_above"],
            num_windows=rule["num_windows"],
        )
    except FieldError as error:
        raise InputError(f"--alarm-probability: {error.problem}") from None
    steps = 10**DECIMALS
    raise_at = max(math.ceil(bound.value * steps), 1) / steps
    clear_at = math.floor(raise_at * rule["clear_at"] / rule["raise_at"] * steps) / steps
    return Calibration(raise_at, max(clear_at, 1 / steps), bound)


def _footage(findings: Findings) -> list[Footage]:
    scores = findings.scores
    return footage_of(
        scores["start_s"].to_numpy(),
        scores["stop_s"].to_numpy(),
        scores["ratio"].to_numpy(),
        findings.facts.duration_s,
    )


def _common_rule(runs: Mapping[Path, Any]) -> dict[str, Any]:
    """The block `raising` of the settings of all runs.

    Raises:
        InputError: two runs are of the same video, or the scores of two cannot be compared.
    """
    sources: dict[str, Path] = {}
    first: tuple[Path, dict[str, Any], dict[str, Any]] | None = None
    for folder, run in runs.items():
        try:
            source, settings = str(run["source"]["sha256"]), dict(run["settings"])
            own = changed_settings(settings, []).model_dump(mode="json")
            facts = {"models": run["models"], **{name: own[name] for name in SAME}}
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{folder / RUN_FILE}: expected a watched recording, got {shorten(run)}"
            ) from None
        if source in sources:
            raise InputError(f"{folder}: expected other videos, got that of {sources[source]}")
        sources[source] = folder
        rule = dict(own["raising"])
        facts |= {f"raising.{name}": rule[name] for name in SAME_RULE}
        if first is None:
            first = folder, facts, rule
        if differing := [name for name in facts if facts[name] != first[1][name]]:
            raise InputError(
                f"{folder}: expected {differing[0]} as in {first[0]}, got others; watch both again"
            )
    if first is None:
        raise InputError("expected folders of watched recordings, got none")
    return first[2]
