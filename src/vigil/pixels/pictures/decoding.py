"""Decodes pictures from the bytes of their files: of a limited size, and complete or not at all.

Whether a file counts as a picture never depends on the free memory. A lack of memory is a
`MemoryError`, never a file that is not a picture.
"""

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.pictures.picture_size import PNG, declared_size
from vigil.plumbing.errors import InputError

MAX_PIXELS = 2**27
"""The largest picture or frame: 134 million pixels, as in 16,384 x 8,192; 0.4 GB in colour."""
PNG_END = b"IEND\xaeB`\x82"
BYTES_PER_PIXEL = 64
"""More than any decoder needs besides the file, the decoded picture included.

AVIF with transparency needs the most of what was measured, 37 bytes. The rest is for other threads.
"""

cv2.setLogLevel(0)  # OpenCV prints nothing about damaged pictures: the errors below report them


LEAST_OF_16_BITS, NOISE = 2**12, 2**6
"""The brightest value of a picture of 16 bits is in between only if the picture is of fewer bits.

Below is the noise of a dark picture.
"""


class TooLargeError(InputError):
    """A picture of more than `MAX_PIXELS`."""


class FewBitsError(InputError):
    """A picture whose values fill a small part of its bits."""


def decode_picture(content: bytes, flags: int) -> Picture | None:
    """Decodes a picture with OpenCV; None if the bytes are not a picture, or not a complete one.

    Args:
        content: the bytes of a file.
        flags: those of `cv2.imdecode`.

    Raises:
        TooLargeError: the picture's header declares more than `MAX_PIXELS`.
        FewBitsError: a picture of 16 bits that would be scaled to 8 has values of 8 to 12 bits, and
            would become black or nearly so.
        MemoryError: there is not enough memory to decode the picture.
    """
    if not content:
        return None
    size_wh = declared_size(content)
    if size_wh is None:
        return None  # of no kind that OpenCV reads, or with a damaged header
    if size_wh[0] * size_wh[1] > MAX_PIXELS:
        raise TooLargeError(f"{size_wh[0]}x{size_wh[1]}")
    if _is_cut_png(content):
        return None
    picture = _decode(content, flags)
    if picture is None:
        # OpenCV's libraries do not distinguish a lack of memory from damage. So twice the memory
        # that a decoder needs is allocated once, which raises MemoryError if it is not there. If it
        # is there, the picture is damaged, or another thread held the memory a moment ago: the
        # second attempt decides.
        np.empty(size_wh[0] * size_wh[1] * BYTES_PER_PIXEL, np.uint8)
        picture = _decode(content, flags)
    if picture is None:
        return None
    if not flags & cv2.IMREAD_ANYDEPTH and flags != cv2.IMREAD_UNCHANGED:
        _check_bits(content, picture)
    return picture.astype(np.uint8, copy=False)


def _is_cut_png(content: bytes) -> bool:
    """Whether it is a PNG without its end.

    OpenCV would fill the missing part, and libpng would print to the terminal.
    """
    return content.startswith(PNG) and PNG_END not in content[-4096:]


def has_more_bits(content: bytes) -> bool:
    """Whether the bytes are a picture whose stored values have more than 8 bits.

    A picture that is too large, damaged or cut off has none; `decode_picture` refuses it.
    """
    size_wh = declared_size(content)
    if size_wh is None or size_wh[0] * size_wh[1] > MAX_PIXELS or _is_cut_png(content):
        return False
    stored = _decode(content, cv2.IMREAD_UNCHANGED)
    return stored is not None and stored.dtype.itemsize > 1


def _check_bits(content: bytes, picture: "cv2.typing.MatLike") -> None:
    """Refuses values of fewer bits than 16. Only a dark picture can have them, which is rare."""
    if picture.max(initial=0) > LEAST_OF_16_BITS >> 8:  # TIFF is rounded to 8 bits, and PNG is cut
        return
    stored = _decode(content, cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16:
        return
    brightest = int(stored[..., :3].max() if stored.ndim == 3 else stored.max())  # without alpha
    if NOISE <= brightest < LEAST_OF_16_BITS:
        raise FewBitsError(
            f"expected values up to 65535 in a picture of 16 bits, got at most {brightest} "
            f"(below {LEAST_OF_16_BITS}); convert such pictures to 8 bits"
        )


def _decode(content: bytes, flags: int) -> "cv2.typing.MatLike | None":
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from None
        return None  # of more pixels than OpenCV allows
