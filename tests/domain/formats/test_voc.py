"""Pascal VOC: all corners are read back exactly, and malformed files are noted."""

import re
import tempfile
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import REAL
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detections import BOXES, voc_object, voc_xml, write_voc
from torchvision.datasets import VOCDetection

from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.findings import (
    ENCODING,
    HIDDEN,
    MALFORMED,
    NO_SIZE,
    OTHERWISE,
    OWN_NAME,
    SEVERAL_BOXES,
    TOLD_NAME,
    TURNED,
    Findings,
    Policy,
)
from vigil.domain.formats.voc import read_voc
from vigil.plumbing.errors import InputError

labels = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)
corners = st.tuples(*[st.integers(-5, 4000)] * 4)


def rows(found: Annotations) -> list[tuple[Any, ...]]:
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_difficult", "is_crowd"]
    return list(found.boxes[columns].itertuples(index=False, name=None))


def read(
    folder: Path,
    *texts: str | bytes,
    malformed: Policy = "error",
    findings: Findings | None = None,
) -> Annotations:
    for number, text in enumerate(texts):
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{number}.xml").write_bytes(content)
    return read_voc(folder, malformed, findings or Findings())


def read_strictly(folder: Path) -> Annotations:
    findings = Findings()
    found = read_voc(folder, "error", findings)
    assert findings.counts == {}
    return found


@settings(max_examples=50)
@given(st.lists(st.lists(st.tuples(labels, corners, st.booleans()), max_size=3), max_size=4))
def test_corners_become_0_based_and_exclusive(pictures: list) -> None:
    """Compares with torchvision's reader on the same files."""
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
        found = read_strictly(folder)
    assert rows(found) == expected
    assert found.classes == tuple(sorted({row[1] for row in expected}))
    assert len(found.pictures) == len(pictures)


def test_the_whole_picture_is_the_whole_picture(tmp_path: Path) -> None:
    found = read(tmp_path, voc_xml("a.jpg", [voc_object("dog", 1, 1, 60, 40)]))
    assert rows(found) == [("a.jpg", "dog", 0, 0, 60, 40, False, False)]
    assert found.pictures[["width", "height"]].to_numpy().tolist() == [[60, 40]]


def test_the_tiny_set(tmp_path: Path) -> None:
    found = read_strictly(write_voc(tmp_path / "voc"))
    expected = [(name, *box, False, False) for name, own in BOXES.items() for box in own]
    assert rows(found) == expected


def test_folders_below_are_folders_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "day 1").mkdir()
    for folder in (".", "day 1"):
        (tmp_path / folder / "a.xml").write_text(voc_xml("a.jpg", []))
    assert read_strictly(tmp_path).pictures["file_name"].tolist() == ["a.jpg", "day 1/a.jpg"]


def test_parts_are_not_objects_and_numbers_may_have_fractions(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    found = read(
        tmp_path,
        voc_xml("a.jpg", [voc_object("man", "1.5", " 2 ", "nan", 1e3, further=part)], (60.0, 40)),
    )
    assert len(found.boxes) == 1
    x1, y1, x2, y2 = found.boxes.loc[0, ["x1", "y1", "x2", "y2"]]
    assert (x1, y1, y2) == (0.5, 1, 1000)
    assert x2 != x2  # not a number: noted later, with other invalid boxes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings_that_the_file_declares(encoding: str, tmp_path: Path) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + voc_xml("ä.jpg", [])
    assert read(tmp_path, text.encode(encoding)).pictures["file_name"].tolist() == ["ä.jpg"]


def rotation(degrees: object) -> str:
    """As CVAT writes it, beside attributes of the user."""
    pairs = {"colour": "red", "rotation": degrees}
    inner = "".join(
        f"<attribute><name>{k}</name><value>{v}</value></attribute>" for k, v in pairs.items()
    )
    return f"<attributes>{inner}</attributes>"


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
    "objects in another element": (
        voc_xml("a.jpg", [GOOD, f"<objects>{GOOD}{GOOD}</objects>"]),
        "expected each <object> directly in the <annotation>, found 2 elsewhere",
    ),
    "an object in an object": (
        voc_xml("a.jpg", [GOOD.replace("</object>", f"{GOOD}</object>")]),
        "expected each <object> directly in the <annotation>, found 1 elsewhere",
    ),
    "an object of another namespace": (
        voc_xml("a.jpg", [GOOD.replace("<object>", '<object xmlns="urn:x">')]),
        "expected <object>, got <{urn:x}object>",
    ),
    "an object in capitals": (
        voc_xml("a.jpg", [GOOD.replace("object>", "Object>")]),
        "expected <object>, got <Object>",
    ),
    "difficult in capitals": (
        voc_xml("a.jpg", [voc_object("x", 1, 1, 9, 9, further="<Difficult>1</Difficult>")]),
        "expected <difficult>, got <Difficult>",
    ),
    "two names of a file": (
        voc_xml("a.jpg", ["<filename>b.jpg</filename>"]),
        "expected one filename, found ['a.jpg', 'b.jpg']",
    ),
    "two widths": (
        voc_xml("a.jpg", ["<size><width>9</width></size>"]),
        "expected one size/width, found ['60', '9']",
    ),
    "two classes": (
        voc_xml("a.jpg", [voc_object("x", 1, 1, 9, 9, further="<name>y</name>")]),
        "object 1: expected one name, found ['x', 'y']",
    ),
    "two corners": (
        voc_xml("a.jpg", [GOOD.replace("<xmin>", "<xmin>5</xmin><xmin>")]),
        "object 1: expected one xmin, found ['5', '1']",
    ),
    "a box of roLabelImg": (
        voc_xml("a.jpg", [GOOD.replace("</object>", "<robndbox><cx>9</cx></robndbox></object>")]),
        "object 1: expected bndbox, found robndbox",
    ),
    "an angle of unknown meaning": (
        voc_xml("a.jpg", [voc_object("x", 1, 1, 9, 9, further="<angle>0.4</angle>")]),
        "object 1: expected a box that is not turned, got angle '0.4'",
    ),
    "a rotation in words": (
        voc_xml("a.jpg", [voc_object("x", 1, 1, 9, 9, further=rotation("left"))]),
        "object 1: expected a number of degrees as rotation, got 'left'",
    ),
    "difficult in words": (
        voc_xml("a.jpg", [voc_object("x", 1, 1, 9, 9, further="<difficult>perhaps</difficult>")]),
        "expected 0 or 1 as difficult, got 'perhaps'",
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
        read_strictly(tmp_path / "none")
    with pytest.raises(InputError, match="expected VOC's XML files, found none"):
        read_strictly(tmp_path)


@pytest.mark.skipif(not (REAL / "raccoon").is_dir(), reason="no real data beside the project")
def test_real_photographs() -> None:
    """Compares with the text of the files, without an XML parser."""
    folder = REAL / "raccoon" / "annotations"
    found = read_strictly(folder)
    assert (len(found.pictures), len(found.boxes), found.classes) == (200, 217, ("raccoon",))
    pattern = r"<xmin>(\d+)</xmin>\s*<ymin>(\d+)</ymin>\s*<xmax>(\d+)</xmax>\s*<ymax>(\d+)</ymax>"
    for name, own in found.boxes.groupby("image"):
        text = (folder / f"{Path(str(name)).stem}.xml").read_text()
        told = [[int(value) for value in corners] for corners in re.findall(pattern, text)]
        assert own[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == [
            [xmin - 1, ymin - 1, xmax, ymax] for xmin, ymin, xmax, ymax in told
        ]


class TestObjects:
    def test_each_box_of_an_object_is_one(self, tmp_path: Path) -> None:
        second = "<bndbox><xmin>20</xmin><ymin>1</ymin><xmax>30</xmax><ymax>10</ymax></bndbox>"
        several = voc_object("car", 1, 1, 10, 10).replace("</object>", f"{second * 2}</object>")
        findings = Findings()
        found = read(tmp_path, voc_xml("a.jpg", [GOOD, several]), findings=findings)
        assert [row[1:6] for row in rows(found)] == [
            ("dog", 0, 0, 9, 9),
            ("car", 0, 0, 10, 10),
            *[("car", 19, 0, 30, 10)] * 2,
        ]
        assert findings[SEVERAL_BOXES] == [f"{tmp_path / '0.xml'}: object 2: 3 of car"]

    def test_what_stands_twice_alike_stands_once(self, tmp_path: Path) -> None:
        twice = GOOD.replace("<xmin>", "<xmin> 1 </xmin><xmin>").replace(
            "<name>", "<name>dog</name><name>"
        )
        found = read(tmp_path, voc_xml("a.jpg", [twice, "<filename>a.jpg</filename>"]))
        assert rows(found) == [("a.jpg", "dog", 0, 0, 9, 9, False, False)]

    def test_a_turned_box_is_the_box_around_it(self, tmp_path: Path) -> None:
        """CVAT writes the box before it was turned: 30 px wide, and 30 px high when turned."""
        boxes = [
            voc_object("car", 21, 16, 50, 19, further=rotation(degrees))
            for degrees in ("90.0", "0.0", "360", "")
        ]
        findings = Findings()
        found = read(tmp_path, voc_xml("a.jpg", boxes), findings=findings)
        upright = (20, 15, 50, 19)
        assert [row[2:6] for row in rows(found)] == [(33, 2, 37, 32), upright, upright, upright]
        assert findings[TURNED] == [f"{tmp_path / '0.xml'}: object 1"]

    @pytest.mark.parametrize(
        ("word", "is_difficult", "is_told"),
        [
            ("", False, False),
            ("0", False, False),
            (" 1 ", True, False),
            ("Unspecified", False, False),
            ("1.0", True, True),
            ("true", True, True),
            ("No", False, True),
        ],
    )
    def test_difficult_in_words(
        self, tmp_path: Path, word: str, is_difficult: bool, is_told: bool
    ) -> None:
        hard = voc_object("dog", 1, 1, 9, 9, further=f"<difficult>{word}</difficult>")
        findings = Findings()
        found = read(tmp_path, voc_xml("a.jpg", [hard]), findings=findings)
        assert found.boxes["is_difficult"].tolist() == [is_difficult]
        assert bool(findings[OTHERWISE]) == is_told

    def test_one_malformed_does_not_stop_the_others(self, tmp_path: Path) -> None:
        bad = [BAD_FILES[case][0] for case in BAD_FILES if "object 1" in BAD_FILES[case][1]]
        good = voc_xml("a.jpg", [GOOD, voc_object("cat", 2, 2, 8, 8)])
        files = [one.replace("a.jpg", f"{n}.jpg") for n, one in enumerate(bad)]
        findings = Findings()
        found = read(tmp_path, good, *files, malformed="drop", findings=findings)
        assert [row[1] for row in rows(found)] == ["dog", "cat"]
        assert len(found.pictures) == 1 + len(bad)
        assert len(findings[MALFORMED]) == len(bad) > 1
        with pytest.raises(InputError, match="malformed_entries: drop leaves such out"):
            read(tmp_path)


class TestFiles:
    def test_endings_in_capitals_are_endings(self, tmp_path: Path) -> None:
        for name in ("a.xml", "b.XML", "c.Xml"):
            (tmp_path / name).write_text(voc_xml(f"{name[0]}.jpg", [GOOD]))
        found = read_strictly(tmp_path)
        assert [row[0] for row in rows(found)] == ["a.jpg", "b.jpg", "c.jpg"]

    def test_two_whose_endings_differ_in_capitals_are_two(self, tmp_path: Path) -> None:
        for name in ("a.xml", "a.XML"):
            (tmp_path / name).write_text(voc_xml("a.jpg", [GOOD]))
        with pytest.raises(InputError, match="expected one file for each picture"):
            read_strictly(tmp_path)

    def test_bytes_that_are_not_as_declared_are_told(self, tmp_path: Path) -> None:
        text = '<?xml version="1.0" encoding="utf-16"?>' + voc_xml("车.jpg", [GOOD])
        findings = Findings()
        found = read(tmp_path, text, findings=findings)
        assert found.pictures["file_name"].tolist() == ["车.jpg"]
        assert findings[ENCODING] == [str(tmp_path / "0.xml")]

    def test_bytes_with_two_meanings_are_malformed(self, tmp_path: Path) -> None:
        text = '<?xml version="1.0" encoding="gb2312"?>' + voc_xml("汽车.jpg", [GOOD])
        with pytest.raises(InputError, match=r"0\.xml: expected VOC's XML, got: .*or UTF-8"):
            read(tmp_path, text)

    @pytest.mark.parametrize("case", [c for c in BAD_FILES if "object " not in BAD_FILES[c][1]])
    def test_one_malformed_does_not_stop_the_others(self, tmp_path: Path, case: str) -> None:
        findings = Findings()
        good = voc_xml("good.jpg", [GOOD])
        found = read(tmp_path, good, BAD_FILES[case][0], malformed="drop", findings=findings)
        if "no class" not in case and "difficult" not in case:
            assert found.pictures["file_name"].tolist() == ["good.jpg"]
        assert len(found.boxes) == 1 + case.startswith("no class")
        (told,) = findings[MALFORMED]
        assert told.startswith(f"{tmp_path / '1.xml'}: ")

    def test_of_two_for_a_picture_none_is_picked(self, tmp_path: Path) -> None:
        findings = Findings()
        texts = [voc_xml(name, [GOOD]) for name in ("a.jpg", "b.jpg", "a.jpg")]
        found = read(tmp_path, *texts, malformed="drop", findings=findings)
        assert [row[0] for row in rows(found)] == ["b.jpg"]
        assert found.pictures["file_name"].tolist() == ["b.jpg"]
        assert len(findings[MALFORMED]) == 1

    @pytest.mark.parametrize(
        "name",
        ["._a.xml", ".ipynb_checkpoints/a.xml", "__MACOSX/a.xml", "__MACOSX/._a.xml", ".x/y/a.xml"],
    )
    def test_hidden_ones_are_left_out(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7 Mac OS X")
        findings = Findings()
        found = read(tmp_path, voc_xml("a.jpg", [GOOD]), findings=findings)
        assert found.pictures["file_name"].tolist() == ["a.jpg"]
        assert findings.counts == {HIDDEN: 1}

    def test_the_folder_itself_may_be_hidden(self, tmp_path: Path) -> None:
        (tmp_path / ".set").mkdir()
        found = read(tmp_path / ".set", voc_xml("a.jpg", [GOOD]))
        assert len(found.pictures) == 1

    @pytest.mark.parametrize("size_wh", [None, (0, 0), (-1, -1), ("", ""), (60, -1), (-1.0, 40.0)])
    def test_a_size_that_is_not_told(self, tmp_path: Path, size_wh: Any) -> None:
        findings = Findings()
        found = read(tmp_path, voc_xml("a.jpg", [GOOD], size_wh), findings=findings)
        told = found.pictures[["width", "height"]].to_numpy().tolist()
        assert told[0] in ([0, 0], [60, 0], [0, 40])
        assert findings.counts == {NO_SIZE: 1}

    @pytest.mark.parametrize(
        "encoding", ["gb2312", "GBK", "gb18030", "big5", "shift_jis", "euc-kr"]
    )
    def test_encodings_of_several_bytes(self, tmp_path: Path, encoding: str) -> None:
        name = {"euc-kr": "한국", "shift_jis": "日本", "big5": "台灣"}.get(encoding, "中文")
        text = f'<?xml version="1.0" encoding="{encoding}"?>' + voc_xml(f"{name}.jpg", [GOOD])
        found = read(tmp_path, text.encode(encoding))
        assert found.pictures["file_name"].tolist() == [f"{name}.jpg"]

    def test_gb2312_that_is_more(self, tmp_path: Path) -> None:
        """As browsers decode it: GB2312 does not have the second character."""
        text = '<?xml version="1.0" encoding="GB2312"?>' + voc_xml("中鎔.jpg", [])
        found = read(tmp_path, text.encode("gbk"))
        assert found.pictures["file_name"].tolist() == ["中鎔.jpg"]

    @pytest.mark.parametrize("encoding", ["gbk", "base64", "zip", "utf-7", "rot13"])
    def test_no_encoding_hides_a_document_type(self, tmp_path: Path, encoding: str) -> None:
        bomb = f'<?xml version="1.0" encoding="{encoding}"?>{BOMB}' + voc_xml("a.jpg", [])
        with pytest.raises(InputError, match=r"0\.xml: expected VOC's XML"):
            read(tmp_path, bomb)


@pytest.mark.parametrize(
    ("present", "picture", "counted"),
    [
        (["im/0.png", "im/1.png"], "0.png", OWN_NAME),  # as another machine told another name
        (["im/a.jpg", "im/1.png"], "a.jpg", TOLD_NAME),
        (["im/1.png"], "a.jpg", None),
        (["im/0.png", "im/0.jpg"], "a.jpg", None),  # which of them?
        (["im/0.txt"], "a.jpg", None),
        (["im/1.png", "masks/0.png"], "a.jpg", None),  # 0.png is of another folder
        ([*(f"im/{at}.png" for at in range(20)), "preview.png"], "0.png", OWN_NAME),
        (["pics/a.jpg", "masks/0.png"], "a.jpg", TOLD_NAME),
        (["a.b.jpg", "0.png"], "0.png", OWN_NAME),
    ],
)
def test_the_picture_that_exists_is_taken_where_names_differ(
    present: list[str], picture: str, counted: str | None, tmp_path: Path
) -> None:
    findings = Findings()
    (tmp_path / "0.xml").write_text(voc_xml("a.jpg", [voc_object("dog", 1, 1, 9, 9)]))
    found = read_voc(tmp_path, "error", findings, lambda: present)
    assert found.pictures["file_name"].tolist() == [picture]
    assert found.boxes["image"].tolist() == [picture]
    assert findings.counts == ({counted: 1} if counted else {})


def read_named(root: Path, told: dict[str, str], present: list[str]) -> tuple[list[str], Findings]:
    """The pictures of XML files, by the filename in each; and what was noted."""
    for file, filename in told.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(voc_xml(filename, []))
    findings = Findings()
    found = read_voc(root, "error", findings, lambda: present)
    return found.pictures["file_name"].tolist(), findings


def test_a_dot_in_a_name_is_no_ending(tmp_path: Path) -> None:
    """`frame_0.5` is not the picture `frame_0`, and `.30` is part of a time."""
    told = {
        "frame_0.xml": "frame_0",
        "frame_0.5.xml": "frame_0.5",
        "x.xml": "cam.2",
        "at 10.30.xml": "at 10.30",
        "y.jpg.xml": "y.jpg",
    }
    present = ["frame_0.jpg", "frame_0.5.jpg", "cam.1.jpg", "cam.2.jpg", "at 10.30.jpg", "y.jpg"]
    pictures, findings = read_named(tmp_path, told, present)
    assert sorted(pictures) == sorted(told.values())
    assert findings.counts == {TOLD_NAME: 1}


@pytest.mark.parametrize("kind", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_accents_in_another_form_are_no_other_name(tmp_path: Path, kind: str, other: str) -> None:
    file, told, there = (
        unicodedata.normalize(form, "é 1")
        for form in (kind, {"NFC": "NFD"}.get(kind, "NFC"), other)
    )
    pictures, findings = read_named(tmp_path, {f"{file}.xml": f"{told}.jpg"}, [f"{there}.jpg"])
    assert (pictures, findings.counts) == ([f"{told}.jpg"], {})


def test_pictures_of_all_folders_may_lie_in_one(tmp_path: Path) -> None:
    told = {"train/a.xml": "x.jpg", "val/b.xml": "y.jpg"}
    pictures, findings = read_named(tmp_path, told, ["a.jpg", "b.jpg"])
    assert sorted(pictures) == ["train/a.jpg", "val/b.jpg"]
    assert findings.counts == {OWN_NAME: 2}


def test_cameras_whose_names_are_alike_are_kept_apart(tmp_path: Path) -> None:
    told = {"cam1/0001.xml": "cam1_0001.jpg", "cam2/0001.xml": "0001.jpg"}
    present = ["cam1/cam1_0001.jpg", "cam2/0001.jpg"]
    pictures, findings = read_named(tmp_path, told, present)
    assert pictures == ["cam1/cam1_0001.jpg", "cam2/0001.jpg"]
    assert findings.counts == {TOLD_NAME: 1}


def test_a_filename_of_another_picture_is_refused(tmp_path: Path) -> None:
    for own, told in (("a", "b"), ("b", "a"), ("c", "c")):
        (tmp_path / f"{own}.xml").write_text(voc_xml(f"{told}.jpg", []))
    present = ["a.jpg", "b.jpg", "c.jpg"]
    expected = (
        r"a.xml: expected the filename of its picture, a.jpg, or no such picture, got 'b.jpg'"
    )
    with pytest.raises(InputError, match=expected):
        read_voc(tmp_path, "error", Findings(), lambda: present)
    findings = Findings()
    found = read_voc(tmp_path, "drop", findings, lambda: present)
    assert found.pictures["file_name"].tolist() == ["c.jpg"]
    assert findings.counts == {MALFORMED: 2}
