"""Reads the size of a picture from its header, before memory is allocated for the picture."""

import re
import struct
from collections.abc import Callable, Iterator

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers (ITU-T T.81, table B.1). The three left out mark no frame."""
GIF = (b"GIF87a", b"GIF89a")
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The last two are BigTIFF, with places of 8 bytes."""
TIFF_WIDTH, TIFF_HEIGHT = 256, 257
TIFF_NUMBERS = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}
"""Types of whole numbers: their form for `struct`, and their number of bytes."""
JPEG_2000_BOX = b"\0\0\0\x0cjP  \r\n\x87\n"
JPEG_2000_SIZE = b"\xff\x4f\xff\x51"
"""The markers SOC and SIZ (ITU-T T.800, A.4), with which each stream of JPEG 2000 begins."""
AVIF_BRANDS = (b"avif", b"avis")
AVIF_SIZE = b"\0\0\0\x14ispe"
RADIANCE = (b"#?RGBE", b"#?RADIANCE")
RADIANCE_SIZE = re.compile(rb"^-Y (\d{1,9}) \+X (\d{1,9})", re.MULTILINE)
SUN_RASTER = b"\x59\xa6\x6a\x95"
TEXT_HEADER_BYTES = 2**16


def declared_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in px, from the header of each kind of picture that OpenCV reads here.

    These are PNG, JPEG, GIF, BMP, WebP, TIFF, PBM, PGM, PPM, PAM, PFM, JPEG 2000, AVIF, Radiance
    HDR and Sun raster. Of several sizes in a header, the largest is taken.

    None if the file is of another kind, or if its header is damaged.
    """
    readers: list[tuple[bytes | tuple[bytes, ...], Callable[[bytes], tuple[int, int] | None]]] = [
        (PNG, lambda content: struct.unpack_from(">II", content, 16)),
        (JPEG, _of_jpeg),
        (GIF, lambda content: struct.unpack_from("<HH", content, 6)),
        (b"BM", _of_bmp),
        (b"RIFF", _of_webp),
        (TIFF, _of_tiff),
        (tuple(b"P%d" % kind for kind in range(1, 7)), _of_pnm),
        (b"P7", _of_pam),
        ((b"PF", b"Pf"), _of_pfm),
        ((JPEG_2000_BOX, JPEG_2000_SIZE), _of_jpeg_2000),
        (RADIANCE, _of_radiance),
        (SUN_RASTER, lambda content: struct.unpack_from(">II", content, 4)),
    ]
    try:
        if is_avif(content):
            return _of_avif(content)
        for beginning, read in readers:
            if content.startswith(beginning):
                return read(content)
    except (struct.error, ValueError, IndexError):
        pass
    return None


def is_avif(content: bytes) -> bool:
    """Whether a file is an AVIF picture, by the brands in its first box."""
    if content[4:8] != b"ftyp":
        return False
    brands = content[8 : min(struct.unpack_from(">I", content)[0], 1024)]
    return any(brand in brands for brand in AVIF_BRANDS)


def jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yields the marker and the place of each segment's length, up to the coded picture."""
    offset = 2
    while offset + 4 <= len(content):
        marker = content[offset + 1]
        if content[offset] != 0xFF or marker in {0, 0xFF}:
            offset += 1  # a fill byte, or bytes that libjpeg skips
            continue
        yield marker, offset + 2
        if marker == 0xDA:
            return
        offset += 2 + struct.unpack_from(">H", content, offset + 2)[0]


def _of_jpeg(content: bytes) -> tuple[int, int] | None:
    for marker, place in jpeg_segments(content):
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", content, place + 3)
            return width, height
    return None


def _of_bmp(content: bytes) -> tuple[int, int]:
    is_first_version = struct.unpack_from("<I", content, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if is_first_version else "<ii", content, 18)
    return abs(width), abs(height)  # a negative height means that the top row comes first


def _of_webp(content: bytes) -> tuple[int, int] | None:
    if content[8:12] != b"WEBP":
        return None
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


def tiff_directories(content: bytes) -> Iterator[dict[int, int]]:
    """Yields the tags of each directory of a TIFF: their first value where it is a whole number.

    Raises:
        struct.error: a directory lies outside the file.
    """
    order = "<" if content.startswith(b"II") else ">"
    is_big = content[2:4] in {b"+\0", b"\0+"}
    place, count, entry_bytes = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + place, content, 8 if is_big else 4)
    seen: set[int] = set()
    while start and start not in seen:
        seen.add(start)
        (num_entries,) = struct.unpack_from(order + count, content, start)
        start += struct.calcsize(order + count)
        tags: dict[int, int] = {}
        for entry in range(start, start + entry_bytes * num_entries, entry_bytes):
            tag, kind = struct.unpack_from(f"{order}HH", content, entry)
            if kind in TIFF_NUMBERS:
                value = entry + entry_bytes - struct.calcsize(order + place)
                (tags[tag],) = struct.unpack_from(order + TIFF_NUMBERS[kind][0], content, value)
        yield tags
        (start,) = struct.unpack_from(order + place, content, start + entry_bytes * num_entries)


def _of_tiff(content: bytes) -> tuple[int, int] | None:
    tags = next(tiff_directories(content), {})
    if TIFF_WIDTH not in tags or TIFF_HEIGHT not in tags:
        return None
    return tags[TIFF_WIDTH], tags[TIFF_HEIGHT]


def _of_pnm(content: bytes) -> tuple[int, int] | None:
    """The first two numbers after the two bytes of the file type; comments are skipped."""
    lines = content[2:TEXT_HEADER_BYTES].split(b"\n")
    words = b" ".join(line.split(b"#")[0] for line in lines).split()
    num_expected = 2 if content[1:2] in b"14" else 3  # all but bitmaps have a maximum value
    return (int(words[0]), int(words[1])) if len(words) >= num_expected else None


def _of_pam(content: bytes) -> tuple[int, int] | None:
    """A line for each value, up to a line ENDHDR."""
    header, _, _ = content[:TEXT_HEADER_BYTES].partition(b"ENDHDR")
    lines = (line.split() for line in header.splitlines())
    values = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
    if not {b"WIDTH", b"HEIGHT"} <= values.keys():
        return None
    return values[b"WIDTH"], values[b"HEIGHT"]


def _of_pfm(content: bytes) -> tuple[int, int]:
    width, height = content[2:TEXT_HEADER_BYTES].split(None, 2)[:2]
    return int(width), int(height)


def _of_jpeg_2000(content: bytes) -> tuple[int, int] | None:
    start = content.find(JPEG_2000_SIZE)
    if start < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", content, start + 8)
    return right - left, bottom - top


def _of_avif(content: bytes) -> tuple[int, int] | None:
    """The largest of the sizes of pictures, and of a sequence (ISO/IEC 23008-12, 6.5.3)."""
    sizes: list[tuple[int, int]] = []
    place = content.find(AVIF_SIZE)
    while place >= 0:
        sizes.append(struct.unpack_from(">II", content, place + 12))
        place = content.find(AVIF_SIZE, place + 1)
    samples = content.find(b"stsd")
    if samples >= 0 and content[samples + 16 : samples + 20] == b"av01":
        sizes.append(struct.unpack_from(">HH", content, samples + 44))
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _of_radiance(content: bytes) -> tuple[int, int] | None:
    sizes = [
        (int(width), int(height))
        for height, width in RADIANCE_SIZE.findall(content[:TEXT_HEADER_BYTES])
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)
