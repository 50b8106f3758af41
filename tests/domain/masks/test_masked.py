"""The table of objects, its file, and maps of classes made of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO

from vigil.domain.masks.class_map import IGNORED, ClassMaps, compressed
from vigil.domain.masks.masked import MaskedPictures, read_masked, write_masked
from vigil.plumbing.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools asks numpy in an old way."""
WIDTH, HEIGHT = 9, 7


def picture(name: str) -> dict[str, object]:
    return {
        "file_name": name, "width": WIDTH, "height": HEIGHT, "video": "", "frame_index": -1,
        "sha256": name,
    }  # fmt: skip


def rectangle(x1: int, y1: int, x2: int, y2: int) -> str:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return compressed(mask)


def known(rows: list[tuple[str, str, str, bool]], *, background: str = "nothing") -> MaskedPictures:
    """Args: rows: picture, label, mask, and whether it is a crowd."""
    objects = pd.DataFrame(rows, columns=["image", "label", "counts", "is_crowd"])
    pictures = pd.DataFrame([picture(name) for name in ("b.png", "a.png")])
    return MaskedPictures.of(
        pictures, objects.assign(is_difficult=False), ("car", "person"), background
    )


ROWS = [
    ("b.png", "car", rectangle(0, 0, 6, 4), False),
    ("b.png", "person", rectangle(2, 1, 4, 6), False),
    ("b.png", "person", rectangle(5, 0, 9, 7), True),
]


def test_the_smaller_object_is_in_front_and_crowds_are_behind():
    painted = ClassMaps(known(ROWS))["b.png"]
    car, nothing, person = 0, 1, 2
    expected = np.full((HEIGHT, WIDTH), nothing)
    expected[:, 5:] = IGNORED
    expected[:4, :6] = car
    expected[1:6, 2:4] = person
    assert (painted == expected).all()
    assert (ClassMaps(known(ROWS))["a.png"] == nothing).all()


def test_without_a_background_pixels_without_an_object_count_neither_way():
    painted = ClassMaps(known(ROWS, background=""))["b.png"]
    assert painted[6, 0] == IGNORED
    assert (ClassMaps(known(ROWS, background=""))["a.png"] == IGNORED).all()


@pytest.mark.parametrize("rows", [ROWS, []])
def test_a_written_file_is_read_as_the_same_tables_and_by_pycocotools(
    tmp_path: Path, rows: list[tuple[str, str, str, bool]]
):
    before = known(rows)
    write_masked(before, tmp_path / "instances.json")
    after = read_masked(tmp_path / "instances.json")
    pd.testing.assert_frame_equal(after.objects, before.objects)
    assert after.digest() == before.digest()
    coco = COCO(str(tmp_path / "instances.json"))
    areas = [int(coco.annToMask(one).sum()) for one in coco.loadAnns(coco.getAnnIds())]
    assert areas == before.objects["area"].tolist()


def test_selecting_keeps_the_order_asked_for_and_knows_what_is_missing():
    chosen = known(ROWS).select(["b.png", "a.png"])
    assert chosen.images.index.tolist() == ["b.png", "a.png"]
    assert len(chosen.objects) == 3
    with pytest.raises(InputError, match=r"found no c\.png"):
        chosen.select(["c.png"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"image_id": 2', '"image_id": 9'),
        ('"counts": "', '"counts": "0'),
        ('"name": "car"', '"name": "person"'),
        ('"is_background": 0', '"is_background": 1'),
    ],
)
def test_a_file_that_does_not_hold_together_is_one_line(tmp_path: Path, old: str, new: str):
    file = tmp_path / "instances.json"
    write_masked(known(ROWS), file)
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(InputError, match="expected what import_masks writes") as raised:
        read_masked(file)
    assert "\n" not in str(raised.value)
