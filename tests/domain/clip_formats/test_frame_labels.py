"""Tables of anomalous frames."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.clip_formats.frame_labels import FrameRange, read_frame_labels
from vigil.plumbing.errors import InputError

HEADER = "video,start_frame,stop_frame"


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "labels.csv"
    file.write_bytes(text.encode(encoding))
    return file


def test_ranges_of_each_video_in_order(tmp_path: Path) -> None:
    rows = "a.avi,30,40,fall\nb/c,0,1,\na.avi,5,30,\n"
    found = read_frame_labels(write(tmp_path, f"{HEADER},label\n{rows}"))
    assert found == {
        "a.avi": [FrameRange(5, 30, "anomalous"), FrameRange(30, 40, "fall")],
        "b/c": [FrameRange(0, 1, "anomalous")],
    }


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\na.avi,5,30\n",
        f"{HEADER}\r\na.avi,5,30\r\n",
        f"\ufeff{HEADER}\n a.avi , 005 , 30 ",
        "label, stop_frame, video, start_frame\nanomalous,30,a.avi,5\n",
        'video,start_frame,stop_frame,label\n"a.avi","5","30",""\n',
    ],
)
def test_forms_that_tables_have(tmp_path: Path, text: str) -> None:
    expected = {"a.avi": [FrameRange(5, 30, "anomalous")]}
    assert read_frame_labels(write(tmp_path, text)) == expected


@pytest.mark.parametrize("name", ["NA", "null", "0012", "1e5", "a b", "東", "=1"])
def test_names_and_labels_that_look_like_something_else(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, f"{HEADER},label\n{name},1,2,{name}\n")
    assert read_frame_labels(file) == {name: [FrameRange(1, 2, name)]}


def test_a_table_without_rows_has_no_anomalies(tmp_path: Path) -> None:
    assert read_frame_labels(write(tmp_path, f"{HEADER}\n")) == {}


@given(
    edges=st.lists(st.integers(0, 10**6), min_size=2, max_size=20, unique=True).map(sorted),
    seed=st.integers(0, 9),
)
def test_any_order_of_rows_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, edges: list[int], seed: int
) -> None:
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    rows = random.Random(seed).sample([f"v,{start},{stop}" for start, stop in pairs], len(pairs))
    file = write(tmp_path_factory.mktemp("labels"), "\n".join([HEADER, *rows]))
    assert read_frame_labels(file) == {"v": [FrameRange(*pair, "anomalous") for pair in pairs]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected CSV, got"),
        ("video,start_frame\na,1\n", "expected the columns video, start_frame, stop_frame and"),
        (f"{HEADER},colour\na,1,2,red\n", "got colour, start_frame, stop_frame, video"),
        ("a,1,2\n", "expected the columns"),
        (f"{HEADER}\na,1,2,fall\n", "expected as many cells in each row as column names, got more"),
        (f"{HEADER}\na,1,2\nb,1,2,3\n", "expected CSV, got"),
        (f"{HEADER}\na,1,2\na,x,2\n", "line 3: expected a whole number as start_frame, got 'x'"),
        (f"{HEADER}\na,-1,2\n", "line 2: expected a whole number as start_frame, got '-1'"),
        (f"{HEADER}\na,1,2.0\n", "line 2: expected a whole number as stop_frame, got '2.0'"),
        (f"{HEADER}\na,1,\n", "line 2: expected a whole number as stop_frame, got ''"),
        (f"{HEADER}\na,1,1e3\n", "line 2: expected a whole number as stop_frame, got '1e3'"),
        (f"{HEADER}\na,0,{'9' * 13}\n", "line 2: expected a whole number as stop_frame"),
        (f"{HEADER}\na,2,2\n", r"line 2: expected stop_frame \(exclusive\) after start_frame"),
        (f"{HEADER}\na,3,2\n", "got 3 and 2"),
        (f"{HEADER}\na,5,9\nb,1,9\na,0,6\n", "a: expected ranges that .* 0 to 6 and 5 to 9"),
        (f"{HEADER}\na,0,9\na,3,4\n", "a: expected ranges that do not overlap"),
        (f"{HEADER},label\na,0,9,fall\na,0,9,fall\n", "a: expected ranges that do not overlap"),
        (f"{HEADER},label\na,0,9,normal\n", "line 2: expected a label of an anomaly, got 'normal'"),
        (f"{HEADER},label\na,0,9, Normal \n", "expected a label of an anomaly, got 'Normal'"),
        (f"{HEADER},label\na,0,9,NORMAL\n", "expected a label of an anomaly, got 'NORMAL'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=rf"labels\.csv: (.*: )?.*{expected}") as error:
        read_frame_labels(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_another_encoding_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv: expected CSV, got"):
        read_frame_labels(write(tmp_path, f"{HEADER}\nДверь,1,2\n", "cp1251"))
    with pytest.raises(InputError, match=r"none\.csv: expected a table of anomalous frames"):
        read_frame_labels(tmp_path / "none.csv")
