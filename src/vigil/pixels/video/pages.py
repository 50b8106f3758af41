"""Finds files that hold several pictures: pages, or frames of an animation."""

import struct

from vigil.pixels.pictures.picture_size import GIF, PNG, TIFF, tiff_directories

TIFF_SUBFILE = 254
TIFF_NO_PAGE = 1 | 4
"""Subfile types of a smaller copy and of a mask (TIFF 6.0, page 36)."""
GIF_EXTENSION, GIF_PICTURE = 0x21, 0x2C


def holds_several(content: bytes) -> bool:
    """Whether a TIFF, GIF, PNG, WebP or AVIF file holds several pictures. Decoding gives the first.

    Thumbnails and masks do not count.
    """
    try:
        if content.startswith(TIFF):
            return _holds_pages(content)
        if content.startswith(GIF):
            return _holds_gif_frames(content)
        if content.startswith(PNG):
            place = content.find(b"acTL", 8, content.find(b"IDAT"))
            return place >= 0 and struct.unpack_from(">I", content, place + 4)[0] > 1
        if content.startswith(b"RIFF"):
            return _num_webp_frames(content) > 1
        return content[4:12] == b"ftypavis"
    except (struct.error, IndexError):
        return False


def _holds_pages(content: bytes) -> bool:
    num_pages = 0
    try:
        for tags in tiff_directories(content):
            num_pages += not tags.get(TIFF_SUBFILE, 0) & TIFF_NO_PAGE
    except struct.error:  # a damaged directory ends the file
        pass
    return num_pages > 1


def _holds_gif_frames(content: bytes) -> bool:
    """Walks over the blocks of a GIF, each of which consists of parts of up to 255 bytes."""
    flags = content[10]
    place, num_frames = 13 + _gif_table_bytes(flags), 0
    while content[place] in {GIF_EXTENSION, GIF_PICTURE}:
        if content[place] == GIF_PICTURE:
            num_frames += 1
            if num_frames > 1:
                return True
            place += 11 + _gif_table_bytes(content[place + 9])
        else:
            place += 2
        while content[place]:
            place += 1 + content[place]
        place += 1
    return False


def _gif_table_bytes(flags: int) -> int:
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0


def _num_webp_frames(content: bytes) -> int:
    place, num_frames = 12, 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, place)
        num_frames += kind == b"ANMF"
        place += 8 + size + size % 2
    return num_frames
