"""The CSV of RTSD."""

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detections import BOXES, write_rtsd

from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.findings import MALFORMED, SPACES, Findings, Policy
from vigil.domain.formats.rtsd import read_rtsd
from vigil.plumbing.errors import InputError

HEADER = "filename,x_from,y_from,width,height,sign_class\n"


def read(file: Path) -> Annotations:
    """The annotations of a file in which nothing is left out or corrected."""
    findings = Findings()
    found = read_rtsd(file, "error", findings)
    assert findings.counts == {}
    return found


texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)
pixels = st.integers(-50, 5000)


@settings(max_examples=50)
@given(st.lists(st.tuples(texts, pixels, pixels, pixels, pixels, texts), min_size=1, max_size=6))
def test_rows_are_boxes(rows: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gt.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(["sign_id", *HEADER.strip().split(",")])
            writer.writerows([["x", *row] for row in rows])
        found = read(path)
    columns = ["image", "x1", "y1", "x2", "y2", "label"]
    assert list(found.boxes[columns].itertuples(index=False, name=None)) == [
        (name, x, y, x + width, y + height, label) for name, x, y, width, height, label in rows
    ]
    assert found.pictures["file_name"].tolist() == sorted({row[0] for row in rows})
    assert (found.pictures[["width", "height"]] == 0).all(axis=None)
    assert found.classes == tuple(sorted({row[5] for row in rows}))


def test_the_tiny_set(tmp_path: Path) -> None:
    found = read(write_rtsd(tmp_path / "gt.csv"))
    columns = ["image", "label", "x1", "y1", "x2", "y2"]
    assert list(found.boxes[columns].itertuples(index=False, name=None)) == [
        (name, *box) for name, own in BOXES.items() for box in own
    ]


def test_names_that_look_like_gaps_or_numbers_are_names(tmp_path: Path) -> None:
    (tmp_path / "gt.csv").write_text(HEADER + "NA,1,2,3,4,3_20\n007,1,2,3,4,null\n")
    found = read(tmp_path / "gt.csv")
    assert found.boxes["image"].tolist() == ["NA", "007"]
    assert found.classes == ("3_20", "null")


def test_what_is_not_told_is_not_a_number(tmp_path: Path) -> None:
    (tmp_path / "gt.csv").write_text(HEADER + "a,,2,3,4,x\na,nan,2,3,4,x\na,1,2,inf,4,x\n")
    boxes = read(tmp_path / "gt.csv").boxes
    assert boxes["x1"].isna().tolist() == [True, True, False]
    assert boxes["x2"].tolist()[2] == float("inf")
    assert boxes["y1"].tolist() == [2, 2, 2]


BAD_FILES = {
    "nothing": (b"", "expected the columns filename, x_from"),
    "no header": (b"a.jpg,1,2,3,4,x\n", "expected the columns filename, x_from"),
    "a column less": (HEADER.replace("width,", "").encode(), "['width']"),
    "binary": (b"\xff\xfe\x00\x01" * 9, "expected the columns"),
    "no name": ((HEADER + "a,1,2,3,4,x\n,1,2,3,4,x\n").encode(), "row 2: expected a filename"),
    "no class": ((HEADER + "a,1,2,3,4,\n").encode(), "row 1: expected a sign_class"),
    "words": (
        (HEADER + "a,1,2,3,4,x\na,1,two,3,4,x\n").encode(),
        "row 2: expected a number as y_from, got 'two'",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_what_is_not_of_the_form_is_told_with_its_file(case: str, tmp_path: Path) -> None:
    content, expected = BAD_FILES[case]
    (tmp_path / "gt.csv").write_bytes(content)
    with pytest.raises(InputError) as error:
        read(tmp_path / "gt.csv")
    assert str(error.value).startswith(f"{tmp_path / 'gt.csv'}: ")
    assert expected in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read(tmp_path / "none.csv")


def test_spaces_after_commas_are_no_part_of_what_follows(tmp_path: Path) -> None:
    text = HEADER.replace(",", ", ") + "a.jpg, 5, 6, 20, 20, 2_1\na.jpg,30,6,20,20,2_1\n"
    (tmp_path / "gt.csv").write_text(text)
    findings = Findings()
    found = read_rtsd(tmp_path / "gt.csv", "error", findings)
    assert found.classes == ("2_1",)
    assert found.boxes["x1"].tolist() == [5, 30]
    assert findings.counts == {SPACES: 1}


@pytest.mark.parametrize(
    ("row", "is_told"),
    [
        ('"a.jpg","5","6","20","20","2 1, 3"', False),
        ('"a.jpg", "5","6","20","20","2 1, 3"', True),
        ('a.jpg,5,6 ,20,20,"2 1, 3"', True),
        ('"a.jpg ",5,6,20,20,"2 1, 3"', True),
        (' a.jpg,5,6,20,20,"2 1, 3"', True),
    ],
)
def test_spaces_around_values_are_told(tmp_path: Path, row: str, is_told: bool) -> None:
    (tmp_path / "gt.csv").write_text(f"{HEADER}{row}\n")
    findings = Findings()
    found = read_rtsd(tmp_path / "gt.csv", "error", findings)
    assert found.boxes[["image", "label"]].to_numpy().tolist() == [["a.jpg", "2 1, 3"]]
    assert findings.counts == ({SPACES: 1} if is_told else {})


@pytest.mark.parametrize(
    "rows",
    [
        'a.jpg,1,1,9,9,"2_1\nb.jpg,1,1,9,9,2_2\n',  # to the end of the file
        'a.jpg,1,1,9,9,"2_1\nb.jpg,1,1,9,9,2_2"\nc.jpg,1,1,9,9,2_3\n',
        'a.jpg,1,1,9,9,"2_1\nb.jpg,1,1,9,9,"2_2"\nc.jpg,1,1,9,9,2_3\n',
    ],
)
@pytest.mark.parametrize("malformed", ["error", "drop"])
def test_a_quote_that_is_not_closed_swallows_no_rows(
    tmp_path: Path, rows: str, malformed: Policy
) -> None:
    (tmp_path / "gt.csv").write_text(HEADER + rows)
    with pytest.raises(InputError, match="row 1: expected a row in one line, with each quote clos"):
        read_rtsd(tmp_path / "gt.csv", malformed, Findings())


def test_spaces_before_commas_are_told(tmp_path: Path) -> None:
    text = HEADER.replace(",", " ,") + "a.jpg ,5 ,6 ,20 ,20 ,2_1\na.jpg,30,6,20,20,2_1\n"
    (tmp_path / "gt.csv").write_text(text)
    findings = Findings()
    found = read_rtsd(tmp_path / "gt.csv", "error", findings)
    assert found.classes == ("2_1",)
    assert found.pictures["file_name"].tolist() == ["a.jpg"]
    assert findings.counts == {SPACES: 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_of_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "gt.csv").write_bytes((HEADER + "ä.jpg,1,2,3,4,знак\r\n").encode(encoding))
    found = read(tmp_path / "gt.csv")
    assert found.pictures["file_name"].tolist() == ["ä.jpg"]
    assert found.classes == ("знак",)


BAD_ROWS = {
    "no name": " ,1,2,3,4,x",
    "no class": "a.jpg,1,2,3,4,",
    "words": "a.jpg,1,two,3,4,x",
    "a number that Python alone takes for one": "a.jpg,1_0,2,3,4,x",
    "a cell more": "a.jpg,1,2,3,4,x,7",
    "a cell less": "a.jpg,1,2,3,4",
    "text after a quote": 'a.jpg,1,2,3,4,"2_2"x',
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_one_malformed_row_does_not_stop_the_others(tmp_path: Path, case: str) -> None:
    file = tmp_path / "gt.csv"
    file.write_text(f"{HEADER}a.jpg,1,2,3,4,x\n\n{BAD_ROWS[case]}\nb.jpg,5,6,7,8,y\n")
    with pytest.raises(InputError, match=r"row 2: .*malformed_entries: drop"):
        read(file)
    findings = Findings()
    found = read_rtsd(file, "drop", findings)
    assert found.boxes["image"].tolist() == ["a.jpg", "b.jpg"]
    assert found.boxes["place"].tolist() == [f"{file}: row 1", f"{file}: row 3"]
    (told,) = findings[MALFORMED]
    assert told.startswith(f"{file}: row 2: expected")
