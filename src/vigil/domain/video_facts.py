"""What is known of a decoded video."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class VideoFacts:
    """Facts that hold for all frames of a video.

    Attributes:
        size_wh: width and height in px, after any rotation the file asks for.
        num_frames: how many frames were really decoded.
        fps: frames per second, exactly (30000/1001, not 29.97); the mean where the rate varies.
        is_variable_rate: whether the frames' time stamps are not evenly spaced.
        damaged_frames: those that their decoder mended, where these were to be kept; those that
            build on them, up to the next keyframe, are not counted.
    """

    size_wh: tuple[int, int]
    num_frames: int
    fps: Fraction
    is_variable_rate: bool = False
    damaged_frames: tuple[int, ...] = ()
