"""Parameters of `extract_frames`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Section


class ExtractFrames(Section):
    """How frames are stored.

    Attributes:
        jpeg_quality: the quality of libjpeg, 1 to 100; chroma is stored at half the resolution.
        damaged_frames: a frame that its decoder repaired, or a container that may lack frames, is
            an error (`error`), or is kept and reported (`keep`).
    """

    section: ClassVar[str] = "extract_frames"

    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    damaged_frames: Literal["error", "keep"]
