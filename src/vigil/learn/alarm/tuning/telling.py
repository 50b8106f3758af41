"""Tells which settings separate pseudo-anomalous clips best: as text, and as a file."""

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from vigil.learn.alarm.tuning.allowed import LEAST_SOURCES, Allowed
from vigil.learn.alarm.tuning.candidates import Candidate, format_changes, format_value
from vigil.learn.alarm.tuning.judging import (
    MEAN,
    TOGETHER,
    Difference,
    Judgement,
    best_of,
    difference,
)
from vigil.learn.alarm.tuning.trying import Pseudo

DECIMALS = 3
PRESENT = "present"
Row = list[str]


def describe(
    candidates: Sequence[Candidate],
    judgements: Sequence[Judgement],
    allowed: Allowed,
    pseudo: Pseudo,
    seed: int,
) -> dict[str, Any]:
    """All results as plain values, rounded.

    Args:
        candidates: the present settings first.
        judgements: of the candidates.
    """
    best = best_of(judgements)
    val = allowed.val
    record: dict[str, Any] = {
        "seed": seed,
        "num_training_clips": int(allowed.train["clip"].nunique()),
        "num_validation_clips": int(val["clip"].nunique()),
        "sources_by_half": [sorted(set(val.loc[val["half"] == half, "source"])) for half in (0, 1)],
        "num_changed_clips": pseudo.num_parts - pseudo.num_still,
        "num_still_clips": pseudo.num_still,
        "num_pseudo_clips": _num_by_kind(pseudo),
        "num_rare_clips": dict(pseudo.num_rare),
        "candidates": [
            {
                "settings": dict(one.changes),
                "auroc": _round(judged.aurocs),
                "caught": _round(judged.caught),
                "false_alarm_rate": _round(judged.false_alarms),
            }
            for one, judged in zip(candidates, judgements, strict=True)
        ],
        "best": best,
    }
    if len(candidates) > 1:
        other = _rival(best, judgements)
        gap = difference(judgements[best], judgements[other])
        record["compared_with"] = other
        record["difference"] = _round(gap._asdict())
        record["is_clear"] = gap.is_clear
    return record


def _rival(best: int, judgements: Sequence[Judgement]) -> int:
    """What the best candidate is compared with: the present settings, or the next best ones."""
    if best != 0:
        return 0
    return 1 + best_of(judgements[1:])


def _num_by_kind(pseudo: Pseudo) -> dict[str, int]:
    clips = pseudo.windows.drop_duplicates("clip")["kind"]
    return {str(kind): int((clips == kind).sum()) for kind in dict.fromkeys(clips)}


def _round(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _round(one) for name, one in value.items()}
    return None if math.isnan(value) else round(value, DECIMALS)


def tell(record: Mapping[str, Any]) -> str:
    """The results as text: the clips, the table of candidates, the channels, and the choice."""
    candidates, best = record["candidates"], record["best"]
    blocks = [_tell_clips(record), _table_of(candidates)]
    shown = dict.fromkeys([0, best])
    blocks += [_channels_of(at, candidates[at], at == best) for at in shown]
    return "\n\n".join([*blocks, _tell_choice(record)])


def _tell_clips(record: Mapping[str, Any]) -> str:
    halves = " and ".join(str(len(names)) for names in record["sources_by_half"])
    kinds = ", ".join(f"{num} {kind}" for kind, num in record["num_pseudo_clips"].items())
    lines = [
        f"allowed clips: {record['num_training_clips']} to learn from, "
        f"{record['num_validation_clips']} in validation (halves of {halves} sources)",
        f"pseudo-anomalous clips from {record['num_changed_clips']} of them: {kinds}",
    ]
    if still := record["num_still_clips"]:
        lines.append(f"nothing moves in {still} of them: nothing was made from these")
    if rare := record["num_rare_clips"]:
        told = ", ".join(f"{num} {kind}" for kind, num in rare.items())
        lines.append(f"from fewer than {LEAST_SOURCES} sources, so not compared: {told}")
    return "\n".join(lines)


def _table_of(candidates: Sequence[Mapping[str, Any]]) -> str:
    # One candidate changes every parameter that has another value than the present one.
    most = max(candidates, key=lambda one: len(one["settings"]))
    names = list(most["settings"])
    kinds = list(candidates[0]["auroc"][TOGETHER])
    head = ["", *[".".join(name.split(".")[-2:]) for name in names], *kinds, "caught", "false"]
    rows = []
    for at, one in enumerate(candidates):
        settings = [
            format_value(one["settings"][name]) if name in one["settings"] else PRESENT
            for name in names
        ]
        numbers = [one["auroc"][TOGETHER][kind] for kind in kinds]
        caught = sum(one["caught"].values()) / len(one["caught"])
        shares = [caught, one["false_alarm_rate"]]
        rows.append([str(at), *settings, *map(_number, [*numbers, *shares])])
    title = (
        "AUROC of all channels together, by kind, against the clips that the kind was made from;\n"
        "the shares of pseudo-anomalous and of allowed clips above the threshold"
    )
    return "\n".join([title, *_align([head, *rows])])


def _channels_of(at: int, candidate: Mapping[str, Any], is_best: bool) -> str:
    kinds = list(candidate["auroc"][TOGETHER])
    rows = [
        [name, *(_number(by_kind[kind]) for kind in kinds)]
        for name, by_kind in candidate["auroc"].items()
        if name != TOGETHER
    ]
    words = [PRESENT] if at == 0 else []
    words += ["best"] if is_best else []
    title = f"AUROC by channel, settings {at} ({', '.join(words)})"
    return "\n".join([title, *_align([["", *kinds], *rows])])


def _tell_choice(record: Mapping[str, Any]) -> str:
    best, candidates = record["best"], record["candidates"]
    mean = candidates[best]["auroc"][TOGETHER][MEAN]
    settings = " ".join(format_changes(candidates[best]["settings"])) or "the present settings"
    first = f"best: {best} ({settings}): mean AUROC {_number(mean)}"
    if "difference" not in record:
        return f"{first}; -S compares other settings"
    gap = Difference(**record["difference"])
    other = record["compared_with"]
    named = f"{other} (present)" if other == 0 else str(other)
    spread = "larger" if record["is_clear"] else "not larger"
    lines = [
        f"{first}, {_number(gap.value)} more than {named}, 95 % interval over sources "
        f"{_number(gap.low)} to {_number(gap.high)}",
        f"the difference is {spread} than the spread over sources",
    ]
    if changes := candidates[best]["settings"]:
        words = " ".join(f"-S {shlex.quote(word)}" for word in format_changes(changes))
        command = f"dvc exp run {words}"
        if not record["is_clear"]:
            command = f"so it is not known to be better; to try it all the same: {command}"
        lines.append(command)
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.{DECIMALS}f}"


def _align(rows: Sequence[Row]) -> list[str]:
    """Columns of equal width: the first to the left, the others to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            word.rjust(width) if at else word.ljust(width)
            for at, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
