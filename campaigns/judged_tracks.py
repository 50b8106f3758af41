"""What the classifier is worth as a judge of tracks, where the detector gives tracks of nobody.

    python campaigns/judged_tracks.py demo
    python campaigns/judged_tracks.py pets ../shared/real/pets09 models

`demo` reads the stored boxes of the stage `watch` and its models, in the folder of the project. For
`pets`, see `joined_tracking.py`; the part that no model saw is measured. The score limits of
`watch.tracking` are multiplied by each of `FACTORS`: with lower limits, the tracker also follows
boxes of the background.

Prints a line for each factor: all tracks and false ones (fewer than half of their boxes have an IoU
of 0.5 with a person), those that are on nobody (on average, people cover less than a tenth of their
boxes), how many of each the classifier refuses, and false tracks an hour and HOTA before and after.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import joined_tracking as pets
import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS, Boxes, pairwise_iou, pairwise_share
from vigil.domain.detections import DETECTION_COLUMNS, Detections
from vigil.domain.detector_score import read_score
from vigil.domain.measures.events import rate_per_hour
from vigil.domain.measures.tracking import join_videos, measure_hota, pair_frames
from vigil.domain.tracking.table import fill_tracks, track_table
from vigil.domain.tracking.tracker import Tracker
from vigil.domain.watched import read_truth
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks.machine import prepare_torch
from vigil.pixels.video.source import Frame
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.watch import Watch
from vigil.watch.frames import read_frames
from vigil.watch.judging import TrackJudge
from vigil.watch.results.findings import DETECTION_TYPES

FACTORS = (1.0, 0.5, 0.25)
ON_PERSON_IOU, FALSE_SHARE, NOBODY_SHARE = 0.5, 0.5, 0.1
Pictures = dict[int, Detections]
"""The boxes of each frame that the detector got, by its number."""


@dataclass(frozen=True)
class Source:
    """A video: its frames, the boxes of its pictures, and the true boxes from a frame on."""

    frames: Callable[[], Iterable[Frame]]
    pictures: Pictures
    truth: pd.DataFrame
    first: int = 0


@dataclass(frozen=True)
class Judged:
    """The tracks of a source from its first measured frame on.

    Attributes:
        tracks: their boxes.
        kinds: `is_false`, `is_nobody` and the `probability` of a person, by `track_id`.
        seconds: the measured time.
    """

    tracks: pd.DataFrame
    kinds: pd.DataFrame
    seconds: float


def judge(source: Source, settings: Watch, score: float, classifier: TrainedClassifier) -> Judged:
    """Tracks the boxes of a source, and judges each track by its crops."""
    tracking = settings.tracking.in_scores(score)
    memory_s = tracking.lost_s + tracking.confirm_s + 2 * settings.detect_every_s
    tracker, boxes = Tracker(tracking), []
    judge = TrackJudge(classifier, settings.judging, memory_s, [settings.judging.person_label])
    times_s = []
    for frame in source.frames():
        times_s.append(frame.time_s)
        judge.add_frame(frame)
        if (found := source.pictures.get(frame.index)) is None:
            continue
        for box in tracker.update(found, frame.index, frame.time_s):
            judge.add_box(box)
            boxes.append(box)
        judge.judge()
    tracks = fill_tracks(track_table(boxes), np.array(times_s))
    tracks = tracks[tracks["frame_index"] >= source.first]
    iou, covered = (
        tracks.assign(value=_largest(tracks, source.truth, measure)).groupby("track_id")["value"]
        for measure in (pairwise_iou, pairwise_share)
    )
    kinds = pd.DataFrame(
        {
            "is_false": iou.apply(lambda one: (one >= ON_PERSON_IOU).mean()) < FALSE_SHARE,
            "is_nobody": covered.mean() < NOBODY_SHARE,
        }
    )
    probabilities = {number: one.probability for number, one in judge.judgements.items()}
    kinds["probability"] = [probabilities[number] for number in kinds.index]
    return Judged(tracks, kinds, times_s[-1] - times_s[source.first])


def _largest(
    tracks: pd.DataFrame, truth: pd.DataFrame, measure: Callable[[Boxes, Boxes], Boxes]
) -> npt.NDArray[np.float64]:
    """The largest overlap of each box with a true box of its frame; 0 without one."""
    by_frame = {index: boxes[CORNERS].to_numpy() for index, boxes in truth.groupby("frame_index")}
    columns = ["frame_index", *CORNERS]
    return np.array(
        [
            measure(np.array([box]), by_frame[index]).max() if index in by_frame else 0.0
            for index, *box in tracks[columns].itertuples(index=False)
        ]
    )


def demo_sources(folder: Path, settings: Watch) -> Iterator[Source]:
    """The watched videos of the demo, in a project's folder."""
    for name, truth in read_truth(folder / "data/demo/watch_truth.json").items():
        table = pd.read_csv(folder / "data/watch" / name / "detections.csv", dtype=DETECTION_TYPES)
        pictures = {index: _detections(rows) for index, rows in table.groupby("frame_index")}
        frames = partial(read_frames, folder / settings.root / name, Fraction(25))
        assert truth.tracks is not None
        yield Source(frames, pictures, truth.tracks)


def _detections(rows: pd.DataFrame) -> Detections:
    label, score, *corners = DETECTION_COLUMNS[1:]
    boxes = rows[corners].to_numpy(float)
    return Detections(boxes, rows[score].to_numpy(float), rows[label].to_numpy(object))


def pets_source(folder: Path, models: Path, settings: Watch) -> Source:
    """The joined parts of PETS 2009, measured from the unseen part on."""
    files = (models / "detector.safetensors", models / "detector.json")
    found = pets.detect(folder, TrainedDetector.from_files(*files), settings)
    every = {index: boxes for index, _, boxes in found}
    truth = pets.truth_of(folder)
    unseen = truth[truth["frame_index"] >= pets.FIRST_UNSEEN]
    return Source(partial(pets.frames_of, folder), every, unseen, pets.FIRST_UNSEEN)


def with_limits(settings: Watch, factor: float) -> Watch:
    """The settings with score limits of the tracker that are multiplied by a factor."""
    names = ("first_score", "least_score", "new_score")
    limits = {name: factor * getattr(settings.tracking, name) for name in names}
    return settings.model_copy(update={"tracking": settings.tracking.model_copy(update=limits)})


def is_kept(judged: Judged, least_probability: float) -> "pd.Series[bool]":
    """Whether the classifier keeps each track; it keeps those that it cannot judge."""
    probability = judged.kinds["probability"].astype(float)
    return (probability >= least_probability) | probability.isna()


def hota(sources: list[Source], tables: list[pd.DataFrame]) -> float:
    """HOTA of tracks over all sources."""
    pairs = [
        pair_frames(source.truth, table) for source, table in zip(sources, tables, strict=True)
    ]
    return float(measure_hota(list(join_videos(pairs))).hota)


def tell(factor: float, sources: list[Source], all_judged: list[Judged], least: float) -> None:
    """Prints the line of a factor."""
    kept = [is_kept(judged, least) for judged in all_judged]
    kinds = pd.concat(
        [one.kinds.assign(is_kept=k) for one, k in zip(all_judged, kept, strict=True)]
    )
    seconds = sum(one.seconds for one in all_judged)
    tables = [one.tracks for one in all_judged]
    after = [
        table[table["track_id"].isin(is_in.index[is_in])]
        for table, is_in in zip(tables, kept, strict=True)
    ]
    groups = {
        "true": ~kinds["is_false"],
        "false": kinds["is_false"],
        "of them on nobody": kinds["is_nobody"],
    }
    counts = [
        f"{int(rows.sum())} {name}, {int((rows & ~kinds['is_kept']).sum())} refused"
        for name, rows in groups.items()
    ]
    rates = []
    for rows in (kinds["is_false"], kinds["is_false"] & kinds["is_kept"]):
        rate = rate_per_hour(int(rows.sum()), seconds)
        assert rate is not None
        rates.append(f"{rate.per_hour:.0f} ({rate.low:.0f} to {rate.high:.0f})")
    print(
        f"limits x {factor:g}: {'; '.join(counts)}; false tracks an hour {' -> '.join(rates)}; "
        f"HOTA {hota(sources, tables):.3f} -> {hota(sources, after):.3f}",
        flush=True,
    )


def main() -> None:
    """Prints a line for each factor."""
    settings = parse_section(Watch, read_params(), "watch")
    prepare_torch()
    models = Path("models" if sys.argv[1] == "demo" else sys.argv[3])
    if sys.argv[1] == "demo":
        sources = list(demo_sources(Path(), settings))
    else:
        sources = [pets_source(Path(sys.argv[2]), models, settings)]
    files = (models / "classifier.safetensors", models / "classifier.json")
    classifier = TrainedClassifier.from_files(*files)
    score = read_score(models / "detector_score.json")
    for factor in FACTORS:
        limited = with_limits(settings, factor)
        judged = [judge(source, limited, score, classifier) for source in sources]
        tell(factor, sources, judged, settings.judging.least_probability)


if __name__ == "__main__":
    main()
