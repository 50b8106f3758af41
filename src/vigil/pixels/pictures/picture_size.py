"""Reads the size of a picture from its header, before memory is allocated for the picture."""

import struct

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers (ITU-T T.81, table B.1). The three left out mark no frame."""
TIFF_WIDTH, TIFF_HEIGHT = 256, 257


def declared_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in px, from the header of a PNG, JPEG, GIF, BMP, WebP, TIFF or PNM.

    None if the file is of another kind, or if its header is damaged.
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
    offset = 2
    while content[offset] == 0xFF:
        marker = content[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
        elif marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", content, offset + 5)
            return width, height
        else:
            offset += 2 + struct.unpack_from(">H", content, offset + 2)[0]
    return None


def _of_bmp(content: bytes) -> tuple[int, int]:
    is_first_version = struct.unpack_from("<I", content, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if is_first_version else "<ii", content, 18)
    return abs(width), abs(height)  # a negative height means that the top row comes first


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
    (offset,) = struct.unpack_from(f"{order}I", content, 4)
    (num_entries,) = struct.unpack_from(f"{order}H", content, offset)
    sides: dict[int, int] = {}
    for entry in range(offset + 2, offset + 2 + 12 * num_entries, 12):
        tag, kind = struct.unpack_from(f"{order}HH", content, entry)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT):
            (sides[tag],) = struct.unpack_from(
                order + ("H" if kind == 3 else "I"), content, entry + 8
            )
    if len(sides) < 2:
        return None
    return sides[TIFF_WIDTH], sides[TIFF_HEIGHT]


def _of_pnm(content: bytes) -> tuple[int, int] | None:
    """The first two numbers after the two bytes of the file type; comments are skipped."""
    lines = content[2:4096].split(b"\n")
    words = b" ".join(line.split(b"#")[0] for line in lines).split()
    num_expected = 2 if content[1:2] in b"14" else 3  # all but bitmaps have a maximum value
    return (int(words[0]), int(words[1])) if len(words) >= num_expected else None
