"""Finds out whether a picture is to be turned or mirrored before it is shown."""

import struct

from vigil.pixels.pictures.picture_size import (
    JPEG,
    PNG,
    TIFF,
    is_avif,
    jpeg_segments,
    tiff_directories,
)

ORIENTATION = 274
"""The tag of EXIF and TIFF: 1 is upright, 2 to 8 are turned or mirrored."""
EXIF_SEGMENT, EXIF = 0xE1, b"Exif\0\0"
AVIF_TURN, AVIF_MIRROR = b"\0\0\0\x09irot", b"\0\0\0\x09imir"


def is_turned(content: bytes) -> bool:
    """Whether viewers turn or mirror the picture, by its EXIF data; for AVIF, by its own boxes."""
    if is_avif(content):
        place = content.find(AVIF_TURN)
        return AVIF_MIRROR in content or (place >= 0 and content[place + 8] & 3 != 0)
    try:
        tags = next(tiff_directories(_exif(content)), {})
    except struct.error:
        return False
    return tags.get(ORIENTATION, 1) in range(2, 9)


def turns_when_decoded(content: bytes) -> bool:
    """Whether OpenCV turns pictures of this kind as their EXIF data says."""
    return content.startswith((JPEG, PNG, *TIFF))


def _exif(content: bytes) -> bytes:
    """The EXIF data of a picture, in the form of a TIFF; empty if there is none."""
    if content.startswith(TIFF):
        return content
    if content.startswith(JPEG):
        for marker, place in jpeg_segments(content):
            if marker == EXIF_SEGMENT and content[place + 2 : place + 8] == EXIF:
                return content[place + 8 :]
    elif content.startswith(PNG):
        return _chunk(content, 8, b"eXIf", ">I4s", 4)
    elif content.startswith(b"RIFF"):
        return _chunk(content, 12, b"EXIF", "<4sI", 0).removeprefix(EXIF)
    return b""


def _chunk(content: bytes, start: int, wanted: bytes, form: str, num_bytes_after: int) -> bytes:
    """The first chunk of a kind in a PNG or RIFF; empty if there is none.

    Args:
        form: of a chunk's head, the size and the kind in some order.
        num_bytes_after: bytes after the data of each chunk.
    """
    while start + 8 <= len(content):
        head = struct.unpack_from(form, content, start)
        size, kind = head if isinstance(head[0], int) else head[::-1]
        if kind == wanted:
            return content[start + 8 : start + 8 + size]
        padding = size % 2 if form.startswith("<") else 0
        start += 8 + size + padding + num_bytes_after
    return b""
