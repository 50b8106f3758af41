"""Parameters of `predict@classifier`."""

from typing import ClassVar

from vigil.plumbing.params import Count, Section


class PredictClassifier(Section):
    """How samples are shown to the classifier.

    Attributes:
        batch_size: samples a step; another one rounds in another order.
    """

    section: ClassVar[str] = "predict.classifier"

    batch_size: Count
