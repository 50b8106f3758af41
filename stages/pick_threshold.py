"""Picks the error from which on a clip raises the alarm, by validation clips alone."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vigil.domain.clips.thresholds import CONFIDENCE, Rule, pick
from vigil.domain.splits.sides import VAL
from vigil.plumbing.params import Fraction, Section
from vigil.plumbing.records import read_csv, write_json
from vigil.plumbing.stages import run_stage

ERROR_DTYPES = {"split": str, "is_anomalous": bool, "error": float}


class Params(Section):
    method: Literal["max_validation_error", "quantile", "conformal", "best_f1", "youden"]
    quantile: Fraction
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)]


def main(*, errors: Path, threshold: Path, params: Params) -> None:
    table = read_csv(errors, ERROR_DTYPES)
    val = table[table["split"] == VAL]
    is_anomalous = val["is_anomalous"].to_numpy()
    scores = val["error"].to_numpy()
    picked = pick(Rule(**params.model_dump()), scores[~is_anomalous], scores[is_anomalous])
    uses_anomalous = params.method in {"best_f1", "youden"}
    record = {
        **asdict(picked),
        "rule": params.model_dump(),
        "confidence": CONFIDENCE,
        "picked_on": {
            "allowed_validation_clips": int((~is_anomalous).sum()),
            "anomalous_validation_clips": int(is_anomalous.sum()) if uses_anomalous else 0,
        },
    }
    write_json(record, threshold)
    low, high = picked.false_alarm_rate_low, picked.false_alarm_rate_high
    print(
        f"{params.method}: {picked.value:.6g}; expected of allowed clips above it: "
        f"{picked.expected_false_alarm_rate:.3f} ({low:.3f} to {high:.3f})"
    )


if __name__ == "__main__":
    run_stage(main)
