"""Non-maximum suppression: which of a detector's boxes are kept, in validation and prediction."""

from typing import Annotated, Literal

from pydantic import Field

from vigil.plumbing.params import Fraction, Section


class Suppression(Section):
    """Which boxes are removed because they overlap a better box of the same class.

    Attributes:
        method: `hard` removes a box that overlaps a box of a higher score by more than `iou`;
            `soft` multiplies its score by exp(-overlap^2 / sigma) (Bodla et al., "Soft-NMS", 2017).
        iou: the largest overlap that `hard` allows.
        sigma: the parameter of `soft`; with a larger sigma, an overlap lowers a score less.
        min_score: boxes with a lower score are dropped, before and after suppression.
        max_boxes: the most boxes of a picture.
    """

    method: Literal["hard", "soft"]
    iou: Fraction
    sigma: Annotated[float, Field(ge=0.001, le=1000)]
    min_score: Annotated[float, Field(ge=0, lt=1)]
    max_boxes: Annotated[int, Field(ge=1, le=1000)]


DEFAULT = Suppression(method="hard", iou=0.7, sigma=0.5, min_score=0.01, max_boxes=100)
"""For validation during training, and the default for predictions."""
