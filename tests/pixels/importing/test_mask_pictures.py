"""Mask pictures: damage is noticed, and values are never taken for what they are not."""

import random
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_settings import shipped

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.class_table import read_table
from vigil.domain.mask_formats.masks import Masks
from vigil.domain.pictures.run_lengths import area, decompress
from vigil.pixels.importing.masks.mask_pictures import RIM, SEVERAL_VALUES, read_mask_pictures
from vigil.pixels.importing.masks.pairing import pair_masks
from vigil.plumbing.errors import InputError
from vigil.settings.dataset import Dataset

SHAPE = (30, 40)
END = b"\0\0\0\0IEND\xaeB`\x82"
"""The last part of a PNG, without which no pixel is lost."""


def person(value: int = 1) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[5:20, 8:18] = value
    return mask


def areas_of(objects: pd.DataFrame) -> list[int]:
    return [area(decompress(text)) for text in objects["counts"]]


@pytest.fixture
def read(tmp_path: Path):
    """Reads the masks in the folder `masks`, after one of them is written."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/a.png"), np.zeros(SHAPE, np.uint8))

    def run(file: bytes | Image.Image, kind: str, findings: Findings, end: str = "png") -> Masks:
        target = tmp_path / f"masks/a.{end}"
        if isinstance(file, bytes):
            target.write_bytes(file)
        else:
            file.save(target)
        table = {"nothing": 0, "person": 1} if kind == "index" else {}
        table |= {"nothing": (0, 0, 0), "person": (1, 1, 1)} if kind == "colour" else {}
        classes = ["person"] if not table else []
        data = shipped(
            Dataset, **{"masks.format": kind, "masks.table": table, "masks.classes": classes}
        ).masks
        root = tmp_path / "masks"
        read = read_table(table, root, (), of_colours=kind == "colour") if table else None
        return read_mask_pictures(
            root, tmp_path / "pictures", data, read, findings, ignores_unknown=False
        )

    return run


@pytest.mark.parametrize("kind", ["index", "instances"])
def test_a_changed_bit_of_a_png_is_noticed(read, tmp_path: Path, kind: str):
    noisy = np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)
    content = cv2.imencode(".png", noisy)[1].tobytes()
    assert len(read(content, kind, Findings()).objects)
    draw = random.Random(0)
    for _ in range(60):
        place = draw.randrange(8, len(content) - len(END))
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        with pytest.raises(InputError, match=r"expected a (complete )?mask picture"):
            read(bytes(changed), kind, Findings())


@pytest.mark.parametrize("num_bytes", [12, 20, 60])
def test_a_png_that_is_cut_off_is_noticed(read, num_bytes: int):
    content = cv2.imencode(".png", person())[1].tobytes()
    with pytest.raises(InputError, match="expected a complete mask picture"):
        read(content[:-num_bytes], "index", Findings())


def with_alpha(mode: str, alpha: np.ndarray) -> Image.Image:
    picture = Image.fromarray(person(), mode="L").convert(mode)
    picture.putalpha(Image.fromarray(alpha))
    return picture


@pytest.mark.parametrize("kind", ["binary", "instances", "colour"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_mask_that_may_lie_in_the_transparency_is_refused(read, mode: str, kind: str):
    with pytest.raises(InputError, match="got a picture with transparency"):
        read(with_alpha(mode, person(255)), kind, Findings())
    opaque = with_alpha(mode, np.full(SHAPE, 255, np.uint8))
    objects = read(opaque, kind, Findings()).objects
    assert person().sum() in areas_of(objects)


def test_values_that_reading_would_cut_are_refused(read):
    deep = np.repeat(person().astype(np.uint16)[..., None], 3, axis=2)
    content = cv2.imencode(".png", deep)[1].tobytes()
    with pytest.raises(InputError, match="or 16 with one value a pixel, got 16 with several"):
        read(content, "colour", Findings())


def test_fractions_are_refused(read):
    floats = Image.fromarray(person().astype(np.float32))
    with pytest.raises(InputError, match="got pixels of the kind F"):
        read(floats, "instances", Findings(), end="tif")


def test_16_bits_of_one_value_are_read(read):
    grey = cv2.imencode(".png", person().astype(np.uint16) * 1000)[1].tobytes()
    assert areas_of(read(grey, "instances", Findings()).objects) == [person().sum()]


def test_one_object_of_value_255_is_a_binary_mask(read):
    binary = Image.fromarray(person(255))
    with pytest.raises(InputError, match="0 and 255 alone; are they of format binary"):
        read(binary, "instances", Findings())
    assert len(read(binary, "binary", Findings()).objects) == 1


def test_numbered_objects_are_no_binary_mask(read):
    numbered = person()
    numbered[22:28, 2:9] = 2
    with pytest.raises(InputError, match="1 to 2 in all; are they of format instances"):
        read(Image.fromarray(numbered), "binary", Findings())
    assert len(read(Image.fromarray(numbered), "instances", Findings()).objects) == 2


def test_smoothed_edges_are_noted(read):
    smooth = person(200)
    smooth[4, 8:18], smooth[20, 8:18] = 90, 40
    findings = Findings()
    assert len(read(Image.fromarray(smooth), "binary", findings).objects) == 1
    assert findings.counts == {SEVERAL_VALUES: 1}
    findings = Findings()
    read(Image.fromarray(smooth), "instances", findings)
    assert findings.counts == {RIM: 2}


def test_small_and_touching_objects_are_no_smoothed_edges(read):
    numbered = person()
    numbered[5:20, 18:26] = 2  # touches the other
    numbered[27, 30:33] = 3  # thin, alone
    findings = Findings()
    assert len(read(Image.fromarray(numbered), "instances", findings).objects) == 3
    assert not findings.counts


def several(tmp_path: Path, pictures: dict[str, Image.Image], kind: str, **options: bool) -> Masks:
    """Reads masks of several pictures."""
    for name, picture in pictures.items():
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"pictures/{name}.png"), np.zeros(SHAPE, np.uint8))
        picture.save(tmp_path / f"masks/{name}.png")
    table = {"nothing": 0, "person": 1} if kind == "index" else {}
    classes = [] if table else ["person"]
    settings = {"masks.format": kind, "masks.table": table, "masks.classes": classes}
    data, root = shipped(Dataset, **settings).masks, tmp_path / "masks"
    known = read_table(table, root, (), of_colours=False) if table else None
    ignores = options.get("ignores_unknown", False)
    pictures_root = tmp_path / "pictures"
    return read_mask_pictures(root, pictures_root, data, known, Findings(), ignores_unknown=ignores)


def with_palette(values: np.ndarray, colours: list[int]) -> Image.Image:
    picture = Image.fromarray(values, "P")
    picture.putpalette(colours)
    return picture


RED_FIRST, RED_SECOND = [0, 0, 0, 255, 0, 0, 0, 0, 9], [255, 0, 0, 0, 0, 0, 0, 0, 9]


def test_an_index_means_one_colour_in_all_masks(tmp_path: Path):
    same = {name: with_palette(person(), RED_FIRST) for name in "ab"}
    assert len(several(tmp_path, same, "index").objects) == 4
    other = same | {"c": with_palette(person(), RED_SECOND)}
    with pytest.raises(InputError, match=r"c\.png: .* index 0 is \[0, 0, 0\], got \[255, 0, 0\]"):
        several(tmp_path, other, "index")


def test_a_border_of_255_is_no_object(tmp_path: Path):
    bordered = person() + person(2)[::-1]
    bordered[4] = 255
    with pytest.raises(InputError, match="a number for each object, got 255 and else"):
        several(tmp_path, {"a": Image.fromarray(bordered)}, "instances")
    mixed = {"a": Image.fromarray(person(3)), "b": Image.fromarray(person(255))}
    with pytest.raises(InputError, match="got 255 and else 3 at most"):
        several(tmp_path, mixed, "instances")


def test_as_many_as_255_objects_are_objects(tmp_path: Path):
    numbers = np.zeros(SHAPE, np.uint8)
    numbers.flat[:255] = np.arange(1, 256)
    assert len(several(tmp_path, {"a": Image.fromarray(numbers)}, "instances").objects) == 255


def disc(size_wh: tuple[int, int], radius: int, largest: int) -> np.ndarray:
    """A disc with smoothed edges."""
    mask = np.zeros(size_wh[::-1], np.uint8)
    middle = (size_wh[0] // 2, size_wh[1] // 2)
    cv2.circle(mask, middle, radius, 255, -1, cv2.LINE_AA)
    return (mask.astype(np.uint16) * largest // 255).astype(np.uint8)


@pytest.mark.parametrize("largest", [255, 200])
@pytest.mark.parametrize("radius", [8, 400])
def test_the_shades_of_a_smoothed_mask_are_no_objects(tmp_path: Path, radius: int, largest: int):
    mask = disc((3 * radius, 3 * radius), radius, largest)
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match=r"a\.png: .* thin edges, as of one smoothed mask"):
        several(tmp_path, {"a": Image.fromarray(mask)}, "instances")


def test_thin_objects_that_touch_are_objects(tmp_path: Path):
    """Programs number objects without gaps, and leave some out; most objects are no thin ones."""
    bars = np.zeros(SHAPE, np.uint8)
    bars[5:25, 3:21] = np.repeat(np.arange(1, 10), 2)
    bars[5:25, 21:30] = 10
    assert len(several(tmp_path, {"a": Image.fromarray(bars)}, "instances").objects) == 10
    few = np.zeros(SHAPE, np.uint8)
    few[5:25, 3:7] = np.repeat([2, 4], 2)
    few[5:25, 7:30] = 9
    assert len(several(tmp_path, {"a": Image.fromarray(few)}, "instances").objects) == 3


def test_masks_of_several_pages_are_refused(read, tmp_path: Path):
    pages = [Image.fromarray(person(255)), Image.fromarray(person(255)[::-1].copy())]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="expected a mask of one page, got 2 pages"):
        read((tmp_path / "two.tif").read_bytes(), "binary", Findings(), "tif")


def test_a_transparent_colour_hides_a_mask_of_colours_and_none_of_indices(read, tmp_path: Path):
    picture = with_palette(person(), [0, 0, 0, 1, 1, 1])
    picture.info["transparency"] = 0
    picture.save(tmp_path / "clear.png", transparency=0)
    content = (tmp_path / "clear.png").read_bytes()
    for kind in ("colour", "binary"):
        with pytest.raises(InputError, match="got a picture with transparency"):
            read(content, kind, Findings())
    assert areas_of(read(content, "index", Findings()).objects)[-1] == 150


def test_masks_of_0_and_255_are_no_classes_even_where_unknown_values_are_ignored(tmp_path: Path):
    masks = {"a": Image.fromarray(person(255))}
    with pytest.raises(InputError, match="where 255 is no class; are they of format binary"):
        several(tmp_path, masks, "index", ignores_unknown=True)


def test_a_palette_whose_first_colour_is_not_black_tells_no_objects(read):
    """Index 0 stands for no object; a palette made from colours may put anything there."""
    picture = Image.fromarray(person()).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    assert areas_of(read(picture, "instances", Findings()).objects) == [150]
    picture.putpalette([255, 0, 0, 0, 0, 0])
    with pytest.raises(InputError, match=r"expected a palette whose index 0 is black, .*\[255, 0"):
        read(picture, "instances", Findings())
    with pytest.raises(InputError, match="expected a palette whose index 0 is black"):
        read(picture, "binary", Findings())


def grey_png(values: np.ndarray, depth: int) -> bytes:
    """A grey PNG of fewer than 8 bits a value, which Pillow does not write."""
    bits = ((values[..., None] >> np.arange(depth)[::-1]) & 1).astype(np.uint8)
    rows = np.packbits(bits.reshape(len(values), -1), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    height, width = values.shape
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, 0, 0, 0, 0])
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4, "big")
        + name
        + content
        + zlib.crc32(name + content).to_bytes(4, "big")
        for name, content in parts
    )


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_a_value_are_the_indices_that_were_written(read, depth: int):
    """Pillow spreads the values of 2 and 4 bits over 0 to 255."""
    masks = read(grey_png(person(), depth), "index", Findings())
    assert dict(zip(masks.objects["label"], areas_of(masks.objects), strict=True)) == {
        "nothing": SHAPE[0] * SHAPE[1] - 150,
        "person": 150,
    }


def test_a_mask_of_another_number_is_not_taken_for_that_of_a_picture(tmp_path: Path):
    for name in ("pictures/street.png", "pictures/street_1.png", "masks/street_1_L.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), person())
    folders = tmp_path / "masks", tmp_path / "pictures"
    assert pair_masks(*folders, several=False) == {"street_1.png": ["street_1_L.png"]}
    (tmp_path / "masks/street_1_L.png").rename(tmp_path / "masks/street_2_L.png")
    with pytest.raises(InputError, match=r"same name, found none but .street\.png., which has a"):
        pair_masks(*folders, several=False)
    assert pair_masks(*folders, several=True) == {"street.png": ["street_2_L.png"]}


def test_a_table_in_a_file_has_the_indices_that_params_may_have(tmp_path: Path):
    (tmp_path / "table.txt").write_text("0 nothing\n65535 person\n")
    table = read_table("table.txt", tmp_path, (), of_colours=False)
    assert table.label_of == {0: "nothing", 65535: "person"}
    (tmp_path / "table.txt").write_text("0 nothing\n65536 person\n")
    with pytest.raises(InputError, match="line 2: expected R G B name, of numbers up to 255, or"):
        read_table("table.txt", tmp_path, (), of_colours=False)
    (tmp_path / "table.txt").write_text("0 0 256 nothing\n")
    with pytest.raises(InputError, match="line 1: expected R G B name, of numbers up to 255, or"):
        read_table("table.txt", tmp_path, (), of_colours=True)
