"""Parameters of `evaluate@watch`."""

from typing import ClassVar

from vigil.plumbing.params import DataPath, Fraction, Section


class EvaluateWatch(Section):
    """What watching is measured by.

    Attributes:
        truth: a JSON file of what really happened, by video: `events` of `kind`, `start_s` and
            `end_s`, and `tracks`, boxes by person and frame. A video that it does not name is
            counted in no measure that needs the truth.
        false_track_share: a track that lies on a person in less of its boxes is a false one.
    """

    section: ClassVar[str] = "evaluate.watch"

    truth: DataPath
    false_track_share: Fraction
