"""Finding the file for a name that does not exist as a file, and ambiguous names."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.formats.reading.names import match_names

parts = st.text("aäé", min_size=1, max_size=3)
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
names = st.lists(paths, max_size=6, unique=True)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


MEANT = {
    "the other Unicode form": ("straße_é.jpg", nfd("straße_é.jpg")),
    "and the other way round": (nfd("é.jpg"), "é.jpg"),
    "backslashes": ("day 1\\a.jpg", "day 1/a.jpg"),
    "a folder in front": ("images/a.jpg", "a.jpg"),
    "a path of Windows": ("C:\\data\\images\\a.jpg", "images/a.jpg"),
    "a path of Unix": ("/home/me/é/a.jpg", nfd("é/a.jpg")),
    "a path from above": ("../images/a.jpg", "images/a.jpg"),
    "a full stop in front": ("./a.jpg", "a.jpg"),
    "a folder that is not told": ("a.jpg", "train/a.jpg"),
    "an ending that is not told": ("a", "a.jpg"),
    "an ending that is not there": ("a.jpg", "a"),
    "a full stop that is no ending": ("frame.01", "frame.01.png"),
    "all at once": ("C:\\x\\é", nfd("train/é.JPG").removeprefix("train/")),
}


@pytest.mark.parametrize("case", MEANT)
def test_the_file_that_is_meant(case: str) -> None:
    told, file = MEANT[case]
    assert match_names([told, "other.jpg"], [file, "other.jpg", "further.jpg"]) == {told: file}


UNCLEAR = {
    "two files": (["a.jpg"], ["x/a.jpg", "y/a.jpg"]),
    "two names": (["x/a.jpg", "y/a.jpg"], ["a.jpg"]),
    "two names by different rules": (["x/a.jpg", "a"], ["a.jpg"]),
    "two endings": (["a"], ["a.jpg", "a.png"]),
    "another ending": (["a.jpg"], ["a.png"]),
    "another folder": (["cam_1/0.jpg"], ["cam_2/0.jpg"]),
    "another case": (["A.jpg"], ["a.jpg"]),
    "a file that another name has": (["x/a.jpg", "a.jpg"], ["a.jpg"]),
    "letters that look alike": (["Tor.jpg"], ["Tör.jpg"]),
    "nothing but folders": (["..", "/", "x/.."], ["a.jpg"]),
    "a way out": (["../../etc/passwd"], ["a.jpg"]),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_where_nobody_can_say_nothing_is_said(case: str) -> None:
    told, present = UNCLEAR[case]
    assert match_names(told, present) == {}


def test_more_of_the_folders_count_more() -> None:
    assert match_names(["/data/day 1/a.jpg"], ["a.jpg", "day 1/a.jpg", "day 2/a.jpg"]) == {
        "/data/day 1/a.jpg": "day 1/a.jpg"
    }


@given(names, names)
def test_no_file_is_meant_twice_and_none_that_has_its_name(told: list, present: list) -> None:
    found = match_names(told, present)
    assert set(found) <= set(told) - set(present)
    assert len(set(found.values())) == len(found)
    assert set(found.values()) <= set(present) - set(told)
    assert match_names(told[::-1], present[::-1]) == found


@given(names)
def test_files_of_a_mac_are_found_one_and_all(told: list[str]) -> None:
    assert match_names(told, [nfd(name) for name in told]) == {
        name: nfd(name) for name in told if name != nfd(name)
    }
