"""Which frames of a window are looked at."""

import numpy as np

from vigil.pixels.windows import Positions
from vigil.plumbing.errors import FieldError
from vigil.settings.embed_clips import ShortClips


def sample_uniformly(num_frames: int, num_samples: int, short_clips: ShortClips) -> Positions:
    """Frames spread evenly over a window.

    ::

        |- - - - - - -|
        0 . 2 . 4 . 6       num_samples = 4, of 7 frames

    The first and the last frame are always among them, as in pytorchvideo's
    UniformTemporalSubsample.

    Args:
        num_frames: in the window.
        num_samples: frames wanted.
        short_clips: where there are fewer frames than are wanted: `error`, or `repeat_last`:
            consecutive frames, and the last one again and again past the end.

    Returns:
        (num_samples,): frame indices.

    Raises:
        FieldError: a window with too few frames.
    """
    if num_frames >= num_samples:
        places = np.linspace(0, num_frames - 1, num_samples) + 1e-9
    else:
        check_length(num_frames, num_samples, short_clips)
        places = np.minimum(np.arange(num_samples), num_frames - 1)
    chosen: Positions = np.floor(places).astype(np.int64)
    return chosen


def check_length(num_frames: int, num_needed: int, short_clips: ShortClips) -> None:
    """Refuses a window of fewer frames than are needed, unless short ones are taken.

    Raises:
        FieldError: it is refused.
    """
    if num_frames < num_needed and short_clips == "error":
        raise FieldError(
            "short_clips",
            f"expected windows of at least {num_needed} frames, got one of {num_frames}; "
            "repeat_last takes it",
        )
