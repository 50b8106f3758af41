"""What an export holds: tasks of regions of keyframes."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Keyframe:
    """What an annotator set on one frame.

    Attributes:
        frame: the frame number as exported, at the annotator's frame rate.
        enabled: whether the object is visible after this keyframe.
        geometry: x, y, width, height in per cent of the picture, turned about (x, y); None for a
            keyframe that only ends a visible span.
        rotation_deg: clockwise.
        time_s: as exported; the page writes `frame` divided by the annotator's frame rate, other
            programs what they like. None where it is not told.
    """

    frame: int
    enabled: bool
    geometry: tuple[float, float, float, float] | None
    rotation_deg: float
    time_s: float | None


@dataclass(frozen=True)
class Region:
    """One object through a video.

    Attributes:
        keyframes: in ascending order of frame, no frame twice.
        length: `framesCount` and `duration` in seconds, as exported; None where they are not told.
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
        warnings: what the annotator may want to know of how the export was read.
        declared_fps: the frame rate that the task's data name; None where they name none.
        counted: the annotations that count, as messages call them.
        counts: what was left out or mended, by its name in the report.
    """

    id: str
    source: str
    regions: tuple[Region, ...]
    warnings: tuple[str, ...]
    declared_fps: float | None = None
    counted: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
