"""Parameters of `evaluate@classifier`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Count, Fraction, Section


class EvaluateClassifier(Section):
    """What is measured of the classifier.

    Attributes:
        threshold: a probability of at least this is a person.
        num_calibration_bins: of the calibration curve.
        height_step_px: of the accuracy by crop height.
        num_pictures: of right and of wrong predictions each.
    """

    section: ClassVar[str] = "evaluate.classifier"

    threshold: Fraction
    num_calibration_bins: Annotated[int, Field(ge=2, le=100)]
    height_step_px: Count
    num_pictures: Annotated[int, Field(ge=0, le=100)]
