"""Parameters of `extract_frames`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Section


class ExtractFrames(Section):
    """How frames are stored.

    Attributes:
        jpeg_quality: 1 to 100, of libjpeg; chroma is stored at half the resolution.
        damaged_frames: what a frame is that its decoder mended: an error, or kept and told.
    """

    section: ClassVar[str] = "extract_frames"

    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    damaged_frames: Literal["error", "keep"]
