"""Parameters of `predict@detector`."""

from typing import ClassVar

from vigil.plumbing.params import Count, Section
from vigil.settings.suppression import Suppression


class PredictDetector(Section):
    """How the detector predicts, and which of its boxes are stored.

    Attributes:
        batch_size: pictures in a batch; another batch size changes rounding.
        suppression: which boxes are stored. Keep low scores: later stages apply their own
            threshold.
    """

    section: ClassVar[str] = "predict.detector"

    batch_size: Count
    suppression: Suppression
