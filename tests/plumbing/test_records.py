import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json

contents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50)
@given(contents)
def test_json_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    file = tmp_path_factory.mktemp("json") / "a.json"
    try:
        write_json(content, file)
    except UnicodeEncodeError:  # half a surrogate pair is no text
        assert not file.exists()
        return
    assert read_json(file) == content
    assert file.read_bytes().endswith(b"\n")
    assert b"\r" not in file.read_bytes()


def test_json_is_sorted_readable_and_the_same_each_time(tmp_path: Path) -> None:
    write_json({"b": 1, "a": "ü"}, tmp_path / "one.json")
    write_json({"a": "ü", "b": 1}, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert (tmp_path / "one.json").read_text(encoding="utf-8").index('"a": "ü"') > 0


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"x": [{"a": 1, "b": 0, "a": 1}]}]'])
def test_a_key_twice_in_a_file_of_another_program_is_refused(tmp_path: Path, text: str) -> None:
    """Of two lists of annotations, Python would take the second and forget the first."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: expected JSON, got: .*the key 'a' twice"):
        read_json(tmp_path / "a.json", is_foreign=True)


@given(contents)
def test_a_file_of_another_program_is_read_like_any_other(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    file = tmp_path_factory.mktemp("json") / "a.json"
    file.write_text(json.dumps(content))
    assert read_json(file, is_foreign=True) == content


def test_the_bytes_are_these(tmp_path: Path) -> None:
    """No stage declares this code as its own, so that a change of these bytes would rerun none."""
    write_json({"b": [1, 0.5], "a": {"ü": None}}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == (
        b'{\n "a": {\n  "\xc3\xbc": null\n },\n "b": [\n  1,\n  0.5\n ]\n}\n'
    )
    write_json([1, {"a": 2}], tmp_path / "b.json", indent=None)
    assert (tmp_path / "b.json").read_bytes() == b'[1, {"a": 2}]\n'
    table = pd.DataFrame(
        {"n": [1, 2], "x": [0.1, 1e-7], "t": ["=a,b", 'say "ü"'], "b": [True, False]}
    )
    write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == (
        b'n,x,t,b\n1,0.1,"\'=a,b",True\n2,1e-07,"say ""\xc3\xbc""",False\n'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_what_json_has_no_number_for_is_never_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(InputError, match=r"a\.json: expected finite numbers to write, got"):
        write_json({"a": value}, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1,]", b"\xff", b"nothing", b"[" * 200_000, b"1" * 6000, b"\x00"]
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: expected JSON") as error:
        read_json(tmp_path / "a.json")
    assert len(str(error.value)) < len(str(tmp_path)) + 250


def test_json_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="found a folder"):
        read_json(tmp_path)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["NA", "", 'a,"b', "007", "ü"], "n": [1, 2, 3, 4, 5]})
    write_csv(table, tmp_path / "a.csv")
    found = read_csv(tmp_path / "a.csv", {"name": str, "n": np.int64})
    assert found.to_dict("list") == table.to_dict("list")
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


TEXTS = st.text(st.sampled_from("='+-@\t\r a1,\""), max_size=6)


@settings(max_examples=80)
@given(st.lists(TEXTS, min_size=1))
def test_no_cell_is_a_formula_and_each_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    table = pd.DataFrame({"name": texts, "n": [-1.5] * len(texts)})
    write_csv(table, file)
    with file.open(newline="", encoding="utf-8") as opened:
        cells = [row["name"] for row in csv.DictReader(opened)]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    dtypes = {"name": str, "n": float}
    assert read_csv(file, dtypes).to_dict("list") == table.to_dict("list")


def test_rows_of_more_cells_than_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,n,further\n7,a,1,x\n")
    with pytest.raises(InputError, match="as many cells in each row"):
        read_csv(tmp_path / "a.csv", {"name": str, "n": str})


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"name\na\n", b"name,n\na,x\n", b"name,n\na,\n", b"\xff,\xfe"],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv: expected the columns name, n"):
        read_csv(tmp_path / "a.csv", {"name": str, "n": np.int64})


def test_a_table_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_csv(tmp_path / "none.csv", {"n": np.int64})


def test_the_written_json_is_plain(tmp_path: Path) -> None:
    write_json([1, 2], tmp_path / "a.json", indent=None)
    assert (tmp_path / "a.json").read_text() == "[1, 2]\n"
    assert json.loads((tmp_path / "a.json").read_text()) == [1, 2]
