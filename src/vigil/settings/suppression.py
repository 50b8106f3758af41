"""Which of the boxes that a detector proposes stay: a block of every prediction of boxes."""

from typing import Annotated, Literal

from pydantic import Field

from vigil.plumbing.params import Fraction, Section


class Suppression(Section):
    """How many boxes of a class may stand on one object.

    Attributes:
        method: `hard` removes a box that overlaps a better one of its class by more than `iou`;
            `soft` lowers its score by exp(-overlap^2 / sigma) (Bodla et al., "Soft-NMS", 2017).
        iou: of `hard`.
        sigma: of `soft`: the larger, the less an overlap lowers a score.
        min_score: boxes of a lower score are dropped, before and after.
        max_boxes: a picture.
    """

    method: Literal["hard", "soft"]
    iou: Fraction
    sigma: Annotated[float, Field(ge=0.001, le=1000)]
    min_score: Annotated[float, Field(ge=0, lt=1)]
    max_boxes: Annotated[int, Field(ge=1, le=1000)]


DEFAULT = Suppression(method="hard", iou=0.7, sigma=0.5, min_score=0.01, max_boxes=100)
"""Of a validation during training, and of a prediction that says nothing else."""
