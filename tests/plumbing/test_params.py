from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from vigil.plumbing.errors import InputError, counted, listed, shorten
from vigil.plumbing.params import FileNames, Section, parse_section, read_params
from vigil.settings.dataset import Dataset


class Inner(Section):
    depth: int


class Example(Section):
    count: Annotated[int, Field(ge=1)]
    share: float
    names: FileNames
    inner: Inner
    sizes: Annotated[tuple[int, ...], Field(min_length=1, max_length=2)]


GOOD: dict[str, Any] = {
    "count": 2, "share": 0.5, "names": ["a", "b"], "inner": {"depth": 1}, "sizes": [3],
}  # fmt: skip


def parse(**changes: Any) -> Example:
    values = {key: value for key, value in {**GOOD, **changes}.items() if value != "LEFT OUT"}
    return parse_section(Example, {"example": values}, "example")


def test_a_section_is_read() -> None:
    found = parse()
    assert (found.count, found.share, found.names, found.inner.depth) == (2, 0.5, ("a", "b"), 1)


def test_a_whole_number_may_stand_for_a_fraction() -> None:
    assert parse(share=1).share == 1.0


def test_it_cannot_be_changed() -> None:
    found = parse()
    with pytest.raises(ValueError, match="frozen"):
        found.count = 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"count": "2"}, "example.count: expected"),
        ({"count": 2.0}, "example.count: expected"),
        ({"count": 2.5}, "example.count: expected"),
        ({"count": True}, "example.count: expected"),
        ({"count": None}, "example.count: expected"),
        ({"count": 0}, "example.count: expected a whole number of at least 1, got 0"),
        ({"share": "3e-4"}, "example.share: expected a number, got '3e-4'"),
        ({"share": float("nan")}, "example.share"),
        ({"share": float("inf")}, "example.share"),
        ({"share": True}, "example.share: expected"),
        ({"names": "a"}, "example.names: expected"),
        ({"names": ["a", 3]}, "example.names.1: expected"),
        ({"names": ["a", "a"]}, "must not repeat a name, got a"),
        ({"count": "LEFT OUT"}, "example.count: expected a value, found none"),
        ({"cuont": 3}, "example.cuont: no such parameter, got 3"),
        ({"inner": {"depth": "x"}}, "example.inner.depth: expected"),
        ({"inner": {"depth": 1, "width": 1}}, "example.inner.width: no such parameter"),
        ({"inner": 3}, "example.inner: expected"),
        ({"sizes": []}, "example.sizes: expected a list of 1 to 2 items, got []"),
        ({"sizes": [1, 2, 3]}, "example.sizes: expected a list of 1 to 2 items, got [1, 2, 3]"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as error:
        parse(**changes)
    assert str(error.value).startswith("params.yaml: ")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(InputError) as error:
        parse(count=0, share="x", extra=1)
    for name in ("example.count: ", "example.share: ", "example.extra: "):
        assert str(error.value).count(name) == 1


class Choice(Section):
    threshold: Literal["auto"] | Annotated[float, Field(ge=0, le=1)]
    count: int


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (2, "2"),
        (-1, "-1"),
        ("x", "'x'"),
        (True, "True"),
        (None, "None"),
        ([0.5], r"\[0\.5\]"),
    ],
)
def test_a_value_of_several_types_is_one_problem(value: Any, told: str) -> None:
    content = {"a": {"threshold": value, "count": "x"}}
    with pytest.raises(
        InputError,
        match=rf"^params\.yaml: a\.threshold: expected 'auto' or a number from 0 to 1, got {told}; "
        r"a\.count: expected a whole number, got",
    ):
        parse_section(Choice, content, "a")
    for good in ("auto", 0.5, 1):
        assert parse_section(Choice, {"a": {"threshold": good, "count": 1}}, "a").threshold == good


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "a\\b", "a\0b", "a\nb", 'a"b', "a:b", "a*b", "a|b"]
)
def test_a_name_that_is_not_a_plain_file_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be a file name without a folder"):
        parse(names=[name])


@pytest.mark.parametrize(
    "name", ["a.mp4", "the door.mp4", "東.mp4", "a'b (1).mp4", ".hidden", "-x"]
)
def test_usual_and_unusual_file_names(name: str) -> None:
    assert parse(names=[name]).names == (name,)


DETECTION: dict[str, Any] = {"format": "voc", "root": "a", "images": "b", "classes": ["y", "x"]}
DATASET: dict[str, Any] = {
    "root": "data",
    "videos": ["a.mp4"],
    "annotations": "a.json",
    "video_of_task": {},
    "picture_fps": 25.0,
    "detection": DETECTION,
    "masks": {
        **{"format": "coco", "root": "c", "images": "b", "classes": [], "table": {}},
        **{"ignored": [], "background": ""},
    },
    "clips": "data/clips",
    "clip_labels": "",
    "anomalous_classes": [],
    "clip_group_pattern": "",
}


def test_a_dataset_has_videos() -> None:
    with pytest.raises(InputError, match=r"dataset\.videos: .*at least one file"):
        parse_section(Dataset, {"dataset": {**DATASET, "videos": []}}, "dataset")


def test_a_dataset_says_what_the_detector_learns_from() -> None:
    found = parse_section(Dataset, {"dataset": DATASET}, "dataset").detection
    assert (found.format, found.root, found.images) == ("voc", "a", "b")
    assert found.classes == ("y", "x")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"format": "yolo"},
            r"detection\.format: expected 'tracks', 'voc', 'coco', 'rtsd' or 'masks'",
        ),
        ({"classes": ["a", "a"]}, r"detection\.classes: must name classes, none twice"),
        ({"classes": [""]}, r"detection\.classes: must name classes"),
        ({"classes": "a"}, r"detection\.classes: expected "),
        ({"rot": "a"}, r"detection\.rot: no such parameter"),
    ],
)
def test_detection_is_as_strict_as_the_rest(change: dict[str, Any], expected: str) -> None:
    values = {**DATASET, "detection": {**DETECTION, **change}}
    with pytest.raises(InputError, match=rf"^params\.yaml: dataset\.{expected}"):
        parse_section(Dataset, {"dataset": values}, "dataset")


def test_dots_lead_into_subsections() -> None:
    assert parse_section(Inner, {"a": {"b": {"depth": 3}}}, "a.b").depth == 3


@pytest.mark.parametrize("content", [{}, {"a": None}, {"a": 3}, {"a": []}, {"a": {}}, {"a": "b"}])
def test_a_missing_section_is_named(content: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: expected a section 'a\.b', found none"):
        parse_section(Inner, content, "a.b")


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("a:\n  b: [1, 2.5, x]  # ü\n", encoding="utf-8")
    assert read_params(tmp_path / "p.yaml") == {"a": {"b": [1, 2.5, "x"]}}


@pytest.mark.parametrize(
    "content", [b"", b"- a", b"3", b"a: [", b"\xff\xfe\xfa", b"a: \x00", b"[" * 20_000, b"a: !!x 3"]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.yaml").write_bytes(content)
    with pytest.raises(InputError) as error:
        read_params(tmp_path / "p.yaml")
    assert str(tmp_path / "p.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_params(tmp_path / "none.yaml")


def test_long_values_are_cut() -> None:
    assert shorten("x" * 1000) == "'" + "x" * 58 + "…"
    assert shorten("x") == "'x'"


def test_lists_are_sorted_and_cut() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed([]) == "none"
    assert listed(range(10), num_shown=8) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
    assert listed(range(8), num_shown=8).endswith("6, 7")
    long = [f"{number:099d}" for number in range(9)]
    assert listed(long) == ", ".join(long[:2]) + " and 7 more"
    assert listed(["x" * 999, "y"]) == "x" * 999 + " and 1 more"


def test_a_number_has_its_noun() -> None:
    assert [counted(num, "track") for num in (0, 1, 2)] == ["0 tracks", "1 track", "2 tracks"]
    assert [counted(num, "box", "boxes") for num in (1, 2)] == ["1 box", "2 boxes"]
