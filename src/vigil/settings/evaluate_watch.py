"""Parameters of `evaluate@watch`."""

from typing import ClassVar

from vigil.plumbing.params import DataPath, Fraction, Section


class EvaluateWatch(Section):
    """How watched videos are measured.

    Attributes:
        truth: a JSON file with the true events and tracks of each video: `events` with `kind`,
            `start_s` and `end_s`, and `tracks` with boxes by person and frame. Videos that are not
            in the file are not measured.
        false_track_share: a track is false if a smaller share of its boxes lies on a person.
    """

    section: ClassVar[str] = "evaluate.watch"

    truth: DataPath
    false_track_share: Fraction
