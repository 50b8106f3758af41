"""Makes a set of pictures of three classes and many sizes of four real ones, to detect objects in.

    python campaigns/several_classes.py ../shared/real data/several

Photographs of raccoons (VOC), pedestrians (Penn-Fudan: the boxes of masks), people seen from far
(PETS 2009, every eighth frame) and cars (CamVid, every third picture: boxes of connected regions).
Writes `images/`, `instances.json` (COCO) and `sides.csv`. Of the raccoons and pedestrians, a
quarter is drawn for the test. Of PETS, the third video is the test; of CamVid, the second drive.
"""

import json
import random
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture

CLASSES = {"person": 1, "raccoon": 2, "car": 3}
CAR = 8
"""Of CamVid's label pictures."""
LEAST_CAR_PX, LEAST_CAR_FILL = 150, 0.45
"""Smaller regions, and regions that fill less of their box, are parts of cars."""
VAL_FROM = 240
"""The frame of PETS's first two videos from which they validate."""
Box = tuple[str, float, float, float, float]
Entry = tuple[str, Picture, list[Box], str]


def read_picture(path: Path, flags: int = cv2.IMREAD_COLOR) -> Picture:
    """The pixels of a picture file."""
    picture = cv2.imread(str(path), flags)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def draw_sides(num: int, draw: random.Random) -> list[str]:
    """The sides of pictures without an order: 65 % train, 10 % validate."""
    sides = ["train"] * round(0.65 * num) + ["val"] * round(0.1 * num)
    sides += ["test"] * (num - len(sides))
    draw.shuffle(sides)
    return sides


def raccoons(root: Path, draw: random.Random) -> Iterator[Entry]:
    """Photographs of raccoons."""
    files = sorted((root / "raccoon/annotations").glob("*.xml"))
    for file, side in zip(files, draw_sides(len(files), draw), strict=True):
        tree = ET.parse(file)
        picture = read_picture(root / "raccoon/images" / str(tree.findtext("filename")))
        height, width = picture.shape[:2]
        boxes: list[Box] = []
        for one in tree.iter("bndbox"):
            x1, y1, x2, y2 = (float(one.findtext(k) or 0) for k in ("xmin", "ymin", "xmax", "ymax"))
            boxes.append(("raccoon", max(0.0, x1), max(0.0, y1), min(width, x2), min(height, y2)))
        yield f"r_{file.stem}.jpg", picture, boxes, side


def pedestrians(root: Path, draw: random.Random) -> Iterator[Entry]:
    """Photographs of people, with the boxes of their masks."""
    files = sorted((root / "pennfudan/images").iterdir())
    for file, side in zip(files, draw_sides(len(files), draw), strict=True):
        (found,) = (root / "pennfudan/instance_masks").glob(f"{file.stem}*")
        mask = read_picture(found, cv2.IMREAD_UNCHANGED)
        boxes: list[Box] = []
        for number in np.unique(mask)[1:]:
            ys, xs = np.nonzero(mask == number)
            boxes.append(
                ("person", float(xs.min()), float(ys.min()), float(xs.max() + 1), ys.max() + 1.0)
            )
        yield f"p_{file.stem}.jpg", read_picture(file), boxes, side


def walkers(root: Path) -> Iterator[Entry]:
    """Frames of a fixed camera, with people of about 20 x 50 px."""
    tracks_of = json.loads((root / "pets09/dense_boxes.json").read_text())
    for name, tracks in sorted(tracks_of.items()):
        (video,) = (root / "pets09/videos").glob(f"{name}.*")
        frames = cv2.VideoCapture(str(video))
        index = -1
        while (read := frames.read())[0]:
            index += 1
            if index % 8:
                continue
            picture = np.asarray(read[1], np.uint8)
            height, width = picture.shape[:2]
            boxes: list[Box] = []
            for track in tracks.values():
                if str(index) in track:
                    x1, y1, x2, y2 = track[str(index)]
                    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(width, x2), min(height, y2)
                    if x2 - x1 > 1 and y2 - y1 > 1:
                        boxes.append(("person", x1, y1, x2, y2))
            side = "test" if name.endswith("_4") else "val" if index > VAL_FROM else "train"
            yield f"s_{name}_{index:03}.jpg", picture, boxes, side


def cars(root: Path, draw: random.Random) -> Iterator[Entry]:
    """Street scenes; a tenth of the first drive validates, the second drive is the test."""
    for part in ("train", "val"):
        for file in sorted((root / "camvid" / part).glob("*.jpg"))[::3]:
            labels = root / f"camvid/{part}_labels/{file.stem}.png"
            is_car = np.equal(read_picture(labels, cv2.IMREAD_UNCHANGED), CAR).astype(np.uint8)
            regions = cv2.connectedComponentsWithStats(is_car)[2][1:].tolist()
            boxes: list[Box] = [
                ("car", x, y, x + w, y + h)
                for x, y, w, h, area in regions
                if area >= LEAST_CAR_PX and area / (w * h) > LEAST_CAR_FILL
            ]
            if boxes:
                side = "test" if part == "val" else "val" if draw.random() < 0.1 else "train"
                yield f"c_{file.stem}.jpg", read_picture(file), boxes, side


def main() -> None:
    """Writes the set, and prints how many pictures each side has."""
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    (out / "images").mkdir(parents=True)
    draw = random.Random(0)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    sides = []
    parts = (raccoons(root, draw), pedestrians(root, draw), walkers(root), cars(root, draw))
    for name, picture, boxes, side in (entry for part in parts for entry in part):
        cv2.imwrite(str(out / "images" / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        height, width = picture.shape[:2]
        images.append({"id": len(images), "file_name": name, "width": width, "height": height})
        sides.append((name, side))
        for label, x1, y1, x2, y2 in boxes:
            annotations.append(
                {"id": len(annotations), "image_id": images[-1]["id"],
                 "category_id": CLASSES[label], "bbox": [x1, y1, x2 - x1, y2 - y1],
                 "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            )  # fmt: skip
    categories = [{"id": number, "name": name} for name, number in CLASSES.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (out / "instances.json").write_text(json.dumps(content))
    lines = [f"{name},{side}\n" for name, side in sides]
    (out / "sides.csv").write_text("name,side\n" + "".join(lines))
    counts = {one: sum(side == one for _, side in sides) for one in ("train", "val", "test")}
    print(f"{len(images)} pictures: {counts}; {len(annotations)} boxes")


if __name__ == "__main__":
    main()
