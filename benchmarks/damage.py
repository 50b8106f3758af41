"""Which damage to a video or a photo is noticed, by codec: the numbers of docs/formats.md.

Each codec encodes the same moving noise. One packet at a time is damaged: bytes are overwritten, or
the packet is removed. Damage counts as seen if a pixel differs by more than 40 of 255 on more than
1 % of a frame, or if frames are missing. Of the damage that is seen, the part that is noticed is
reported: by an error, by a list of damaged frames, or by a gap in the time stamps.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from measure import WORK, Row, log

from vigil.pixels.pictures.decoding import decode_picture
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.library_output import damage_in, library_output
from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.plumbing.errors import InputError

CODECS = {
    "MPEG-1": ("mpg", "mpeg1video", "yuv420p", {}),
    "MPEG-2": ("ts", "mpeg2video", "yuv420p", {}),
    "MPEG-4": ("avi", "mpeg4", "yuv420p", {}),
    "MS MPEG-4": ("avi", "msmpeg4", "yuv420p", {}),
    "H.263 (FLV)": ("flv", "flv", "yuv420p", {}),
    "H.264": ("mp4", "libx264", "yuv420p", {}),
    "HEVC": ("mp4", "libx265", "yuv420p", {"x265-params": "log-level=none"}),
    "MJPEG": ("avi", "mjpeg", "yuvj420p", {}),
    "WMV 2": ("asf", "wmv2", "yuv420p", {}),
    "FFV1 level 1": ("mkv", "ffv1", "yuv420p", {"level": "1"}),
    "FFV1 level 3": ("mkv", "ffv1", "yuv420p", {"level": "3", "slicecrc": "1"}),
    "HuffYUV": ("avi", "ffvhuff", "yuv420p", {}),
    "Ut Video": ("avi", "utvideo", "yuv420p", {}),
    "QuickTime RLE": ("mov", "qtrle", "rgb24", {}),
    "Cinepak": ("avi", "cinepak", "rgb24", {}),
    "raw": ("avi", "rawvideo", "yuv420p", {}),
    "ProRes": ("mov", "prores_ks", "yuv422p10le", {}),
    "VP8": ("webm", "libvpx", "yuv420p", {}),
    "VP9": ("webm", "libvpx-vp9", "yuv420p", {"cpu-used": "8", "deadline": "realtime"}),
    "VP8 in Ogg": ("ogg", "libvpx", "yuv420p", {}),
}
SIZE_WH = (160, 128)
NUM_FRAMES = 24
NUM_ROUNDS = 24
NUM_DAMAGED = 64
VISIBLE, MIN_SHARE = 40, 0.01


def scene() -> Iterator[Picture]:
    """Coarse noise that moves, with its brightness at the middle of each cell."""
    coarse = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    still = cv2.resize(coarse, SIZE_WH, interpolation=cv2.INTER_CUBIC)
    for number in range(NUM_FRAMES):
        yield np.roll(still, 3 * number, axis=1)


def write(path: Path, encoder: str, pixel_format: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(encoder, rate=25, options=options))
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt, stream.bit_rate = pixel_format, 2_000_000
        stream.codec_context.thread_count = 1
        for picture in scene():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def is_visible(picture: Picture, whole: Picture) -> bool:
    difference = np.abs(picture.astype(int) - whole).max(axis=-1)
    return picture.shape != whole.shape or bool((difference > VISIBLE).mean() > MIN_SHARE)


def outcome(path: Path, whole: list[Picture]) -> str:
    """`noticed`, `gap`, `silent`, or `none` where nothing is to be seen."""
    reader = VideoReader(path, 1)
    try:
        found = [to_bgr(frame) for frame in reader]
        if reader.is_variable_rate:
            return "gap"
    except InputError:
        return "noticed"
    is_same = len(found) == len(whole) and not any(map(is_visible, found, whole))
    return "none" if is_same else "silent"


def damage(content: bytes, places: list[tuple[int, int]], draw: random.Random) -> bytes:
    """Some bytes of one packet are zero, random, or one bit is changed."""
    changed = bytearray(content)
    start, size = draw.choice(places)
    num_bytes = max(1, min(NUM_DAMAGED, size - 24))
    at = start + draw.randrange(min(20, size - 1), max(21, size - num_bytes))
    kind = draw.randrange(3)
    if kind == 2:
        changed[at] ^= 1 << draw.randrange(8)
    else:
        changed[at : at + num_bytes] = bytes(num_bytes) if kind else draw.randbytes(num_bytes)
    return bytes(changed)


def without_packet(path: Path, target: Path, number: int) -> None:
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.size and index != number:
                packet.stream = stream
                container.mux(packet)


def measure(name: str) -> Row:
    suffix, encoder, pixel_format, options = CODECS[name]
    path, spoilt = WORK / f"whole.{suffix}", WORK / f"spoilt.{suffix}"
    write(path, encoder, pixel_format, options)
    content = path.read_bytes()
    whole = [to_bgr(frame) for frame in VideoReader(path, 1)]
    with av.open(str(path)) as container:
        packets = [(one.pos, one.size) for one in container.demux(video=0) if one.size]
    places = [(at, size) for at, size in packets[1:-1] if at is not None and size > 30]
    draw, bytes_found, lost_found = random.Random(0), Counter[str](), Counter[str]()
    for _ in range(NUM_ROUNDS):
        spoilt.write_bytes(damage(content, places, draw))
        bytes_found[outcome(spoilt, whole)] += 1
    for number in draw.sample(range(2, NUM_FRAMES - 2), 8):
        without_packet(path, spoilt, number)
        lost_found[outcome(spoilt, whole)] += 1
    return Row(f"damage: {name}", f"bytes: {_text(bytes_found)}", f"lost: {_text(lost_found)}")


def _text(found: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(found.items()))


def measure_photo(path: Path) -> str:
    """Of 20 holes of 200 zero bytes in a JPEG: how many are noticed."""
    content, draw, found = path.read_bytes(), random.Random(0), Counter[str]()
    whole = decode_picture(content, cv2.IMREAD_COLOR)
    start = content.rfind(b"\xff\xda") + 20
    for _ in range(20):
        at = draw.randrange(start, len(content) - 202)
        with library_output() as lines:
            picture = decode_picture(content[:at] + bytes(200) + content[at + 200 :], 1)
        if picture is None or damage_in(lines):
            found["noticed"] += 1
        else:
            found["silent" if whole is None or is_visible(picture, whole) else "none"] += 1
    return _text(found)


def run() -> list[Row]:
    rows = []
    for name in CODECS:
        log(f"damage: {name}")
        rows.append(measure(name))
    return rows


if __name__ == "__main__":
    for photo in sys.argv[1:]:
        print(Path(photo).name, measure_photo(Path(photo)))
