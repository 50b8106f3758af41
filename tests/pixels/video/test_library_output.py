"""What libraries print is caught, what others print is not lost."""

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vigil.pixels.importing.pictures.measuring import damage_of
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.video.library_output import damage_in, library_output


def jpeg(*, hole: bool, progressive: bool = False) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=90, progressive=progressive)
    content = bytearray(buffer.getvalue())
    if hole:
        middle = len(content) // 2
        content[middle : middle + 200] = bytes(200)
    return bytes(content)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_hole_in_a_jpeg_is_told(
    progressive: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for hole in (False, True):
        (tmp_path / "a.jpg").write_bytes(jpeg(hole=hole, progressive=progressive))
        told = damage_of(ImageSource(tmp_path), "a.jpg")
        assert bool(told) == hole
        assert not told or told.startswith("Corrupt JPEG data: ")
    assert capfd.readouterr().err == ""


def test_lines_of_all_threads_are_caught(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(hole=number in (2, 5)))
    source = ImageSource(tmp_path)
    with library_output() as lines, ThreadPoolExecutor(4) as pool:
        list(pool.map(source.rgb, [f"{number}.jpg" for number in range(8)]))
    assert len(lines) == 2
    assert damage_in(lines)


def test_lines_of_others_are_printed_after_all(capfd: pytest.CaptureFixture[str]) -> None:
    with library_output() as lines:
        os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\nCorrupt JPEG data: x\n")
        print("something else", file=sys.stderr)
    assert lines == ["libpng warning: iCCP: known incorrect sRGB profile", "Corrupt JPEG data: x"]
    assert damage_in(lines) == "Corrupt JPEG data: x"
    assert damage_in(lines[:1]) == ""
    assert capfd.readouterr().err == "something else\n"


def test_an_error_leaves_the_terminal_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), library_output():
        _ = 1 / 0
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
