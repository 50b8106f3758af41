"""Which pictures are turned before they are shown, against what OpenCV does with them."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vigil.pixels.importing.pictures.exif import is_turned, turns_when_decoded

KINDS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")
TURNED_BY_OPENCV = {"JPEG", "PNG", "TIFF"}


def encode(kind: str, orientation: int | None) -> bytes:
    """A picture that is different after every turn and mirroring."""
    picture = np.zeros((24, 48, 3), np.uint8)
    picture[:8, :16] = 255
    buffer, options = io.BytesIO(), {}
    if orientation is not None:
        exif = Image.Exif()
        exif[274] = orientation
        options = {"exif": exif}
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def decode(content: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.asarray(found > 128)


@pytest.mark.parametrize("orientation", [None, *range(10)])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_told_of_what_asks_for_it(kind: str, orientation: int | None) -> None:
    content = encode(kind, orientation)
    assert is_turned(content) == (orientation in range(2, 9))
    assert turns_when_decoded(content) == (kind in TURNED_BY_OPENCV)
    upright = decode(encode(kind, None))
    is_same = np.array_equal(decode(content), upright)
    assert is_same == (not is_turned(content) or not turns_when_decoded(content))


@given(st.binary(max_size=80), st.sampled_from([*KINDS, ""]), st.integers(0, 120))
def test_damage_raises_nothing(noise: bytes, kind: str, keep: int) -> None:
    beginning = encode(kind, 6)[:keep] if kind else b""
    assert is_turned(beginning + noise) in {True, False}
