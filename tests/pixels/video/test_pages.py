"""Files of several pictures, as Pillow writes them."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_pictures import KINDS, encode

from vigil.pixels.video.pages import holds_several

ANIMATED = ("TIFF", "GIF", "PNG", "WEBP", "AVIF")


def write(kind: str, num_pictures: int) -> bytes:
    shades = (np.full((20, 30, 3), 60 * number, np.uint8) for number in range(num_pictures))
    first, *others = (Image.fromarray(shade) for shade in shades)
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others)
    return buffer.getvalue()


@pytest.mark.parametrize("num_pictures", [1, 2, 4])
@pytest.mark.parametrize("kind", ANIMATED)
def test_several_are_told(kind: str, num_pictures: int) -> None:
    assert holds_several(write(kind, num_pictures)) == (num_pictures > 1)


@pytest.mark.parametrize("kind", KINDS)
def test_one_is_one(kind: str) -> None:
    assert not holds_several(encode((33, 44), kind))


@pytest.mark.parametrize("subfile", [1, 4])
def test_a_thumbnail_or_mask_is_no_page(subfile: int) -> None:
    """The tag 254 of a directory tells what it holds."""
    picture, small = Image.new("RGB", (60, 40)), Image.new("RGB", (6, 4))
    buffer = io.BytesIO()
    small.encoderinfo = {"tiffinfo": {254: subfile}}
    picture.save(buffer, "TIFF", save_all=True, append_images=[small])
    assert not holds_several(buffer.getvalue())


@given(st.binary(max_size=80), st.sampled_from(ANIMATED), st.integers(0, 300))
def test_damage_raises_nothing(noise: bytes, kind: str, keep: int) -> None:
    assert holds_several(write(kind, 2)[:keep] + noise) in {True, False}
