"""Parameters of `predict@detector`."""

from typing import ClassVar

from vigil.plumbing.params import Count, Section
from vigil.settings.suppression import Suppression


class PredictDetector(Section):
    """How pictures are shown to the detector, and which of its boxes are stored.

    Attributes:
        batch_size: pictures a step; another one rounds in another order.
        suppression: low scores are worth keeping: what reads the boxes chooses among them.
    """

    section: ClassVar[str] = "predict.detector"

    batch_size: Count
    suppression: Suppression
