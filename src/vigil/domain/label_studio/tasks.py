"""The content of an export: tasks, which have regions, which have keyframes."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Keyframe:
    """A box that an annotator set on one frame.

    Attributes:
        frame: the frame number as exported, at the annotator's frame rate.
        enabled: whether the object is visible after this keyframe.
        geometry: x, y, width and height in per cent of the picture, rotated about (x, y); None for
            a keyframe that only ends a visible span.
        rotation_deg: clockwise.
        time_s: the time as exported; None where it is missing. The page writes `frame` divided by
            the annotator's frame rate; other programs may write other times.
    """

    frame: int
    enabled: bool
    geometry: tuple[float, float, float, float] | None
    rotation_deg: float
    time_s: float | None


@dataclass(frozen=True)
class Region:
    """One object in a video.

    Attributes:
        keyframes: in ascending order of frame, no frame twice.
        length: `framesCount`, and `duration` in seconds, as exported; None where they are missing.
    """

    id: str
    label: str
    keyframes: tuple[Keyframe, ...]
    length: tuple[float, float] | None = None


@dataclass(frozen=True)
class Task:
    """The annotation of one video.

    Attributes:
        source: the video as the export names it.
        warnings: notes for the annotator on how the export was read.
        declared_fps: the frame rate in the task's data; None where it is missing.
        counted: the names in messages of the annotations that are used.
        counts: how much was left out or corrected, by its name in the report.
    """

    id: str
    source: str
    regions: tuple[Region, ...]
    warnings: tuple[str, ...]
    declared_fps: float | None = None
    counted: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
