from pathlib import Path

import pytest

from vigil.domain.clip_formats.folders import list_clips
from vigil.plumbing.errors import InputError


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_clips_are_listed_by_class(tmp_path: Path) -> None:
    make(tmp_path, "walk/b.avi", "walk/a.mp4", "run/c.webm", "walk/.DS_Store", ".cache/x")
    table = list_clips(tmp_path, anomalous_classes=["run"], group_pattern="")
    assert list(table.index) == ["run/c.webm", "walk/a.mp4", "walk/b.avi"]
    assert list(table["class"]) == ["run", "walk", "walk"]
    assert list(table["is_anomalous"]) == [True, False, False]
    assert list(table["source"]) == list(table.index)
    assert table["digest"].nunique() == 3


@pytest.mark.parametrize(
    ("pattern", "names", "sources"),
    [  # the first two are in the README
        (
            r"v_(\w+_g\d+)_c",
            ["v_Diving_g01_c02.avi", "v_Diving_g12_c01.avi"],
            ["Diving_g01", "Diving_g12"],
        ),
        (
            r"^(?:RF1-)?\d+(?:-\d+(?=_))?",
            ["2538-5_70133.avi", "3206-12_70.avi", "947-58108.avi", "RF1-13902_70016.avi"],
            ["2538-5", "3206-12", "947", "RF1-13902"],
        ),
        (r"(cam)?(\d)", ["cam1.avi", "cam2.avi"], ["cam", "cam"]),
    ],
)
def test_a_pattern_names_sources(
    tmp_path: Path, pattern: str, names: list[str], sources: list[str]
) -> None:
    make(tmp_path, *(f"{kind}/{name}" for kind in ("run", "dive") for name in names))
    table = list_clips(tmp_path, anomalous_classes=["dive"], group_pattern=pattern)
    assert list(table.loc[table["class"] == "run", "source"]) == sources


@pytest.mark.parametrize(
    ("files", "anomalous", "pattern", "expected"),
    [
        ([], ["run"], "", "expected a folder for each class of clips, found none"),
        (["loose.avi"], ["run"], "", "loose.avi: expected a folder for each class"),
        (["walk/in/a.avi"], ["walk"], "", "anomalous_classes: expected to leave a class"),
        (["walk/.hidden", "run/b"], ["run"], "", "walk: expected clips, found an empty folder"),
        (["walk/a", "run/b"], ["fly"], "", "expected classes of run, walk, got fly"),
        (["walk/a", "run/b"], [], "", "at least one class"),
        (["walk/a", "run/b"], ["walk", "run"], "", "expected to leave a class that is allowed"),
        (["walk/a", "run/b"], ["run"], r"g\d", "run/b: expected clip_group_pattern"),
        (["walk/a\nb", "run/b"], ["run"], "", "printable"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, files: list[str], anomalous: list[str], pattern: str, expected: str
) -> None:
    make(tmp_path, *files)
    with pytest.raises(InputError) as error:
        list_clips(tmp_path, anomalous_classes=anomalous, group_pattern=pattern)
    assert expected in str(error.value)


def test_a_folder_in_a_class_is_one_clip_whatever_hides_in_it(tmp_path: Path) -> None:
    make(tmp_path, "walk/in/1.jpg", "walk/in/2.jpg", "run/b.avi")
    told = {"anomalous_classes": ["run"], "group_pattern": ""}
    first = list_clips(tmp_path, **told)
    assert list(first.index) == ["run/b.avi", "walk/in"]
    make(tmp_path, "walk/in/.DS_Store", "walk/in/Thumbs.db")
    assert list_clips(tmp_path, **told).equals(first)
    (tmp_path / "walk/in/2.jpg").rename(tmp_path / "walk/in/3.jpg")
    renamed = list_clips(tmp_path, **told)
    make(tmp_path, "walk/in/2.jpg")
    longer = list_clips(tmp_path, **told)
    assert len({table.loc["walk/in", "digest"] for table in (first, renamed, longer)}) == 3


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "__MACOSX", ".DS_Store"])
def test_what_systems_leave_behind_is_neither_class_nor_clip(tmp_path: Path, name: str) -> None:
    make(tmp_path, "walk/a.avi", "run/b.avi", name, f"walk/{name}")
    table = list_clips(tmp_path, anomalous_classes=["run"], group_pattern="")
    assert list(table.index) == ["run/b.avi", "walk/a.avi"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: expected a folder for each class"):
        list_clips(tmp_path / "none", anomalous_classes=["run"], group_pattern="")
