"""Parameters of `evaluate@detector`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Count, Fraction, Section, Seed


class EvaluateDetector(Section):
    """What is measured of the detector.

    Attributes:
        score_threshold: a detection of at least this score counts; `auto`: the score of the best F1
            in validation.
        height_step_px: of the mAP by box height.
        seed: of the random pictures.
        num_pictures: best, worst and random ones each.
    """

    section: ClassVar[str] = "evaluate.detector"

    score_threshold: Literal["auto"] | Fraction
    height_step_px: Count
    seed: Seed
    num_pictures: Annotated[int, Field(ge=0, le=100)]
