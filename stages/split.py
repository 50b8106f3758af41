"""Assigns samples, pictures and clips to train, val and test, never neighbours apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vigil.domain.splits.sides import SIDES, write_sides
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames, Section, Seed
from vigil.plumbing.records import write_json
from vigil.plumbing.stages import run_stage

DEMO_CLIPS = Path("data/demo/clips")


class Params(Section):
    seed: Seed
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_videos: FileNames
    gap_frames: Annotated[int, Field(ge=0, le=1_000_000)]
    anomalous_val_fraction: Annotated[float, Field(ge=0, lt=1)]


def check_sections(sections: Mapping[str, Any]) -> None:
    """Videos for testing must be among those of the pipeline, and clips those of its own data."""
    dataset, named = sections["dataset"], sections["split"].test_videos
    if unknown := set(named) - set(dataset.videos):
        raise InputError(
            "params.yaml: split.test_videos: expected some of dataset.videos "
            f"({listed(dataset.videos)}), got {listed(unknown)}"
        )
    # Clips are named by themselves, since many have videos without clips or clips alone. Who points
    # root at a folder with both hardly means to raise an alarm about the demo.
    own = Path(dataset.root) / "clips"
    if Path(dataset.clips) == DEMO_CLIPS != own and own.is_dir():
        raise InputError(
            f"params.yaml: dataset.clips: expected {own.as_posix()}, as dataset.root holds clips "
            f"of its own, got those of the demo"
        )


def classifier(*, samples: Path, splits: Path, metrics: Path, params: Params) -> None:
    from vigil.domain.samples.index import read_index
    from vigil.domain.splits.classifier import assign_splits, count_by_side

    index = read_index(samples)
    sides = assign_splits(index, **params.model_dump(exclude={"anomalous_val_fraction"}))
    with whole(splits) as folder:
        write_sides(sides, folder)
    _write_counts(count_by_side(index, sides), metrics)


def anomaly(
    *,
    clips: Path,
    splits: Path,
    metrics: Path,
    anomalous_classes: FileNames,
    clip_group_pattern: str,
    params: Params,
) -> None:
    from vigil.domain.clips.folders import list_clips
    from vigil.domain.splits.alarm import assign_clips, count_clips
    from vigil.pixels.sheets.clip_figures import draw_clip_counts

    table = list_clips(clips, anomalous_classes=anomalous_classes, group_pattern=clip_group_pattern)
    sides = assign_clips(table, **params.model_dump(exclude={"test_videos", "gap_frames"}))
    counts = count_clips(table, sides)
    with whole(splits) as folder:
        write_sides(sides, folder)
        draw_clip_counts(counts, anomalous_classes, folder / "clips.png")
    _write_counts(counts, metrics)


def _write_counts(counts: dict[str, dict[str, int]], metrics: Path) -> None:
    write_json(counts, metrics)
    for side, by_label in counts.items():
        print(f"{side}: {by_label}")


def detector(*, detections: Path, splits: Path, metrics: Path, params: Params) -> None:
    from vigil.domain.pictures.annotated import read_detections
    from vigil.domain.splits.detector import assign_pictures, tabulate_sides

    found = read_detections(detections)
    sides = assign_pictures(found, **params.model_dump(exclude={"anomalous_val_fraction"}))
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
        lines.append(f"  boxes of {listed([label])}: {shares}")
    for side in SIDES:
        lacking = [name for name, own in table["by_class"].items() if not own[side]["boxes"]]
        if lacking:
            lines.append(f"  warning: no {listed(lacking)} in {side}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(classifier, detector, anomaly)
