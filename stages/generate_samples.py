"""Cuts sequences of crops of people, and as many of background, from each video."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from vigil.domain.samples.index import BACKGROUND, LABELS, PERSON, array_path, write_index
from vigil.domain.samples.plan import (
    Sample,
    clean,
    index_samples,
    people_sides,
    plan_background,
    plan_people,
    uniform_sides,
)
from vigil.domain.tracks import Track, read_tracks
from vigil.pixels.crops import store_crops
from vigil.pixels.drawing.figures import figure
from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.video.frames import FrameArchive
from vigil.pixels.video.picture import Picture
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Count, FileNames, Section, Seed
from vigil.plumbing.records import write_json
from vigil.plumbing.stages import code_fingerprint, run_stage
from vigil.plumbing.state import fingerprint


class Params(Section):
    seed: Seed
    person_label: str
    num_frames: Annotated[int, Field(ge=1, le=1000)]
    stride_frames: Count
    size_px: Annotated[int, Field(ge=8, le=512)]
    min_side_px: Count
    max_aspect_ratio: Annotated[float, Field(ge=1, le=1000)]
    background_sides: Literal["uniform", "like_people"]
    background_min_side_px: Count
    background_max_side_px: Count
    background_max_tries: Count

    @model_validator(mode="after")
    def _check_sides(self) -> "Params":
        if self.background_min_side_px > self.background_max_side_px:
            raise ValueError(
                "expected background_min_side_px to be at most background_max_side_px, "
                f"got {self.background_min_side_px} and {self.background_max_side_px}"
            )
        return self


def check_sections(sections: Mapping[str, Any]) -> None:
    """The class that samples are of must be one that the annotations may have."""
    label, labels = (
        sections["generate_samples"].person_label,
        sections["interpolate_annotations"].labels,
    )
    if label not in labels:
        raise InputError(
            f"params.yaml: generate_samples.person_label: expected one of "
            f"interpolate_annotations.labels ({listed(labels)}), got {label!r}"
        )


@dataclass(frozen=True)
class Plan:
    """One video's samples, and why others were left out."""

    samples: list[Sample]
    left_out: Counter[str]


def main(
    *,
    frames: Path,
    annotations: Path,
    samples: Path,
    report: Path,
    videos: FileNames,
    params: Params,
) -> None:
    plans = {}
    for video in videos:
        with FrameArchive(frames / f"{video}.zip") as archive:
            tracks = read_tracks(annotations / video / "ieos_vid_labels")
            plans[video] = plan_video(video, tracks, archive, params)
    if not any(plan.samples for plan in plans.values()):
        raise InputError(
            f"{annotations}: expected a track of '{params.person_label}' with boxes on "
            f"{params.num_frames} consecutive frames, found none ({dict(left_out(plans))} left out)"
        )
    memo, code = Memo("generate_samples"), code_fingerprint(main)
    with whole(samples) as folder:
        folder.mkdir()
        for video, plan in plans.items():
            boxes = [[s.first_frame, *s.boxes_px.ravel().tolist()] for s in plan.samples]
            facts = {
                "code": code,
                "frames": file_digest(frames / f"{video}.zip"),
                "boxes": fingerprint({"boxes": boxes}),
                "size_px": params.size_px,
            }
            archive_file = frames / f"{video}.zip"
            make = partial(store_video, plan.samples, archive_file, size_px=params.size_px)
            memo.fetch(facts, make, array_path(folder, video))
        index = pd.concat([index_samples(plan.samples, video) for video, plan in plans.items()])
        write_index(index, folder)
        with whole(report) as report_folder:
            report_folder.mkdir()
            write_report(index, plans, folder, report_folder)
    memo.prune()


def plan_video(video: str, tracks: Sequence[Track], archive: FrameArchive, params: Params) -> Plan:
    """Plans one video's samples; its random numbers do not depend on the other videos."""
    people = [track for track in tracks if track.label == params.person_label]
    facts = archive.facts
    every, reasons = clean(
        plan_people(
            people,
            facts.size_wh,
            num_frames=params.num_frames,
            stride_frames=params.stride_frames,
        ),
        min_side_px=params.min_side_px,
        max_aspect_ratio=params.max_aspect_ratio,
    )
    if not every:
        return Plan([], reasons)
    if params.background_sides == "like_people":
        sides_px = people_sides(every)
    else:
        longest_px = min(params.background_max_side_px, max(facts.size_wh))
        sides_px = uniform_sides(params.background_min_side_px, longest_px)
    rng = np.random.default_rng([params.seed, *video.encode()])
    background = plan_background(
        len(every),
        people,
        facts,
        rng,
        sides_px=sides_px,
        num_frames=params.num_frames,
        max_tries=params.background_max_tries,
        place=video,
    )
    return Plan([*every, *background], reasons)


def store_video(samples: Sequence[Sample], frames: Path, array: Path, size_px: int) -> None:
    """Cuts one video's samples out of its frames."""
    with FrameArchive(frames) as archive:
        store_crops(samples, archive, array, size_px)


def left_out(plans: dict[str, Plan]) -> Counter[str]:
    """Samples left out over all videos, by reason."""
    return sum((plan.left_out for plan in plans.values()), Counter[str]())


def write_report(index: pd.DataFrame, plans: dict[str, Plan], samples: Path, folder: Path) -> None:
    """Counts, size statistics and pictures of what was generated."""
    sizes = index.groupby("label")[["width_px", "height_px"]].describe().round(1)
    content = {
        "num_samples": index["label"].value_counts().to_dict(),
        "num_samples_by_video": {
            video: rows["label"].value_counts().to_dict()
            for video, rows in index.groupby("video", sort=True)
        },
        "left_out": dict(left_out(plans)),
        "size_px": {
            label: {
                side: sizes.loc[label, side].drop("count").to_dict()
                for side in ("width_px", "height_px")
            }
            for label in sizes.index
        },
    }
    write_json(content, folder / "report.json")
    print(f"{content['num_samples']}, left out: {content['left_out'] or 'none'}")
    for side, name in (("width_px", "width"), ("height_px", "height")):
        draw_histogram(
            {label: index.loc[index["label"] == label, side] for label in LABELS},
            folder / f"{name}.png",
            f"Box {name} by class",
            f"{name} (px)",
        )
    ratios = index["height_px"] / index["width_px"]
    draw_histogram(
        {label: ratios[index["label"] == label] for label in LABELS},
        folder / "aspect_ratio.png",
        "Height over width by class",
        "height / width",
    )
    draw_samples(index, samples, folder)


def draw_histogram(
    values: dict[str, "pd.Series[float]"], path: Path, title: str, x_label: str
) -> None:
    """One histogram for each class over common bins."""
    bins = np.histogram_bin_edges(pd.concat(list(values.values())), bins=30)
    with figure(path, title=title, x_label=x_label, y_label="samples") as axes:
        for label, column in values.items():
            axes.hist(column, bins=list(bins), label=label, alpha=0.6)
        axes.legend()


def draw_samples(index: pd.DataFrame, samples: Path, folder: Path, num_shown: int = 10) -> None:
    """A sheet for each class: samples spread over the index, one a row, time to the right."""
    for label in (PERSON, BACKGROUND):
        rows = index[index["label"] == label]
        chosen = rows.iloc[np.linspace(0, len(rows) - 1, min(num_shown, len(rows))).astype(int)]
        pictures: list[Picture] = []
        captions: list[str] = []
        for sample in chosen.itertuples():
            array = np.load(array_path(samples, str(sample.video)), mmap_mode="r")
            pictures.extend(np.asarray(array[sample.row]))
            first = f"{sample.width_px:.0f}x{sample.height_px:.0f}"
            captions.extend([first, *[""] * (len(array[sample.row]) - 1)])
        sheet = tile(pictures, captions, num_columns=array.shape[1])
        write_picture(sheet, folder / f"{label}.png")


if __name__ == "__main__":
    run_stage(main)
