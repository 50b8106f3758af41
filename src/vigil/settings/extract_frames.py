"""Parameters of `extract_frames`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Section


class ExtractFrames(Section):
    """How frames are stored.

    Attributes:
        jpeg_quality: 1 to 100, of libjpeg; chroma is stored at half the resolution.
    """

    section: ClassVar[str] = "extract_frames"

    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
