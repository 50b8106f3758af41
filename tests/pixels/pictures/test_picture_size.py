"""How large a picture says it is, against Pillow, for every kind that says it in its head."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_pictures import KINDS, encode

from vigil.pixels.pictures.picture_size import declared_size

sides = st.integers(1, 300)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(width=sides, height=sides)
def test_it_is_what_the_picture_has(kind: str, width: int, height: int) -> None:
    assert declared_size(encode((width, height), kind)) == (width, height)


def test_forms_that_pillow_does_not_write() -> None:
    picture = np.zeros((7, 9, 3), np.uint8)
    for ending in (".tiff", ".bmp", ".pgm", ".ppm"):
        coded = cv2.imencode(ending, picture if ending != ".pgm" else picture[..., 0])[1]
        assert declared_size(coded.tobytes()) == (9, 7)
    assert declared_size(b"P6 # a comment\n# 5 5\n9 7 255\n" + bytes(189)) == (9, 7)
    upside_down = b"BM" + bytes(12) + struct.pack("<Iii", 40, 9, -7)
    assert declared_size(upside_down) == (9, 7)
    oldest = b"BM" + bytes(12) + struct.pack("<IHH", 12, 9, 7)
    assert declared_size(oldest) == (9, 7)
    large_endian = b"MM\0*" + struct.pack(">IHHHIHHHHIHH", 8, 2, 256, 3, 1, 9, 0, 257, 3, 1, 7, 0)
    assert declared_size(large_endian) == (9, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_off_tells_the_same_or_nothing(kind: str) -> None:
    content = encode((33, 44), kind)
    for length in range(0, min(len(content), 700), 7):
        assert declared_size(content[:length]) in (None, (33, 44))


@given(st.binary(max_size=64), st.sampled_from([b"", b"\xff\xd8\xff", b"II*\0", b"P5", b"BM"]))
def test_noise_raises_nothing(content: bytes, head: bytes) -> None:
    size = declared_size(head + content)
    assert size is None or len(size) == 2


OPENCV_KINDS = (
    *(".jp2", ".avif", ".hdr", ".pic", ".ras", ".sr", ".pfm", ".pam", ".png", ".jpg", ".gif"),
    *(".bmp", ".webp", ".tiff", ".ppm"),
)


@pytest.mark.parametrize("ending", OPENCV_KINDS)
@pytest.mark.parametrize("size_wh", [(60, 40), (300, 70)])
def test_every_kind_that_opencv_writes(ending: str, size_wh: tuple[int, int]) -> None:
    content = cv2.imencode(ending, np.zeros((*size_wh[::-1], 3), np.uint8))[1].tobytes()
    assert declared_size(content) == size_wh


def test_a_stream_of_jpeg_2000_alone_and_a_big_tiff() -> None:
    boxed = cv2.imencode(".jp2", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
    assert declared_size(boxed[boxed.index(b"\xff\x4f\xff\x51") :]) == (60, 40)
    entries = struct.pack("<HHQQHHQQ", 256, 16, 1, 9, 257, 4, 1, 7)
    big = b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + struct.pack("<Q", 2) + entries + bytes(8)
    assert declared_size(big) == (9, 7)


def test_bytes_between_the_segments_of_a_jpeg() -> None:
    """libjpeg skips them."""
    content = encode((33, 44), "JPEG")
    place = content.index(b"\xff\xdb")
    changed = content[:place] + b"\0\x12\xff" + content[place:]
    assert declared_size(changed) == (33, 44)
    assert cv2.imdecode(np.frombuffer(changed, np.uint8), cv2.IMREAD_COLOR).shape == (44, 33, 3)
