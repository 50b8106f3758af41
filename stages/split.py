"""Assigns every sample to train, val or test, whole videos or blocks of time, never neighbours."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from vigil.domain.samples import read_index
from vigil.domain.sides import write_sides
from vigil.domain.splits import assign_splits, count_by_side
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames, Section
from vigil.plumbing.records import write_json
from vigil.plumbing.stages import run_stage


class Params(Section):
    seed: Annotated[int, Field(ge=0)]
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_videos: FileNames
    gap_frames: Annotated[int, Field(ge=0, le=1_000_000)]


def classifier(*, samples: Path, splits: Path, metrics: Path, params: Params) -> None:
    index = read_index(samples)
    sides = assign_splits(index, **params.model_dump())
    with whole(splits) as folder:
        write_sides(sides, folder)
    counts = count_by_side(index, sides)
    write_json(counts, metrics)
    for side, by_label in counts.items():
        print(f"{side}: {by_label}")


if __name__ == "__main__":
    run_stage(classifier)
