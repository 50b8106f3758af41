"""A detector of sequences sees the frames between those in which it looks for boxes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tiny_watch import FPS, SeesBright, models, watching

from vigil.domain.detections import Detections
from vigil.pixels.clip_tracking import track_frames
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import Frame
from vigil.runtime.history import FrameHistory, Steps
from vigil.settings.suppression import Suppression
from vigil.watch.analysis import Analysis

NUM_FRAMES = 30


class SeesSteps(SeesBright):
    """Gets three frames, 0.2 s apart, and records their greys."""

    def __init__(self) -> None:
        super().__init__()
        self.greys: list[tuple[int, ...]] = []

    def history(self) -> FrameHistory:
        return FrameHistory(Steps(3, 0.2, "stack", False))

    def detect_batch(
        self, pictures: Sequence[Picture], suppression: Suppression
    ) -> list[Detections]:
        self.greys += [tuple(int(grey) for grey in one[:, 0, 0, 0]) for one in pictures]
        return super().detect_batch([one[-1] for one in pictures], suppression)


def picture(index: int) -> Picture:
    """Frame n has the grey n."""
    return np.full((72, 96, 3), index, np.uint8)


@pytest.mark.parametrize("every_s", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("name", ["watch", "track_clips"])
def test_a_sequence_has_the_frames_of_its_times(name: str, every_s: float):
    """As in training, whose sequences take all frames of a video."""
    detector = SeesSteps()
    watch = watching(detect_every_s=every_s, batch_size=1)
    if name == "watch":
        analysis = Analysis(replace(models(), detector=detector), watch)
        for index in range(NUM_FRAMES):
            analysis.push(Frame(index, index / FPS, picture(index)))
        analysis.end(NUM_FRAMES / FPS)
    else:
        tracked = watch.model_dump(mode="json", include={"suppression", "tracking"})
        tracked |= {"detect_every_s": every_s, "classes": ["human"], "score": 0.5}
        frames = ((picture(index), index / FPS) for index in range(NUM_FRAMES))
        list(track_frames(detector, frames, tracked, batch_size=1))
    due = range(0, NUM_FRAMES, round(every_s * FPS))
    assert detector.greys == [(max(at - 4, 0), max(at - 2, 0), at) for at in due]
