"""The trained alarm for unusual behaviour, to use in your own programs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vigil.learn.alarm.trained import (
    AlarmStream,
    Evidence,
    TrainedAlarm,
    Verdict,
    WindowVerdict,
)
from vigil.pixels import clip_tracking
from vigil.pixels.channels.moments import Moment
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError


def track_frames(
    alarm: TrainedAlarm,
    detector: clip_tracking.Detector,
    frames: Sequence[Picture],
    times_s: npt.NDArray[np.float64],
) -> list[Moment]:
    """The tracks in frames, as an alarm with the channel `objects` needs them.

    >>> tracked = track_frames(alarm, detector, frames, times_s)
    >>> verdict = alarm(frames, times_s, tracked)

    Args:
        detector: that of the tracks which the alarm learnt from, as a `TrainedDetector`.
        frames: (H, W, 3) RGB uint8 each, in order.
        times_s: (T,) the time of each frame in seconds, ascending.

    Raises:
        InputError: the alarm has no such channel, or times do not ascend.
        FieldError: the detector does not know a class.
    """
    if alarm.tracked is None:
        raise InputError("expected an alarm with the channel objects, got one that needs no tracks")
    clip_tracking.check_classes(detector, alarm.tracked["classes"])
    pairs = zip(frames, np.asarray(times_s, np.float64).tolist(), strict=True)
    return list(clip_tracking.track_frames(detector, pairs, alarm.tracked))


__all__ = [
    "AlarmStream",
    "Evidence",
    "Moment",
    "TrainedAlarm",
    "Verdict",
    "WindowVerdict",
    "track_frames",
]
