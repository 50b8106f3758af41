"""Pictures of a bounded size, whole or not at all, whatever the memory."""

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import no_longer_than
from tiny_pictures import KINDS, encode

from vigil.pixels.pictures.decoding import MAX_PIXELS, TooLargeError, decode_picture

HEADS = {
    "PNG": (16, b"\0\1\0\0\0\1\0\0"),
    "GIF": (6, b"\xff\xff\xff\xff"),
    "BMP": (18, b"\0\0\1\0\0\0\1\0"),
    "extended WebP": (24, b"\xff\xff\0\xff\xff\0"),
}
"""Where a kind has its size, and one of gigabytes."""


def claim_gigabytes(kind: str) -> bytes:
    content = bytearray(encode((33, 44), kind))
    if "JPEG" in kind:
        at = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) + 5
        head = b"\xff\xdc\xff\xdc"
    else:
        at, head = HEADS[kind]
    content[at : at + len(head)] = head
    return bytes(content)


@pytest.mark.parametrize("kind", [*HEADS, "JPEG", "progressive JPEG"])
def test_heads_that_claim_gigabytes_are_refused_unread(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(TooLargeError, match=r"^\d{5}x\d{5}$"):
        decode_picture(claim_gigabytes(kind), cv2.IMREAD_COLOR)


@pytest.mark.parametrize("kind", KINDS)
def test_others_are_decoded(kind: str) -> None:
    picture = decode_picture(encode((33, 44), kind), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (44, 33, 3)


def test_the_largest_is_just_allowed() -> None:
    side = int(MAX_PIXELS**0.5)
    for height in (side, 2 * side):
        _, png = cv2.imencode(".png", np.zeros((height, side), np.uint8))
        if height * side <= MAX_PIXELS:
            assert decode_picture(png.tobytes(), cv2.IMREAD_GRAYSCALE) is not None
        else:
            with pytest.raises(TooLargeError):
                decode_picture(png.tobytes(), cv2.IMREAD_GRAYSCALE)


LIMITED = """
import resource, sys
from pathlib import Path
import cv2
from vigil.pixels.pictures.decoding import TooLargeError, decode_picture
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    picture = decode_picture(Path(sys.argv[1]).read_bytes(), cv2.IMREAD_COLOR)
    print("none" if picture is None else picture.shape)
except TooLargeError as error:
    print("too large", error)
except MemoryError:
    print("memory")
"""


def decode_with(path: Path, limit_gb: float) -> str:
    words = [sys.executable, "-c", LIMITED, str(path), str(int(limit_gb * 2**30))]
    with no_longer_than(60):
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "progressive JPEG", "lossless WebP"])
def test_too_little_memory_is_no_verdict(kind: str, tmp_path: Path) -> None:
    """Whether it does not do for the picture or for what the decoder needs beside it."""
    (tmp_path / "a").write_bytes(encode((8000, 6000), kind))
    shape = "(6000, 8000, 3)"
    assert decode_with(tmp_path / "a", 2.5) == shape
    outcomes = {decode_with(tmp_path / "a", limit_gb) for limit_gb in (0.4, 0.45, 0.5, 0.55, 0.6)}
    assert "memory" in outcomes
    assert outcomes <= {"memory", shape}


@pytest.mark.parametrize("ending", [".jp2", ".avif", ".hdr", ".pfm", ".gif"])
def test_nor_for_kinds_that_few_use(ending: str, tmp_path: Path) -> None:
    """Most of their libraries do not tell a lack of memory from a file that is no picture."""
    content = cv2.imencode(ending, np.zeros((4000, 6000, 3), np.uint8))[1].tobytes()
    (tmp_path / "a").write_bytes(content)
    assert decode_with(tmp_path / "a", 2.5) == "(4000, 6000, 3)"
    limits_gb = (0.4, 0.5, 0.65)
    outcomes = {decode_with(tmp_path / "a", limit_gb) for limit_gb in limits_gb}
    assert "memory" in outcomes
    assert outcomes <= {"memory", "(4000, 6000, 3)"}


LARGE_HEADS = {
    ".jp2": (b"\xff\x4f\xff\x51", 8, struct.pack(">II", 40_000, 40_000)),
    ".avif": (b"ispe", 8, struct.pack(">II", 40_000, 40_000)),
    ".hdr": (b"-Y 40 +X 60", 0, b"-Y 40000 +X 60000"),
    ".ras": (b"\x59\xa6\x6a\x95", 4, struct.pack(">II", 40_000, 40_000)),
    ".pfm": (b"60 40", 0, b"60000 40000"),
    ".pam": (b"WIDTH 60\nHEIGHT 40", 0, b"WIDTH 60000\nHEIGHT 40000"),
}
"""By ending: what is before the size, where the size is, and one of gigabytes."""


@pytest.mark.parametrize("ending", LARGE_HEADS)
def test_no_kind_is_decoded_beyond_the_bound(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = cv2.imencode(ending, np.zeros((40, 60, 3), np.uint8))[1].tobytes()
    mark, offset, size = LARGE_HEADS[ending]
    place = content.index(mark) + offset
    num_replaced = len(size) if offset else len(mark)
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(TooLargeError, match=r"^\d{5}x\d{5}$"):
        decode_picture(content[:place] + size + content[place + num_replaced :], 1)


@pytest.mark.parametrize("content", [b"noise" * 99, b"\xff\xd8\xff\xd9", b"#?RADIANCE\n\n-Y x"])
def test_without_a_size_nothing_is_decoded(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory has no say in what is a picture."""
    monkeypatch.setattr(cv2, "imdecode", None)
    assert decode_picture(content, cv2.IMREAD_COLOR) is None


@pytest.mark.parametrize("kind", ["GIF", "JPEG"])
def test_what_claims_gigabytes_is_refused_by_little_memory(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(claim_gigabytes(kind))
    assert decode_with(tmp_path / "a", 2.5).startswith("too large")
