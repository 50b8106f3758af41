"""Which picture a mask belongs to: by its name or its folder, and never by a guess."""

from pathlib import Path

import pytest

from vigil.pixels.importing.masks.pairing import pair_masks
from vigil.plumbing.errors import InputError


def pair(folder: Path, pictures: str, masks: str, *, several: bool = True) -> dict[str, str]:
    """The masks of each picture, of files given by their names, which are separated by spaces."""
    for room, names in (("pictures", pictures), ("masks", masks)):
        for name in names.split():
            (folder / room / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / room / name).touch()
    found = pair_masks(folder / "masks", folder / "pictures", several=several)
    return {name: " ".join(files) for name, files in found.items()}


CLEAR = {
    "numbered pictures, and numbered masks in their folders": (
        "1.jpg 2.jpg",
        "1/1.png 1/2.png 2/1.png",
        {"1.jpg": "1/1.png 1/2.png", "2.jpg": "2/1.png"},
    ),
    "endings in such folders": (
        "1.jpg 2.jpg",
        "1/2_left.png 2/1_left.png",
        {"1.jpg": "1/2_left.png", "2.jpg": "2/1_left.png"},
    ),
    "a folder of a class in the folder of the picture": (
        "1.jpg 2.jpg",
        "1/car/2.png 2/car/1.png",
        {"1.jpg": "1/car/2.png", "2.jpg": "2/car/1.png"},
    ),
    "the folders of the pictures": (
        "1/1.jpg 1/2.jpg 2/1.jpg",
        "1/1.png 1/2.png 2/1.png",
        {"1/1.jpg": "1/1.png", "1/2.jpg": "1/2.png", "2/1.jpg": "2/1.png"},
    ),
    "the folders of the pictures, elsewhere": (
        "t/pics/1/1.jpg t/pics/1/2.jpg",
        "t/masks/1/1.png t/masks/1/2.png",
        {"t/pics/1/1.jpg": "t/masks/1/1.png", "t/pics/1/2.jpg": "t/masks/1/2.png"},
    ),
    "folders of pictures, and in them one for each picture": (
        "train/1.jpg val/1.jpg train/2.jpg",
        "train/1/2.png val/1/2.png",
        {"train/1.jpg": "train/1/2.png", "val/1.jpg": "val/1/2.png"},
    ),
    "each picture has the mask of its own name": (
        "img.jpg img_1.jpg img_1_2.jpg",
        "img.png img_1.png img_1_2.png",
        {"img.jpg": "img.png", "img_1.jpg": "img_1.png", "img_1_2.jpg": "img_1_2.png"},
    ),
    "such masks in a folder for each class": (
        "img.jpg img_1.jpg",
        "car/img.png car/img_1.png dog/img_1.png",
        {"img.jpg": "car/img.png", "img_1.jpg": "car/img_1.png dog/img_1.png"},
    ),
    "one kind of ending": (
        "img.jpg img_1.jpg",
        "img_car_0.png img_1_car_0.png img_1_dog_12.png",
        {"img.jpg": "img_car_0.png", "img_1.jpg": "img_1_car_0.png img_1_dog_12.png"},
    ),
    "a folder makes the name clear": (
        "img.jpg img_1.jpg",
        "img_0.png img/img_1.png img_1/img_1.png",
        {"img.jpg": "img/img_1.png img_0.png", "img_1.jpg": "img_1/img_1.png"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLEAR)
def test_the_picture_follows_from_names_and_folders(tmp_path: Path, case: str):
    pictures, masks, expected = CLEAR[case]
    assert pair(tmp_path, pictures, masks) == expected


DOUBTFUL = {
    "a picture beside a folder of pictures of its name": (
        "1.jpg 1/2.jpg", "1/2.png", "1/2.png", "'1/2.jpg' in a folder that may mean '1.jpg'",
    ),
    "a folder whose name only begins with that of a picture": (
        "1.jpg 2.jpg", "1_m/2.png", "1_m/2.png", "'2.jpg' in a folder that may mean '1.jpg'",
    ),
    "two folders": ("1.jpg 2.jpg", "1/2/a.png", "1/2/a.png", "'2.jpg' in a folder that may"),
    "a number that is an ending or a name": (
        "img.jpg img_1.jpg", "img_0.png img_1.png", "img_1.png", "may mean 'img' and 'img_1'",
    ),
    "no other mask tells the kind of ending": (
        "img.jpg img_1.jpg", "img_1_0.png", "img_1_0.png", "may mean 'img' and 'img_1'",
    ),
    "both kinds of endings": (
        "a.jpg b.jpg b_1.jpg", "a_0.png a_0_0.png b_1_0.png", "b_1_0.png", "'b' and 'b_1'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_mask_that_may_be_that_of_several_pictures_is_refused(tmp_path: Path, case: str):
    pictures, masks, place, problem = DOUBTFUL[case]
    with pytest.raises(InputError, match="expected the mask of one picture") as raised:
        pair(tmp_path, pictures, masks)
    assert str(raised.value).startswith(f"{tmp_path / 'masks' / place}: ")
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_with_one_mask_for_each_picture_folders_do_not_name_pictures(tmp_path: Path):
    found = pair(tmp_path, "1.jpg 2.jpg", "1/2_L.png 1/1_L.png", several=False)
    assert found == {"1.jpg": "1/1_L.png", "2.jpg": "1/2_L.png"}


@pytest.mark.parametrize(
    ("pictures", "masks", "lossy"),
    [
        ("set/a.jpg set/b.jpg", "masks/a.png masks/b.jpg", "masks/b.jpg"),
        ("set/a.jpg set/b.jpg", "masks/train/a.png masks/val/b.JPEG", "masks/val/b.JPEG"),
        ("set/a.jpg", "masks/a.jpg", "masks/a.jpg"),
    ],
)
def test_masks_that_are_jpegs_are_refused(tmp_path: Path, pictures: str, masks: str, lossy: str):
    touch(tmp_path, pictures, masks)
    with pytest.raises(InputError, match="a format that keeps values") as raised:
        pair_masks(tmp_path / "masks", tmp_path / "set", several=True)
    assert str(raised.value).startswith(f"{tmp_path / lossy}: ")


@pytest.mark.parametrize("root", ["set", "set/masks"])
@pytest.mark.parametrize("images", ["set", "set/pictures"])
def test_so_are_those_beside_masks_where_one_folder_holds_the_other(
    tmp_path: Path, root: str, images: str
):
    touch(tmp_path, "set/pictures/a.jpg set/pictures/b.jpg set/other/c.jpg", "set/masks/a.png")
    pairs = pair_masks(tmp_path / root, tmp_path / images, several=True)
    assert len(pairs) == 1, "pictures are no masks"
    if root != images:
        touch(tmp_path, "set/masks/b.jpg")
        with pytest.raises(InputError, match=r"masks/b\.jpg: expected masks in a format"):
            pair_masks(tmp_path / root, tmp_path / images, several=True)


def test_pictures_beside_their_masks_are_no_masks(tmp_path: Path):
    touch(tmp_path, "set/a.jpg set/a_mask.png set/b.jpg")
    assert pair_masks(tmp_path / "set", tmp_path / "set", several=False) == {
        "a.jpg": ["a_mask.png"]
    }


def touch(folder: Path, *names: str) -> None:
    for name in " ".join(names).split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
