"""Parameters of `predict@alarm`."""

from typing import ClassVar, Literal

from vigil.plumbing.params import Section

ClipScore = Literal["mean", "max"]


class PredictAlarm(Section):
    """How clips are scored.

    Attributes:
        clip_score: how the scores of a clip's windows become the score of the clip.
    """

    section: ClassVar[str] = "predict.alarm"

    clip_score: ClipScore
