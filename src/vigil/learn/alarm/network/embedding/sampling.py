"""Chooses the frames of a window that a network sees."""

import numpy as np

from vigil.pixels.windows import Positions
from vigil.plumbing.errors import FieldError
from vigil.settings.embed_clips import ShortClips


def sample_uniformly(num_frames: int, num_samples: int, short_clips: ShortClips) -> Positions:
    """Chooses frames that are spread evenly over a window.

    ::

        |- - - - - - -|
        0 . 2 . 4 . 6       num_samples = 4, of 7 frames

    The first and the last frame are always chosen, as in pytorchvideo's
    UniformTemporalSubsample.

    Args:
        num_frames: the number of frames in the window.
        num_samples: the number of frames to choose.
        short_clips: for a window with fewer frames than samples: `error` refuses it; `repeat_last`
            chooses all frames, and then repeats the last frame.

    Returns:
        (num_samples,): frame indices.

    Raises:
        FieldError: the window has too few frames.
    """
    if num_frames >= num_samples:
        places = np.linspace(0, num_frames - 1, num_samples) + 1e-9
    else:
        check_length(num_frames, num_samples, short_clips)
        places = np.minimum(np.arange(num_samples), num_frames - 1)
    chosen: Positions = np.floor(places).astype(np.int64)
    return chosen


def check_length(num_frames: int, num_needed: int, short_clips: ShortClips) -> None:
    """Refuses a window with fewer frames than needed, unless `short_clips` accepts it.

    Raises:
        FieldError: the window is refused.
    """
    if num_frames < num_needed and short_clips == "error":
        raise FieldError(
            "short_clips",
            f"expected windows of at least {num_needed} frames, got one of {num_frames}; "
            "repeat_last takes it",
        )
