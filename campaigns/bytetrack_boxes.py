"""Tracks stored boxes by ByteTrack, as two libraries have it. `joined_tracking.py` calls it.

It runs in an environment of its own, since these libraries bring another OpenCV:

    python -m venv .venv/byte
    .venv/byte/bin/pip install supervision==0.26.1 trackers==2.6.1 pandas==3.1.1
    .venv/byte/bin/python campaigns/bytetrack_boxes.py BOXES.csv NUM_FRAMES FPS FIRST FOLDER

Writes a table of tracks for each tracker into the folder. `published` has the defaults of
ByteTrack's own demo, `supervision` and `trackers` those of these libraries. `our_scores` is the one
of supervision with FIRST as the limit of high scores, which is that of vigil's tracker.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import supervision as sv
from trackers import ByteTrackTracker

CORNERS = ["x1", "y1", "x2", "y2"]
LEAST = 0.1
"""ByteTrack ignores boxes with lower scores."""


def main() -> None:
    """Writes a table for each tracker."""
    boxes_file, frames, rate, first, folder = sys.argv[1:]
    fps = int(rate)
    boxes = pd.read_csv(boxes_file)
    by_frame = dict(list(boxes[boxes["score"] > LEAST].groupby("frame_index")))
    published = {"track_activation_threshold": 0.5, "lost_track_buffer": 30}
    trackers = {
        "published": sv.ByteTrack(**published, minimum_matching_threshold=0.8, frame_rate=fps),
        "supervision": sv.ByteTrack(frame_rate=fps),
        "trackers": ByteTrackTracker(frame_rate=fps),
        "our_scores": sv.ByteTrack(track_activation_threshold=float(first), frame_rate=fps),
    }
    for name, tracker in trackers.items():
        is_old = isinstance(tracker, sv.ByteTrack)
        update = tracker.update_with_detections if is_old else tracker.update
        rows = []
        for index in range(int(frames)):
            own = by_frame.get(index)
            found = sv.Detections.empty()
            if own is not None:
                found = sv.Detections(
                    xyxy=own[CORNERS].to_numpy(float),
                    confidence=own["score"].to_numpy(float),
                    class_id=np.zeros(len(own), int),
                )
            tracked = update(found)
            if tracked.tracker_id is None:
                continue
            for box, number in zip(tracked.xyxy, tracked.tracker_id, strict=True):
                if number >= 0:  # -1: not confirmed
                    rows.append((int(number), index, *map(float, box)))
        table = pd.DataFrame(rows, columns=["track_id", "frame_index", *CORNERS])
        table.to_csv(Path(folder) / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
