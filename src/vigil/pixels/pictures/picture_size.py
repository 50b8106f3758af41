"""How large a picture says it is, by the first of its bytes, before any room is made for it."""

import struct

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of frames (ITU-T T.81, table B.1); the others of their row are of tables."""
TIFF_WIDTH, TIFF_HEIGHT = 256, 257


def size_told(content: bytes) -> tuple[int, int] | None:
    """Width and height in px of a PNG, JPEG, GIF, BMP, WebP, TIFF or PNM; None where none is told.

    A file of another kind, or one whose head is damaged, tells none.
    """
    try:
        if content.startswith(PNG):
            return struct.unpack_from(">II", content, 16)
        if content.startswith(JPEG):
            return _of_jpeg(content)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return struct.unpack_from("<HH", content, 6)
        if content.startswith(b"BM"):
            return _of_bmp(content)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _of_webp(content)
        if content.startswith((b"II*\0", b"MM\0*")):
            return _of_tiff(content)
        if content[:1] == b"P" and content[1:2] in b"123456":
            return _of_pnm(content)
    except (struct.error, ValueError, IndexError):
        pass
    return None


def _of_jpeg(content: bytes) -> tuple[int, int] | None:
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return None


def _of_bmp(content: bytes) -> tuple[int, int]:
    is_first_version = struct.unpack_from("<I", content, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if is_first_version else "<ii", content, 18)
    return abs(width), abs(height)  # a negative height stands for rows from the top


def _of_webp(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X" and len(content) >= 30:
        width, height = content[24:27], content[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _of_tiff(content: bytes) -> tuple[int, int] | None:
    order = "<" if content.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", content, 4)
    (num_entries,) = struct.unpack_from(f"{order}H", content, at)
    sides: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * num_entries, 12):
        tag, kind = struct.unpack_from(f"{order}HH", content, entry)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT):
            (sides[tag],) = struct.unpack_from(
                order + ("H" if kind == 3 else "I"), content, entry + 8
            )
    if len(sides) < 2:
        return None
    return sides[TIFF_WIDTH], sides[TIFF_HEIGHT]


def _of_pnm(content: bytes) -> tuple[int, int] | None:
    """Numbers after the first two bytes, comments left out."""
    lines = content[2:4096].split(b"\n")
    words = b" ".join(line.split(b"#")[0] for line in lines).split()
    num_expected = 2 if content[1:2] in b"14" else 3  # all but bitmaps tell their brightest value
    return (int(words[0]), int(words[1])) if len(words) >= num_expected else None
