"""Parameters of `predict@classifier`."""

from typing import ClassVar

from vigil.plumbing.params import Count, Section


class PredictClassifier(Section):
    """How the classifier predicts.

    Attributes:
        batch_size: samples in a batch; another batch size changes rounding.
    """

    section: ClassVar[str] = "predict.classifier"

    batch_size: Count
