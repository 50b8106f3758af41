"""Parameters of `evaluate@detector`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Count, Fraction, Section, Seed


class EvaluateDetector(Section):
    """How the detector is measured.

    Attributes:
        score_threshold: a detection counts if its score is at least this; `auto`: the score with
            the best F1 on the validation set, or the middle of those within 2 % of it.
        height_step_px: the step of heights in the table of mAP by box height.
        seed: the seed of the choice of random pictures.
        num_pictures: pictures on each of three sheets: best, worst and random.
        apart_frames: frames between pictures of one video on a sheet. If too few pictures are that
            far apart, half of it, and so on.
    """

    section: ClassVar[str] = "evaluate.detector"

    score_threshold: Literal["auto"] | Fraction
    height_step_px: Count
    seed: Seed
    num_pictures: Annotated[int, Field(ge=0, le=100)]
    apart_frames: Count
