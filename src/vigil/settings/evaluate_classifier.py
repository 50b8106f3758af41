"""Parameters of `evaluate@classifier`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Count, Fraction, Section


class EvaluateClassifier(Section):
    """How the classifier is measured.

    Attributes:
        threshold: a sample with at least this probability counts as a person.
        num_calibration_bins: bins of the calibration curve.
        height_step_px: the step of heights in the table of accuracy by crop height.
        num_pictures: pictures of right predictions, and as many of wrong predictions.
        num_attention: of these, pictures whose attention is drawn.
    """

    section: ClassVar[str] = "evaluate.classifier"

    threshold: Fraction
    num_calibration_bins: Annotated[int, Field(ge=2, le=100)]
    height_step_px: Count
    num_pictures: Annotated[int, Field(ge=0, le=100)]
    num_attention: Annotated[int, Field(ge=0, le=100)]
