"""How well people are tracked in the three parts of PETS 2009, joined to one video of 795 frames.

    python campaigns/joined_tracking.py ../shared/real/pets09 models [.venv/byte/bin/python]

`models` has a detector that was trained on the first two parts (docs/results.md), its
`detector_score.json`, and a classifier if tracks are to be judged. The third argument is the Python
of an environment with ByteTrack (`bytetrack_boxes.py`), which gets the same boxes.

Prints HOTA, IDF1, MOTA, switches of identity, and false tracks, for the third part, which no model
saw, and for all 795 frames. A person has another identity in each part of the ground truth, so a
track that goes on across a cut is wrong in one of them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.detector import TrainedDetector
from vigil.domain.boxes import CORNERS
from vigil.domain.detections import Detections
from vigil.domain.detector_score import read_score
from vigil.domain.measures.tracking import count_tracking, measure_hota, pair_frames
from vigil.domain.measures.watch import count_false_tracks
from vigil.domain.tracking.table import fill_tracks, track_table
from vigil.domain.tracking.tracker import Tracker
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.networks.machine import prepare_torch
from vigil.pixels.video.source import Frame
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.watch import Watch
from vigil.watch.analysis import EDGE_S
from vigil.watch.frames import read_frames
from vigil.watch.judging import TrackJudge
from vigil.watch.results.findings import detection_table

PARTS = ("window_vid_1.mp4", "window_vid_2.webm", "window_vid_4.avi")
FPS, NUM_FRAMES, SIZE_WH = 10, 265, (480, 360)
FIRST_UNSEEN = 2 * NUM_FRAMES
FALSE_TRACK_SHARE = 0.5
"""A track with a smaller share of its boxes on people is false, as in `evaluate.watch`."""
Pictures = list[tuple[int, float, Detections]]


def frames_of(folder: Path) -> Iterator[Frame]:
    """The frames of all parts, one after the other."""
    for number, part in enumerate(PARTS):
        for frame in read_frames(folder / "videos" / part, Fraction(FPS)):
            index = number * NUM_FRAMES + frame.index
            yield Frame(index, index / FPS, frame.picture)


def truth_of(folder: Path) -> pd.DataFrame:
    """The true boxes; the identities of each part are counted on from those before."""
    content = json.loads((folder / "dense_boxes.json").read_text())
    rows, track_id = [], 0
    for number, part in enumerate(PARTS):
        for boxes in content[Path(part).stem].values():
            track_id += 1
            rows += [(track_id, number * NUM_FRAMES + int(at), *box) for at, box in boxes.items()]
    table = pd.DataFrame(rows, columns=["track_id", "frame_index", *CORNERS])
    table[["x1", "x2"]] = table[["x1", "x2"]].clip(0, SIZE_WH[0])
    table[["y1", "y2"]] = table[["y1", "y2"]].clip(0, SIZE_WH[1])
    return table


def detect(folder: Path, detector: TrainedDetector, settings: Watch) -> Pictures:
    """The boxes in every frame."""
    history, found = detector.history(), []
    for frame in frames_of(folder):
        picture = history.add(np.ascontiguousarray(frame.picture[..., ::-1]), frame.time_s)
        (boxes,) = detector.detect_batch([picture], settings.suppression)
        found.append((frame.index, frame.time_s, boxes))
    return found


def track(pictures: Pictures, settings: Watch, score: float, every_s: float) -> pd.DataFrame:
    """The tracks of boxes; where not every picture is used, with boxes between them."""
    tracker, boxes, due_s = Tracker(settings.tracking.in_scores(score)), [], 0.0
    for index, time_s, found in pictures:
        if time_s >= due_s - EDGE_S:
            boxes += tracker.update(found, index, time_s)
            due_s = time_s + every_s
    return fill_tracks(track_table(boxes), np.array([time_s for _, time_s, _ in pictures]))


def kept(
    folder: Path, classifier: TrainedClassifier, pictures: Pictures, settings: Watch, score: float
) -> set[int]:
    """The tracks of every frame's boxes that the classifier does not refuse."""
    tracking = settings.tracking.in_scores(score)
    memory_s = tracking.lost_s + tracking.confirm_s + 2 / FPS
    tracker = Tracker(tracking)
    judge = TrackJudge(classifier, settings.judging, memory_s, [settings.judging.person_label])
    for frame, (index, time_s, found) in zip(frames_of(folder), pictures, strict=True):
        judge.add_frame(frame)
        for box in tracker.update(found, index, time_s):
            judge.add_box(box)
        judge.judge()
    least = settings.judging.least_probability
    return {
        number
        for number, one in judge.judgements.items()
        if one.probability is None or one.probability >= least
    }


def by_bytetrack(
    python: str, pictures: Pictures, settings: Watch, score: float
) -> dict[str, pd.DataFrame]:
    """The tracks of the same boxes by ByteTrack."""
    limits = settings.tracking.in_scores(score)
    with tempfile.TemporaryDirectory() as place:
        boxes = Path(place) / "boxes.csv"
        detection_table(pictures).to_csv(boxes, index=False)
        script = Path(__file__).with_name("bytetrack_boxes.py")
        words = [boxes, len(pictures), FPS, limits.first_score, place]
        subprocess.run([python, script, *map(str, words)], check=True)
        boxes.unlink()
        return {file.stem: pd.read_csv(file) for file in sorted(Path(place).glob("*.csv"))}


def tell(truth: pd.DataFrame, tables: Mapping[str, pd.DataFrame], first: int) -> None:
    """Prints the measures from a frame on."""
    true = truth[truth["frame_index"] >= first]
    for name, table in tables.items():
        frames = pair_frames(true, table[table["frame_index"] >= first])
        counts, hota = count_tracking(frames), measure_hota(frames)
        num_false = count_false_tracks(frames, FALSE_TRACK_SHARE)
        print(
            f"| {name} | {hota.hota:.3f} | {counts.idf1:.3f} | {counts.mota:.3f} | "
            f"{counts.num_switches} | {num_false} |",
            flush=True,
        )


def main() -> None:
    """Prints a table for the unseen part, and one for all frames."""
    folder, models = Path(sys.argv[1]), Path(sys.argv[2])
    settings = parse_section(Watch, read_params(), "watch")
    prepare_torch()
    detector = TrainedDetector.from_files(models / "detector.safetensors", models / "detector.json")
    score = read_score(models / "detector_score.json")
    pictures = detect(folder, detector, settings)
    tables = {
        "ours, every frame": track(pictures, settings, score, 0.0),
        f"ours, every {settings.detect_every_s} s": track(
            pictures, settings, score, settings.detect_every_s
        ),
    }
    if (models / "classifier.safetensors").exists():
        classifier = TrainedClassifier.from_files(
            models / "classifier.safetensors", models / "classifier.json"
        )
        own = tables["ours, every frame"]
        numbers = kept(folder, classifier, pictures, settings, score)
        tables["ours, every frame, judged"] = own[own["track_id"].isin(numbers)]
    if len(sys.argv) > 3:
        tables |= by_bytetrack(sys.argv[3], pictures, settings, score)
    truth = truth_of(folder)
    for title, first in (("part 4, unseen", FIRST_UNSEEN), ("all 795 frames", 0)):
        print(f"\n{title}\n\n| | HOTA | IDF1 | MOTA | switches | false tracks |")
        print("| --- | --- | --- | --- | --- | --- |")
        tell(truth, tables, first)


if __name__ == "__main__":
    main()
