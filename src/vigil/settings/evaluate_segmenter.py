"""Parameters of `evaluate@segmenter`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Count, Section, Seed


class EvaluateSegmenter(Section):
    """How the segmenter is measured.

    Attributes:
        seed: the seed of the choice of random pictures.
        num_pictures: pictures on each of three sheets: best, worst and random.
        apart_frames: frames between pictures of one video on a sheet. If too few pictures are that
            far apart, half of it, and so on.
    """

    section: ClassVar[str] = "evaluate.segmenter"

    seed: Seed
    num_pictures: Annotated[int, Field(ge=0, le=100)]
    apart_frames: Count
