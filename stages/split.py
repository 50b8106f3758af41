"""Assigns samples or pictures to train, val and test: whole videos, blocks of time or strata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vigil.domain.samples import read_index
from vigil.domain.sides import SIDES, write_sides
from vigil.domain.splits import assign_splits, count_by_side
from vigil.plumbing.errors import InputError, listed
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


def check_sections(sections: Mapping[str, Any]) -> None:
    """Videos for testing must be among those of the pipeline."""
    videos, named = sections["dataset"].videos, sections["split"].test_videos
    if unknown := set(named) - set(videos):
        raise InputError(
            f"params.yaml: split.test_videos: expected some of dataset.videos ({listed(videos)}), "
            f"got {listed(unknown)}"
        )


def classifier(*, samples: Path, splits: Path, metrics: Path, params: Params) -> None:
    index = read_index(samples)
    sides = assign_splits(index, **params.model_dump())
    with whole(splits) as folder:
        write_sides(sides, folder)
    counts = count_by_side(index, sides)
    write_json(counts, metrics)
    for side, by_label in counts.items():
        print(f"{side}: {by_label}")


def detector(*, detections: Path, splits: Path, metrics: Path, params: Params) -> None:
    from vigil.domain.detection_splits import assign_pictures, tabulate_sides
    from vigil.domain.detections import read_detections

    found = read_detections(detections)
    sides = assign_pictures(found, **params.model_dump())
    with whole(splits) as folder:
        write_sides(sides, folder)
    table = tabulate_sides(found, sides)
    write_json(table, metrics)
    print(summarise(table))


def summarise(table: dict[str, Any]) -> str:
    """A line on the pictures, one for each class, and one for each side that lacks a class."""
    lines = [f"pictures: {table['pictures']}"]
    for label, by_side in table["by_class"].items():
        shares = ", ".join(
            f"{side} {own['boxes']} ({own['share_of_boxes']:.0%})" for side, own in by_side.items()
        )
        lines.append(f"  boxes of {label}: {shares}")
    for side in SIDES:
        lacking = [name for name, own in table["by_class"].items() if not own[side]["boxes"]]
        if lacking:
            lines.append(f"  warning: no {listed(lacking)} in {side}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(classifier, detector)
