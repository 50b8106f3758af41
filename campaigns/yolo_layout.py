"""Writes the pictures and boxes of a project in the layout that Ultralytics' YOLO reads.

So that another detector trains and is tested on the same sides, in an environment of its own:

    python campaigns/yolo_layout.py data/several/images /tmp/yolo
    python -m venv .venv/yolo && .venv/yolo/bin/pip install ultralytics==8.4.190
    time .venv/yolo/bin/yolo detect train data=/tmp/yolo/data.yaml model=yolo11n.yaml epochs=27 \
        imgsz=416 device=cpu workers=0 val=False amp=False project=/tmp/yolo name=trained
    .venv/yolo/bin/yolo detect val data=/tmp/yolo/data.yaml split=test imgsz=416 device=cpu \
        workers=0 model=/tmp/yolo/trained/weights/last.pt

It reads the picture set and the split of the project in the folder where it runs. The pictures are
linked, not copied.
"""

import sys
from pathlib import Path

import yaml

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import SIDES, read_side

INSTANCES, SPLITS = Path("data/detection/instances.json"), Path("data/splits/detector")


def main() -> None:
    """Writes a folder of pictures and one of boxes for each side, and `data.yaml`."""
    images, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    known = read_annotated(INSTANCES)
    for side in SIDES:
        pictures, labels = out / side / "images", out / side / "labels"
        pictures.mkdir(parents=True)
        labels.mkdir()
        chosen = known.select(read_side(SPLITS / f"{side}.json"))
        boxes_of = dict(list(chosen.boxes.groupby("image")))
        for name, width, height in chosen.images[["width", "height"]].itertuples():
            (pictures / name).symlink_to(images / name)
            lines = []
            if name in boxes_of:
                rows = boxes_of[name][["label", *CORNERS]]
                for label, x1, y1, x2, y2 in rows.itertuples(index=False):
                    # the centre and the sides, as fractions of the picture
                    place = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
                    sides = ((x2 - x1) / width, (y2 - y1) / height)
                    number = known.classes.index(label)
                    lines.append(" ".join(map(str, (number, *place, *sides))) + "\n")
            (labels / name).with_suffix(".txt").write_text("".join(lines))
    facts = {"path": str(out), "names": dict(enumerate(known.classes))}
    facts |= {side: f"{side}/images" for side in SIDES}
    (out / "data.yaml").write_text(yaml.safe_dump(facts))


if __name__ == "__main__":
    main()
