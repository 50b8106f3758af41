"""The errors of the detector on untouched pictures and videos, to compare trainings by.

After each experiment, in the folder of the project:

    dvc exp run evaluate@detector evaluate@watch -S train_detector.ohem_fraction=0.5
    python campaigns/hard_pictures.py

Prints false alarms a picture and recall at the picked score on the test side, and false tracks an
hour on the watched videos of the demo, with exact 95 % intervals; and mAP, HOTA, IDF1 and MOTA. The
intervals take objects for independent. Those of one video are not, so the real intervals are wider.
"""

import json
from pathlib import Path

from vigil.domain.detections import NAME, read_results
from vigil.domain.detector_score import read_score
from vigil.domain.measures.detector import match
from vigil.domain.measures.events import rate_per_hour
from vigil.domain.measures.intervals import proportion_interval
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import TEST, read_side

DATA, HOUR_S = Path("data"), 3600.0


def tell_pictures() -> None:
    """Prints the numbers on the pictures of the test side."""
    known = read_annotated(DATA / "detection" / "instances.json")
    truth = known.select(read_side(DATA / "splits" / "detector" / f"{TEST}.json"))
    found = read_results(known, DATA / "predictions" / "detector" / NAME)
    is_counted = found["image"].isin(truth.images.index) & (
        found["score"] >= read_score(Path("models/detector_score.json"))
    )
    outcome = match(truth, found[is_counted])["outcome"]
    num_pictures, num_objects = len(truth.images), int((~truth.is_ignored).sum())
    num_false, num_right = int((outcome == "wrong").sum()), int((outcome == "right").sum())
    # An exact rate per hour of as many hours as pictures is a rate per picture.
    rate = rate_per_hour(num_false, num_pictures * HOUR_S)
    assert rate is not None
    low, high = proportion_interval(num_right, num_objects)
    print(
        f"test pictures: {num_false} false alarms, a picture {rate.per_hour:.3f} "
        f"({rate.low:.3f} to {rate.high:.3f}); recall {num_right} of {num_objects}, "
        f"{num_right / num_objects:.3f} ({low:.3f} to {high:.3f})"
    )


def tell_scores() -> None:
    """Prints mAP, and the numbers on the watched videos."""
    detector = json.loads(Path("metrics/detector.json").read_text())
    tracks = json.loads(Path("metrics/watch.json").read_text())["tracks"]
    false = tracks["false_tracks_per_hour"]
    print(
        f"test pictures: mAP {detector['map']}, at IoU 0.5 {detector['map_50']}; watched videos: "
        f"false tracks an hour {false['seen']} ({false['low_95']} to {false['high_95']}), "
        f"HOTA {tracks['hota']}, IDF1 {tracks['idf1']}, MOTA {tracks['mota']}, "
        f"{tracks['num_switches']} switches"
    )


if __name__ == "__main__":
    tell_pictures()
    tell_scores()
