"""Changed inputs that are accepted: what comes of them is what came of the whole ones, or is named.

A digit that became another one, or an entry that is gone, leaves nothing to be noticed by. What is
done here leaves something: values that no key may have, ends that are missing, holes, and the same
content in other words.
"""

import copy
import csv
import importlib.util
import io
import json
import random
import shutil
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY
from damage import ROUNDS, SEED, places_of
from tiny_detections import BOXES, coco_of, write_coco, write_pictures, write_rtsd, write_voc

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import read_annotated
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import InputError
from vigil.settings.dataset import Detection
from vigil.settings.import_detections import ImportDetections

SOURCES = {"voc": "annotations", "coco": "instances.json", "rtsd": "gt.csv"}
WHOLE = sorted((name, *box) for name, own in BOXES.items() for box in own)
FINE = {"value written in another way", "picture whose size the annotations do not say"}
"""Reasons that are noted of entries that are in use, and right."""


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


class ImportedSet:
    """The tiny set in all formats, and the stage over it: what is wrong is left out and counted.

    The stage's function is called as it is, but for its drawings, which take most of the time.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        write_pictures(folder / "images", list(BOXES))
        write_voc(folder / "annotations")
        write_coco(folder / "instances.json")
        write_rtsd(folder / "gt.csv")
        spec = importlib.util.spec_from_file_location(
            "fuzzed_stage", REPOSITORY / "stages/import_detections.py"
        )
        self._stage = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, self._stage)
        spec.loader.exec_module(self._stage)
        monkeypatch.setattr(self._stage, "draw_pictures", lambda *_, **__: None)
        monkeypatch.chdir(folder)
        content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["import_detections"]
        policies = ("malformed_entries", "unusable_pictures", "damaged_pictures", "wrong_sizes")
        self._settings = ImportDetections(**{**content, **dict.fromkeys(policies, "drop")})

    def __call__(self, annotation_format: str) -> tuple[list[Any], dict[str, int]] | None:
        """Boxes and findings; None where the set is refused."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        (self.folder / "data").mkdir()
        try:
            self._stage.main(
                annotations=Path(SOURCES[annotation_format]),
                images=Path("images"),
                detections=Path("data/detection"),
                report=Path("data/figures"),
                detection=Detection(root="x", images="y", format=annotation_format, classes=()),
                settings=self._settings,
            )
        except InputError as error:
            if "\n" in str(error):
                raise
            return None
        found = read_annotated(self.folder / "data/detection/instances.json")
        rows = found.boxes[["image", "label", *CORNERS]].itertuples(index=False, name=None)
        report = json.loads((self.folder / "data/detection/report.json").read_text())
        for reason, number in report["findings"].items():
            assert len(report["listed"][reason]) == min(number, 50)
        return sorted(rows), report["findings"]

    def pixels(self) -> dict[str, bytes]:
        """Of those pictures that came through."""
        found = read_annotated(self.folder / "data/detection/instances.json")
        source = ImageSource(self.folder / "images")
        return {name: source.rgb(name).tobytes() for name in found.images.index}


@pytest.fixture
def tiny_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportedSet:
    return ImportedSet(tmp_path / "set", monkeypatch)


JUNK = (None, [], {}, [[1]], {"x": 1}, float("nan"), float("-inf"), 10**30, 1e308, "", " ")
"""What no key of the format may have; None, "" and " " stand for what is not told."""


def test_junk_in_the_place_of_a_value(tiny_set: ImportedSet, draw: random.Random) -> None:
    content = coco_of()
    assert tiny_set("coco") == (WHOLE, {})
    num_same = num_named = 0
    for _ in range(2 * ROUNDS):
        changed = copy.deepcopy(content)
        container, key = draw.choice(places_of(changed))
        container[key] = draw.choice(JUNK)
        write_coco(tiny_set.folder / "instances.json", changed)
        found = tiny_set("coco")
        if found is None:
            continue
        rows, findings = found
        told = f"{json.dumps(changed)}\n{findings}"
        if rows == WHOLE:
            num_same += 1
        else:
            num_named += 1
            assert findings.keys() - FINE, told
            lost = len(WHOLE) - len(set(rows) & set(WHOLE))
            assert lost <= sum(n for reason, n in findings.items() if reason not in FINE), told
    assert num_same > 0
    assert num_named > ROUNDS / 10


@pytest.mark.parametrize("annotation_format", ["voc", "coco"])
def test_ends_that_are_missing(
    tiny_set: ImportedSet, draw: random.Random, annotation_format: str
) -> None:
    path = tiny_set.folder / "annotations/b.xml"
    path = path if annotation_format == "voc" else tiny_set.folder / "instances.json"
    content = path.read_bytes().rstrip()
    without_b = [row for row in WHOLE if row[0] != "b.png"]
    for _ in range(ROUNDS // 2):
        path.write_bytes(content[: draw.randrange(len(content))])
        found = tiny_set(annotation_format)
        if annotation_format == "coco":
            assert found is None
        else:
            assert found == (without_b, {"entry malformed": 1, "picture without annotations": 1})


def write_otherwise(content: Any, draw: random.Random) -> Any:
    """The same instances with numbers, flags and sizes in other forms, in another order."""
    forms: list[Callable[[Any], Any]] = [lambda v: v, float, str, lambda v: f" {float(v)}"]
    content = copy.deepcopy(content)
    for image in content["images"]:
        if draw.random() < 0.3:
            image.update(dict.fromkeys(("width", "height"), draw.choice([-1, None, 0, "", -1.0])))
        for key in ("id", "width", "height"):
            image[key] = draw.choice(forms)(image[key]) if image[key] else image[key]
    for one in content["annotations"]:
        one["bbox"] = [draw.choice(forms)(value) for value in one["bbox"]]
        one["iscrowd"] = draw.choice([0, 0.0, False, None, "", "0", "false", "No"])
        one["ignore"] = draw.choice([0, 0.0, False, None, "", "0", "false", "No"])
        for key in ("image_id", "category_id"):
            one[key] = draw.choice(forms)(one[key])
    for category in content["categories"]:
        category["id"] = draw.choice(forms)(category["id"])
        category["supercategory"] = "all"
    if draw.random() < 0.5:
        content["categories"].append({"id": 0, "name": "all", "supercategory": "none"})
    for entries in content.values():
        if isinstance(entries, list):
            draw.shuffle(entries)
    return content


def rename(name: str, draw: random.Random) -> str:
    """What other machines call a picture; "b.png" is the one of its stem."""
    return draw.choice(
        [name, f"images\\{name}", f"/home/me/{name}", f"C:\\x\\{name}", Path(name).stem]
    )


@pytest.mark.parametrize("annotation_format", SOURCES)
def test_the_same_in_other_words(
    tiny_set: ImportedSet, draw: random.Random, annotation_format: str
) -> None:
    """Accented names on a disk of macOS, with what it leaves beside them."""
    folder = tiny_set.folder
    accented = {name: f"é{name}" for name in BOXES}
    for name in BOXES:
        mac = unicodedata.normalize("NFD", accented[name])
        (folder / "images" / name).rename(folder / "images" / mac)
        (folder / "images" / f"._{mac}").write_bytes(b"\0\5\x16\7")
    expected = sorted((unicodedata.normalize("NFD", accented[name]), *box) for name, *box in WHOLE)
    for _ in range(ROUNDS // 3):
        told = {name: rename(accented[name], draw) for name in BOXES}
        boxes = {told[name]: own for name, own in BOXES.items()}
        if annotation_format == "coco":
            text = json.dumps(write_otherwise(coco_of(boxes), draw))
            encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "utf-32"])
            (folder / "instances.json").write_bytes(text.encode(encoding))
        elif annotation_format == "voc":
            write_voc(folder / "annotations")
            for name in BOXES:
                respell_xml(folder / "annotations" / f"{Path(name).stem}.xml", told[name], draw)
        else:
            write_rtsd(folder / "gt.csv", boxes)
            respell_csv(folder / "gt.csv", draw)
        found = tiny_set(annotation_format)
        assert found is not None, told
        assert found[0] == expected
        allowed = {*FINE, "picture found under another name", "hidden or system file"}
        allowed |= {"category that only groups others", "text with spaces around it"}
        allowed |= {"XML file with another name than its picture"}  # a.xml is of éa.jpg
        assert found[1].keys() <= allowed


def respell_xml(path: Path, name: str, draw: random.Random) -> None:
    root = ElementTree.parse(path).getroot()
    root.find("filename").text = f" {name}\n"
    if draw.random() < 0.5:
        root.remove(root.find("size"))
    for element in root.iter("object"):
        ElementTree.SubElement(element, "difficult").text = draw.choice(["0", " 0 ", "false", ""])
        for corner in element.find("bndbox"):
            corner.text = draw.choice(["{}", " {} ", "{}.0", "{}e0"]).format(
                int(float(corner.text))
            )
    encoding = draw.choice(["utf-8", "utf-16", "gb18030", "iso-8859-1"])
    text = ElementTree.tostring(root, encoding="unicode")
    path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'.encode(encoding))


def respell_csv(path: Path, draw: random.Random) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    order = list(range(len(rows[0])))
    draw.shuffle(order)
    buffer = io.StringIO()
    writer = csv.writer(
        buffer,
        quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        lineterminator=draw.choice(["\n", "\r\n", "\n\n"]),
    )
    before, after = draw.choice(["", " "]), draw.choice(["", " "])
    writer.writerows([[f"{before}{row[at]}{after}" for at in order] for row in rows])
    encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16"])
    path.write_bytes(buffer.getvalue().encode(encoding))


@pytest.mark.parametrize(("name", "most_silent"), [("b.png", 0.0), ("c.jpg", 0.2)])
def test_pictures_with_holes_and_without_ends(
    tiny_set: ImportedSet, draw: random.Random, name: str, most_silent: float
) -> None:
    """A PNG has checksums. A JPEG has none: now and then its decoder gets back into step."""
    path = tiny_set.folder / "images" / name
    content = path.read_bytes()
    assert tiny_set("voc") == (WHOLE, {})
    whole = tiny_set.pixels()
    num_silent = 0
    for _ in range(ROUNDS):
        changed = bytearray(content)
        start = draw.randrange(len(content) // 4, len(content) - 50)
        if draw.random() < 0.7:
            stop = min(len(content) - 2, start + 200)
            changed[start:stop] = bytes(stop - start)
        else:
            del changed[start:]
        path.write_bytes(changed)
        found = tiny_set("voc")
        assert found is not None
        rows, findings = found
        if findings:
            assert findings.keys() <= {"picture damaged", "picture missing or none"}
            assert rows == [row for row in WHOLE if row[0] != name]
        else:
            num_silent += tiny_set.pixels() != whole
    assert num_silent <= ROUNDS * most_silent
