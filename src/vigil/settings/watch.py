"""Parameters of `watch`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Count, DataPath, FileNames, Fraction, Section
from vigil.settings.raising import Raising
from vigil.settings.suppression import Suppression
from vigil.settings.tracking import Seconds, Tracking

Window = Annotated[float, Field(gt=0, le=3600)]


class Judging(Section):
    """Which tracks are people's: the classifier looks at the crops of each.

    Attributes:
        least_probability: a track whose sequences of crops have a lower mean probability of a
            person is kept on record, and shown in no result.
        max_aspect_ratio: crops that are longer over shorter side than this are not looked at.
        min_side_px: nor are those with a shorter side.
    """

    least_probability: Fraction
    max_aspect_ratio: Annotated[float, Field(ge=1, le=1000)]
    min_side_px: Annotated[float, Field(ge=1, le=1000)]


class Pictures(Section):
    """What is drawn and filmed of a source.

    Attributes:
        annotated: whether the whole video is written with boxes, scores and alarms.
        trail_s: how long a person's way stays to be seen.
        before_s: of an event's own short video, before it begins.
        after_s: after it ends.
        longest_s: the short video of a long event shows its first so many seconds.
    """

    annotated: bool
    trail_s: Seconds
    before_s: Seconds
    after_s: Seconds
    longest_s: Annotated[float, Field(gt=0, le=86_400)]


class Watch(Section):
    """How trained models watch a video, and what comes of it.

    Attributes:
        root: the folder of the videos that the stage `watch` goes through.
        videos: file names below `root`; empty: the stage watches nothing.
        detect_every_s: the detector is shown a picture so often.
        batch_size: pictures that the detector is shown at once; another one rounds in another
            order.
        suppression: which of the boxes it proposes are stored.
        window_s: length of the windows that the alarm judges.
        stride_s: from the start of one window to the start of the next.
        tracking: which boxes are one object's.
        judging: which tracks are people's.
        raising: when scores become events.
        pictures: what is drawn and filmed.
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
