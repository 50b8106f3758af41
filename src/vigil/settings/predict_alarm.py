"""Parameters of `predict@alarm`."""

from typing import ClassVar, Literal

from vigil.plumbing.params import Count, Section

ClipScore = Literal["mean", "max"]


class PredictAlarm(Section):
    """How clips are scored.

    Attributes:
        clip_score: how the scores of a clip's windows become the score of the clip.
        num_neighbours: neighbours that the nearest-neighbour distance is averaged over.
    """

    section: ClassVar[str] = "predict.alarm"

    clip_score: ClipScore
    num_neighbours: Count
