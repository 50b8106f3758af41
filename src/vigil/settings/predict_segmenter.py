"""Parameters of `predict@segmenter`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Count, Section


class PredictSegmenter(Section):
    """How the segmenter predicts.

    Attributes:
        batch_size: pictures or tiles in a batch; another batch size changes rounding.
        tile_overlap: the share of a tile's side that it has in common with the next one. Scores are
            averaged there.
    """

    section: ClassVar[str] = "predict.segmenter"

    batch_size: Count
    tile_overlap: Annotated[float, Field(ge=0, le=0.9)]
