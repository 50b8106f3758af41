"""Pascal VOC: what is written is read, corner for corner; what is not of the form is told."""

import re
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import REAL
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detections import BOXES, voc_object, voc_xml, write_voc
from torchvision.datasets import VOCDetection

from vigil.domain.formats.annotations import Annotations
from vigil.domain.formats.voc import read_voc
from vigil.plumbing.errors import InputError

labels = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)
corners = st.tuples(*[st.integers(-5, 4000)] * 4)


def rows(found: Annotations) -> list[tuple[Any, ...]]:
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_difficult", "is_crowd"]
    return list(found.boxes[columns].itertuples(index=False, name=None))


def read(folder: Path, *texts: str | bytes) -> Annotations:
    for number, text in enumerate(texts):
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{number}.xml").write_bytes(content)
    return read_voc(folder)


@settings(max_examples=50)
@given(st.lists(st.lists(st.tuples(labels, corners, st.booleans()), max_size=3), max_size=4))
def test_corners_become_0_based_and_exclusive(pictures: list) -> None:
    """Against torchvision's reading of the same files."""
    pictures = [*pictures, []]
    expected = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, objects in enumerate(pictures):
            told = [
                voc_object(label, *values, further=f"<difficult>{int(hard)}</difficult>")
                for label, values, hard in objects
            ]
            file = folder / f"{number}.xml"
            file.write_text(voc_xml(f"{number}.jpg", told), encoding="utf-8")
            parsed = VOCDetection.parse_voc_xml(ElementTree.parse(file).getroot())["annotation"]
            for entry in parsed.get("object", []):
                xmin, ymin, xmax, ymax = (
                    int(entry["bndbox"][key]) for key in ("xmin", "ymin", "xmax", "ymax")
                )
                box = (xmin - 1, ymin - 1, xmax, ymax)
                hard = entry["difficult"] == "1"
                expected.append((parsed["filename"], entry["name"], *box, hard, False))
        found = read_voc(folder)
    assert rows(found) == expected
    assert found.classes == tuple(sorted({row[1] for row in expected}))
    assert len(found.pictures) == len(pictures)


def test_the_whole_picture_is_the_whole_picture(tmp_path: Path) -> None:
    found = read(tmp_path, voc_xml("a.jpg", [voc_object("dog", 1, 1, 60, 40)]))
    assert rows(found) == [("a.jpg", "dog", 0, 0, 60, 40, False, False)]
    assert found.pictures[["width", "height"]].to_numpy().tolist() == [[60, 40]]


def test_the_tiny_set(tmp_path: Path) -> None:
    found = read_voc(write_voc(tmp_path / "voc"))
    expected = [(name, *box, False, False) for name, own in BOXES.items() for box in own]
    assert rows(found) == expected


def test_folders_below_are_folders_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "day 1").mkdir()
    for folder in (".", "day 1"):
        (tmp_path / folder / "a.xml").write_text(voc_xml("a.jpg", []))
    assert read_voc(tmp_path).pictures["file_name"].tolist() == ["a.jpg", "day 1/a.jpg"]


def test_parts_are_not_objects_and_numbers_may_have_fractions(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    found = read(
        tmp_path,
        voc_xml("a.jpg", [voc_object("man", "1.5", " 2 ", "nan", 1e3, further=part)], (60.0, 40)),
    )
    assert len(found.boxes) == 1
    x1, y1, x2, y2 = found.boxes.loc[0, ["x1", "y1", "x2", "y2"]]
    assert (x1, y1, y2) == (0.5, 1, 1000)
    assert x2 != x2  # not a number: told later, with the boxes that are none


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings_that_the_file_declares(encoding: str, tmp_path: Path) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + voc_xml("ä.jpg", [])
    assert read(tmp_path, text.encode(encoding)).pictures["file_name"].tolist() == ["ä.jpg"]


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=1)
    )
    + "]>"
)
GOOD = voc_object("dog", 1, 1, 9, 9)
BAD_FILES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "expected VOC's XML"),
    "text": ("dog 1 1 9 9", "expected VOC's XML"),
    "binary": (bytes(range(256)), "expected VOC's XML"),
    "a cut off file": (voc_xml("a.jpg", [GOOD])[:-30], "expected VOC's XML"),
    "an open tag": ("<annotation><filename>a.jpg</annotation>", "expected VOC's XML"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="x-y"?><annotation/>', "expected VOC's"),
    "entities within entities": (
        BOMB + voc_xml("a.jpg", []).replace("a.jpg", "&j;"),
        "a document type",
    ),
    "an external entity": (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        + voc_xml("a.jpg", []).replace("a.jpg", "&e;"),
        "a document type",
    ),
    "an external document type": (
        '<!DOCTYPE annotation SYSTEM "http://localhost/a.dtd">' + voc_xml("a.jpg", []),
        "a document type",
    ),
    "another root": ("<annotations/>", "expected an <annotation>, got <annotations>"),
    "no filename": ("<annotation><size/></annotation>", "expected filename, found none"),
    "an empty filename": (voc_xml(" ", []), "expected filename, found none"),
    "no size": (voc_xml("a.jpg", [GOOD], None), "expected size/width, found none"),
    "a size of words": (voc_xml("a.jpg", [], ("wide", 3)), "a number as size/width, got 'wide'"),
    "a size with a fraction": (voc_xml("a.jpg", [], (9, 3.5)), "px as size/height, got 3.5"),
    "an infinite size": (voc_xml("a.jpg", [], ("inf", 3)), "px as size/width, got inf"),
    "a size that is no number": (voc_xml("a.jpg", [], ("nan", 3)), "px as size/width, got nan"),
    "a negative size": (voc_xml("a.jpg", [], (-9, 3)), "px as size/width, got -9"),
    "no class": (voc_xml("a.jpg", [GOOD, voc_object("", 1, 1, 9, 9)]), "object 2: expected name"),
    "no corners": (
        voc_xml("a.jpg", ["<object><name>x</name></object>"]),
        "object 1: expected bndbox/xmin, found none",
    ),
    "a corner of words": (
        voc_xml("a.jpg", [voc_object("x", 1, "two", 9, 9)]),
        "object 1: expected a number as bndbox/ymin, got 'two'",
    ),
    "difficult in words": (
        voc_xml("a.jpg", [voc_object("x", 1, 1, 9, 9, further="<difficult>no</difficult>")]),
        "expected a number as difficult, got 'no'",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_what_is_not_of_the_form_is_told_with_its_file(case: str, tmp_path: Path) -> None:
    content, expected = BAD_FILES[case]
    with pytest.raises(InputError) as error:
        read(tmp_path, voc_xml("good.jpg", []), content)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / '1.xml'}: ")
    assert expected in message
    assert "\n" not in message
    assert "root:" not in message


def test_two_files_for_one_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1\.xml: expected one file for each .*0\.xml has a\.jpg"):
        read(tmp_path, voc_xml("a.jpg", []), voc_xml("a.jpg", []))


def test_no_folder_and_no_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of VOC's XML files, found none"):
        read_voc(tmp_path / "none")
    with pytest.raises(InputError, match="expected VOC's XML files, found none"):
        read_voc(tmp_path)


@pytest.mark.skipif(not (REAL / "raccoon").is_dir(), reason="no real data beside the project")
def test_real_photographs() -> None:
    """Against the files' text, without an XML parser."""
    folder = REAL / "raccoon" / "annotations"
    found = read_voc(folder)
    assert (len(found.pictures), len(found.boxes), found.classes) == (200, 217, ("raccoon",))
    pattern = r"<xmin>(\d+)</xmin>\s*<ymin>(\d+)</ymin>\s*<xmax>(\d+)</xmax>\s*<ymax>(\d+)</ymax>"
    for name, own in found.boxes.groupby("image"):
        text = (folder / f"{Path(str(name)).stem}.xml").read_text()
        told = [[int(value) for value in corners] for corners in re.findall(pattern, text)]
        assert own[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == [
            [xmin - 1, ymin - 1, xmax, ymax] for xmin, ymin, xmax, ymax in told
        ]
