from pathlib import Path

import pytest

from vigil.domain.clips.folders import list_clips
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
    [  # the first two stand in the README
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
        (["walk/in/a.avi", "run/b"], ["run"], "", "walk/in: expected a clip, found a folder"),
        (["walk/.hidden", "run/b"], ["run"], "", "walk: expected clips, found an empty folder"),
        (["walk/a", "run/b"], ["fly"], "", "expected classes of run, walk, got fly"),
        (["walk/a", "run/b"], [], "", "at least one class"),
        (["walk/a", "run/b"], ["walk", "run"], "", "expected to leave a class that is allowed"),
        (["walk/a", "run/b"], ["run"], "(", "clip_group_pattern: expected a regular expression"),
        (["walk/a", "run/b"], ["run"], r"g\d", "run/b: expected dataset.clip_group_pattern"),
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


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: expected a folder for each class"):
        list_clips(tmp_path / "none", anomalous_classes=["run"], group_pattern="")
