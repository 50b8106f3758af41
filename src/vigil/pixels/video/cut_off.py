"""Finds files that lack a part, by what the container itself says about its bytes.

Demuxers read such files to their last byte and say nothing.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_IS_BROADCAST = 1
"""The flag of a file whose header was written before its end was known."""
ASF_HEADER_BYTES = 2**16
MP4_BOXES = {b"ftyp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"styp", b"free", b"skip"}
OGG_PAGE = b"OggS"
OGG_IS_LAST = 4
TS_SYNC = 0x47
TS_PACKET_BYTES = (188, 192, 204)
"""Packets of MPEG-TS: plain, with a time of arrival, with error correction."""


def missing_part(path: Path, container: str) -> str:
    """What a file lacks by its container; empty if it lacks nothing, or if nothing can be known.

    Args:
        container: FFmpeg's first name for the container.
    """
    checks: dict[str, Callable[[BinaryIO, int], str]] = {
        "asf": _of_asf,
        "mov": _of_mp4,
        "mpegts": _of_ts,
        "ogg": _of_ogg,
    }
    if container not in checks:
        return ""
    with path.open("rb") as file:
        return checks[container](file, path.stat().st_size)


def _of_asf(file: BinaryIO, num_bytes: int) -> str:
    """The file properties object holds the size of the whole file (ASF specification, 3.2)."""
    header = file.read(ASF_HEADER_BYTES)
    start = header.find(ASF_FILE_PROPERTIES)
    if start < 0 or len(header) < start + 92:
        return ""
    (num_declared,) = struct.unpack_from("<Q", header, start + 40)
    (flags,) = struct.unpack_from("<I", header, start + 88)
    if flags & ASF_IS_BROADCAST or num_declared <= num_bytes:
        return ""
    return f"{num_declared} bytes declared, {num_bytes} found"


def _of_mp4(file: BinaryIO, num_bytes: int) -> str:
    """Each box starts with its size (ISO/IEC 14496-12, 4.2); 0 means up to the end of the file.

    The header of a file in fragments declares no number of frames. So where such a file has no box,
    frames are missing. After the boxes of other files, some cameras add data of their own.
    """
    start, is_fragmented = 0, False
    while start + 8 <= num_bytes:
        file.seek(start)
        header = file.read(16)
        size, kind = struct.unpack(">I4s", header[:8])
        if size == 0:
            return ""
        if size == 1 and len(header) == 16:
            (size,) = struct.unpack(">Q", header[8:])
        is_fragmented |= kind == b"moof"
        is_box = size >= 8 and all(0x20 <= byte < 0x7F for byte in kind)
        if is_box and start + size > num_bytes and kind in MP4_BOXES:
            return f"a box '{kind.decode()}' of {size} bytes, {num_bytes - start} found"
        if not is_box or start + size > num_bytes:
            return f"no box at byte {start} of {num_bytes}" if is_fragmented else ""
        start += size
    return ""


def _of_ts(file: BinaryIO, num_bytes: int) -> str:
    """A file of MPEG-TS consists of packets of one size, which start with one byte."""
    start = file.read(4 * max(TS_PACKET_BYTES))
    for size in TS_PACKET_BYTES:
        offset = 4 if size == 192 else 0
        marks = start[offset::size][:4]
        if len(marks) == 4 and set(marks) == {TS_SYNC}:
            rest = num_bytes % size
            return f"{rest} bytes of a last packet of {size}" if rest else ""
    return ""


def _of_ogg(file: BinaryIO, num_bytes: int) -> str:
    """Pages follow each other, are numbered in each stream, and the last one is marked (RFC 3533).

    A page is skipped by its header alone. Its content has a checksum, which the demuxer checks.
    """
    next_numbers: dict[bytes, int] = {}
    open_streams: set[bytes] = set()
    start = 0
    while start < num_bytes:
        file.seek(start)
        header = file.read(27)
        if len(header) < 27 or not header.startswith(OGG_PAGE):
            return f"no page at byte {start} of {num_bytes}"
        serial, (number,) = header[14:18], struct.unpack_from("<I", header, 18)
        if number != next_numbers.get(serial, number):
            return f"page {number} where page {next_numbers[serial]} belongs"
        next_numbers[serial] = number + 1
        is_last = bool(header[5] & OGG_IS_LAST)
        open_streams = open_streams - {serial} if is_last else open_streams | {serial}
        start += 27 + header[26] + sum(file.read(header[26]))
    if start > num_bytes:
        return f"{start - num_bytes} bytes of the last page missing"
    return "the last page of a stream missing" if open_streams else ""
