"""Pictures out of their files' bytes: of a bounded size, whole or not at all.

What a picture is held to be never depends on how much memory there is: where there is too little,
that is a `MemoryError`, not a picture that is none.
"""

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.pictures.picture_size import PNG, size_told
from vigil.plumbing.errors import InputError

MOST_PIXELS = 2**27
"""Of one picture or frame: 134 million, as of 16,384 x 8,192; in colours, 0.4 GB."""
PNG_END = b"IEND\xaeB`\x82"
BYTES_PER_PIXEL = 16
"""That decoders need at most beside the file, the picture itself among them."""

cv2.setLogLevel(0)  # what OpenCV would print of a damaged picture stands in the error raised of it


class TooLargeError(InputError):
    """A picture of more than `MOST_PIXELS`."""


def decode_picture(content: bytes, flags: int) -> Picture | None:
    """A picture as OpenCV decodes it, or None for what is none or not a whole one.

    Args:
        content: a file's bytes.
        flags: of `cv2.imdecode`.

    Raises:
        TooLargeError: it says that it is larger than any may be.
        MemoryError: there is not enough memory to say what it is.
    """
    if not content:
        return None
    size_wh = size_told(content)
    if size_wh and size_wh[0] * size_wh[1] > MOST_PIXELS:
        raise TooLargeError(f"{size_wh[0]}x{size_wh[1]}")
    # OpenCV fills what is missing of a PNG, and libpng prints to the terminal.
    if content.startswith(PNG) and PNG_END not in content[-4096:]:
        return None
    picture = _decode(content, flags)
    if picture is None and size_wh:
        # The libraries in OpenCV do not tell a lack of memory from damage. Where there is room, it
        # was damage, or another thread had the room a moment ago.
        np.empty(size_wh[0] * size_wh[1] * BYTES_PER_PIXEL, np.uint8)
        picture = _decode(content, flags)
    return None if picture is None else picture.astype(np.uint8, copy=False)


def _decode(content: bytes, flags: int) -> "cv2.typing.MatLike | None":
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from None
        return None  # of more pixels than OpenCV allows
