"""Parameters of `watch`."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from vigil.plumbing.params import Count, DataPath, FileNames, Fraction, Section
from vigil.settings.proposals import Proposals
from vigil.settings.raising import Raising
from vigil.settings.suppression import Suppression
from vigil.settings.tracking import Seconds, Tracking

Window = Annotated[float, Field(gt=0, le=3600)]


class Judging(Section):
    """Which tracks show people: the classifier judges the crops of each track.

    Attributes:
        least_probability: a track with a lower mean probability of a person, over its sequences of
            crops, is refused. It is stored, but is left out of events and pictures.
        max_aspect_ratio: crops with a larger ratio of the longer to the shorter side are not
            judged.
        min_side_px: crops with a shorter side are not judged.
        person_label: the detector's class for people. If the detector has several classes, tracks
            of the others are kept without a judgement, and with an empty text all are. If it has
            one class, all tracks are judged.
    """

    least_probability: Fraction
    max_aspect_ratio: Annotated[float, Field(ge=1, le=1000)]
    min_side_px: Annotated[float, Field(ge=1, le=1000)]
    person_label: str


class Pictures(Section):
    """Which pictures and videos are written.

    Attributes:
        annotated: whether the whole video is written with boxes, scores and alarms.
        trail_s: the length of the drawn path of a person.
        before_s: the video of an event starts this long before the event.
        after_s: the video of an event stops this long after the event.
        longest_s: the video of a longer event shows only this much of its beginning.
    """

    annotated: bool
    trail_s: Seconds
    before_s: Seconds
    after_s: Seconds
    longest_s: Annotated[float, Field(gt=0, le=86_400)]


class Watch(Section):
    """How trained models watch a video.

    Attributes:
        root: the folder of the videos that the stage `watch` reads.
        videos: file names below `root`; empty: the stage reads no video.
        detect_every_s: time between two pictures for the detector.
        batch_size: pictures per call of the detector. The boxes may depend on it, by rounding.
        suppression: which boxes of the detector are stored.
        window_s: length of the windows that the alarm scores.
        stride_s: time from the start of one window to the start of the next; at most `window_s`.
        tracking: which boxes belong to one object.
        judging: which tracks show people.
        raising: when scores become events.
        pictures: which pictures and videos are written.
        proposals: where Label Studio finds the videos.
    """

    section: ClassVar[str] = "watch"

    root: DataPath
    videos: FileNames
    detect_every_s: Seconds
    batch_size: Count
    suppression: Suppression
    window_s: Window
    stride_s: Window
    tracking: Tracking
    judging: Judging
    raising: Raising
    pictures: Pictures
    proposals: Proposals

    @model_validator(mode="after")
    def _check_stride(self) -> Self:
        if self.stride_s > self.window_s:
            raise ValueError(
                "expected stride_s <= window_s, so that each frame is in a window, got "
                f"{self.stride_s:g} and {self.window_s:g}"
            )
        return self
