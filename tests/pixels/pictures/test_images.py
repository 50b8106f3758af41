"""Pictures of every kind, from folders and archives; names that would lead elsewhere."""

import io
import multiprocessing
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import InputError

HEIGHT, WIDTH = 12, 20


def colours() -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 RGB: each pixel differs from the others, and R, G and B from one."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 12, y * 20, 200 - x * 5 - y * 5], axis=2).astype(np.uint8)


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def rgb_of(content: bytes, tmp_path: Path) -> np.ndarray:
    (tmp_path / "picture").write_bytes(content)
    found = ImageSource(tmp_path).rgb("picture")
    assert (found.dtype, found.ndim, found.shape[2]) == (np.uint8, 3, 3)
    assert found.flags.c_contiguous
    return found


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_exact_kinds_give_the_colours_as_they_are(kind: str, tmp_path: Path) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = encode(Image.fromarray(colours()), kind, **options)
    assert np.array_equal(rgb_of(content, tmp_path), colours())


def test_a_jpeg_is_as_pillow_reads_it(tmp_path: Path) -> None:
    content = encode(Image.fromarray(colours()), "JPEG")
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(rgb_of(content, tmp_path) - expected).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_grey_becomes_three_equal_colours(kind: str, tmp_path: Path) -> None:
    grey = colours()[..., 0]
    found = rgb_of(encode(Image.fromarray(grey), kind, quality=100), tmp_path)
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])
    assert np.abs(found[..., 0].astype(int) - grey).max() <= (0 if kind == "PNG" else 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_left_out(mode: str, tmp_path: Path) -> None:
    opaque = Image.fromarray(colours()).convert("L" if mode == "LA" else "RGB")
    picture = opaque.copy()
    picture.putalpha(Image.fromarray(colours()[..., 1]))
    assert picture.mode == mode
    found = rgb_of(encode(picture, "PNG"), tmp_path)
    assert np.array_equal(found, np.asarray(opaque.convert("RGB")))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_to_eight(ending: str, channels: int, tmp_path: Path) -> None:
    wide = colours().astype(np.uint16) * 256 + 77
    stored = np.dstack([wide[..., ::-1], wide[..., :1]])[..., :channels]
    _, content = cv2.imencode(ending, stored)
    expected = colours() if channels > 1 else np.repeat(colours()[..., 2:], 3, axis=2)
    found = rgb_of(content.tobytes(), tmp_path).astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [7, 8, 10, 12])
def test_sixteen_bits_that_are_not_filled_are_refused(
    ending: str, bits: int, channels: int, tmp_path: Path
) -> None:
    """Scaled to 8 bits, they would be black or nearly black. But dark pictures are dark."""
    stored = np.zeros((20, 30, channels), np.uint16)
    stored[..., 3:] = 65535
    for noise in (0, 5, 63):
        stored[3, 3, :3] = noise
        _, dark = cv2.imencode(ending, stored)
        assert not rgb_of(dark.tobytes(), tmp_path).any()
    stored[5:9, 5:9, :3] = 2**bits - 1
    _, content = cv2.imencode(ending, stored)
    with pytest.raises(InputError, match=f"in a picture of 16 bits, got at most {2**bits - 1} "):
        rgb_of(content.tobytes(), tmp_path)
    _, dark = cv2.imencode(ending, np.full((20, 30), 3, np.uint8))
    assert (rgb_of(dark.tobytes(), tmp_path) == 3).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str, tmp_path: Path) -> None:
    content = encode(Image.fromarray(colours()).convert("CMYK"), kind, quality=100)
    found = rgb_of(content, tmp_path).astype(int)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(found - expected).max() <= 2
    assert np.abs(found - colours()).max() <= 8


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_become_their_colours(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(colours()).convert(mode)
    found = rgb_of(encode(picture, "PNG"), tmp_path)
    assert np.array_equal(found, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(colours()), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content)))).astype(int)
    found = rgb_of(content, tmp_path)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2


def png() -> bytes:
    return encode(Image.fromarray(colours()), "PNG")


def jpeg() -> bytes:
    return encode(Image.fromarray(np.tile(colours(), (9, 9, 1))), "JPEG")


NO_PICTURES = {
    "nothing": b"",
    "text": b"no picture at all\n" * 20,
    "html": b"<html><body>404</body></html>",
    "a PNG's first half": png()[: len(png()) // 2],
    "a PNG without its end": png()[:-4],
    "a JPEG's first half": jpeg()[: len(jpeg()) // 2],
    "a JPEG without its end": jpeg()[:-2],
    "a JPEG's header": jpeg()[:20],
}


@pytest.mark.parametrize("case", NO_PICTURES)
def test_what_is_no_picture_is_told(
    case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(NO_PICTURES[case])
    with pytest.raises(InputError, match=r"a\.jpg: expected a picture, got \d+ bytes"):
        ImageSource(tmp_path).rgb("a.jpg")
    assert capfd.readouterr().err == ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures in a folder and in archives, and one outside."""
    root = tmp_path / "images"
    (root / "day 1").mkdir(parents=True)
    (root / "a.png").write_bytes(png())
    (root / "day 1" / "ä.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    for name, method in (("door.mp4.zip", zipfile.ZIP_STORED), ("b.ZIP", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(root / name, "w", method) as file:
            for number in range(40):
                picture = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
                file.writestr(f"{number:06d}.png", encode(Image.fromarray(picture), "PNG"))
            file.writestr("in/x.png", png())
            file.writestr("../secret.png", png())
    (root / "folder.zip").mkdir()
    (root / "folder.zip" / "a.png").write_bytes(png())
    (root / "text.zip").write_text("no archive")
    return root


@pytest.mark.parametrize(
    "name",
    ["a.png", "day 1/ä.png", "door.mp4.zip/000003.png", "b.ZIP/in/x.png", "folder.zip/a.png"],
)
def test_an_archive_counts_as_a_folder(name: str, root: Path) -> None:
    source = ImageSource(root)
    assert source.rgb(name).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "day 1/../a.png",
        "door.mp4.zip/../secret.png",
        "..",
        "",
        "/etc/passwd",
        "a\0.png",
        "out.png",
        "out/secret.png",
        "circle/a.png",
        "\ud800.png",
    ],
)
def test_names_that_lead_out_are_refused(name: str, root: Path) -> None:
    (root / "out.png").symlink_to(root.parent / "secret.png")
    (root / "out").symlink_to(root.parent)
    (root / "circle").symlink_to(root / "circle")
    source = ImageSource(root)
    # From Python 3.13 on, a link in a circle is found when it is read.
    asks = [] if name.startswith("circle") else [source.archive_of]
    for ask in (*asks, source.content, source.rgb):
        with pytest.raises(InputError) as error:
            ask(name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["none.png", "a.png/x", "day 1", "door.mp4.zip/none.png", "none.zip/a.png", "none/a"]
)
def test_a_missing_picture_is_named(name: str, root: Path) -> None:
    source = ImageSource(root)
    with pytest.raises(InputError, match=r"expected the picture '.*', found none"):
        source.rgb(name)


def test_a_name_longer_than_any_file_has(root: Path) -> None:
    source = ImageSource(root)
    with pytest.raises(InputError, match="expected to read 'xxx") as error:
        source.rgb("x" * 5000)
    assert len(str(error.value)) < 600


def test_a_damaged_archive_is_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"text\.zip: expected an archive"):
        ImageSource(root).rgb("text.zip/a.png")
    content = bytearray((root / "b.ZIP").read_bytes())
    content[60:70] = bytes(10)
    (root / "b.ZIP").write_bytes(content)
    with pytest.raises(InputError, match=r"expected to read 'b\.ZIP/000000\.png'"):
        ImageSource(root).rgb("b.ZIP/000000.png")


def test_links_inside_and_those_of_dvc_are_followed(root: Path) -> None:
    stored = root.parent / "cache" / "files" / "md5" / "ab" / ("0" * 30)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(png())
    (root / "cached.png").symlink_to(stored)
    (root / "inside.png").symlink_to(root / "a.png")
    (root.parent / "linked").symlink_to(root)
    for name in ("cached.png", "inside.png"):
        assert ImageSource(root.parent / "linked").rgb(name).shape == (HEIGHT, WIDTH, 3)
        assert np.array_equal(ImageSource(root).rgb(name), colours())


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of pictures"):
        ImageSource(tmp_path / "none")


def numbers_read(source: ImageSource, archive: str) -> list[int]:
    return [int(source.rgb(f"{archive}/{number:06d}.png")[0, 0, 0]) for number in range(40)]


def put_numbers_read(queue: Any, source: ImageSource, archive: str) -> None:
    queue.put([numbers_read(source, archive) for _ in range(5)])


@pytest.mark.parametrize("archive", ["door.mp4.zip", "b.ZIP"])
def test_threads_share_a_source(archive: str, root: Path) -> None:
    source = ImageSource(root)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: numbers_read(source, archive), range(16)))
    assert found == [list(range(40))] * 16


def test_forked_processes_do_not_disturb_each_other(root: Path) -> None:
    source = ImageSource(root)
    numbers_read(source, "door.mp4.zip")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [
        context.Process(target=put_numbers_read, args=(queue, source, "door.mp4.zip"))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    assert found == [[list(range(40))] * 5] * 3
    for worker in workers:
        worker.join()


def test_a_source_can_be_pickled_after_use(root: Path) -> None:
    source = ImageSource(root)
    source.rgb("b.ZIP/000001.png")
    assert numbers_read(pickle.loads(pickle.dumps(source)), "b.ZIP") == list(range(40))
