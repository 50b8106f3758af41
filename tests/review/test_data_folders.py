from pathlib import Path
from typing import Any

import pytest
import yaml

from vigil.plumbing.errors import InputError
from vigil.review.data_folders import check_data_folder, check_data_folders

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Parameters of a project in the current folder, on four folders of data."""
    monkeypatch.chdir(tmp_path)
    for name in ("root", "clips", "boxes", "pictures"):
        (tmp_path / name / "in/deep").mkdir(parents=True)
    detection = {"format": "voc", "root": "boxes", "images": "pictures", "classes": []}
    dataset = yaml.safe_load(PARAMS.read_text())["dataset"]
    dataset |= {"root": "root", "clips": "clips", "detection": detection}
    return {"dataset": dataset}


@pytest.mark.parametrize("folder", ["root", "clips", "boxes", "pictures"])
@pytest.mark.parametrize("name", ["dvc.yaml", "x.dvc", ".dvcignore", ".dvc", ".dvc/config"])
def test_what_dvc_would_obey_is_refused_in_each_folder(
    content: dict[str, Any], folder: str, name: str
) -> None:
    place = Path(folder, "in/deep", name)
    place.parent.mkdir(exist_ok=True)
    place.touch()
    with pytest.raises(InputError) as error:
        check_data_folders(content)

    assert str(error.value).startswith(
        f"{folder}: expected only data, got files that configure DVC: "
        f"in/deep/{name.split('/')[0]}; "
    )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["dvc.lock", "my.dvc.mp4", "dvc.yaml.txt", ".git/x.yaml", "dvc"])
def test_what_dvc_leaves_alone_is_left(content: dict[str, Any], name: str) -> None:
    place = Path("root/in", name)
    place.parent.mkdir(exist_ok=True)
    place.touch()
    Path("root/in/walk.dvc").mkdir()  # a class of clips may have such a name
    Path("root.dvc").touch()
    check_data_folders(content)


def test_a_folder_that_is_a_link_is_looked_into(content: dict[str, Any]) -> None:
    Path("root").rename("elsewhere")
    Path("root").symlink_to("elsewhere")
    Path("elsewhere/dvc.yaml").touch()
    with pytest.raises(InputError, match=r"^root: .* DVC: dvc\.yaml;"):
        check_data_folders(content)
    Path("elsewhere/dvc.yaml").unlink()
    Path("elsewhere/in/self").symlink_to("..")
    check_data_folders(content)


def test_the_project_itself_is_no_data_folder(content: dict[str, Any]) -> None:
    Path("dvc.yaml").touch()
    for root in (".", "..", str(Path.cwd())):
        content["dataset"]["root"] = root
        check_data_folders(content)


def test_folders_that_are_not_there_yet_are_left(content: dict[str, Any]) -> None:
    content["dataset"]["root"] = "data/demo"
    check_data_folders(content)


def test_parameters_that_are_wrong_are_told_before_dvc_reads_them(content: dict[str, Any]) -> None:
    content["dataset"]["root"] = "a\nb"
    with pytest.raises(InputError, match=r"^params\.yaml: dataset\.root: must be a path without"):
        check_data_folders(content)


def test_many_are_named_in_short(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.dvc").touch()
    with pytest.raises(InputError, match=r"DVC: 0\.dvc, 1\.dvc, 2\.dvc, 3\.dvc and 5 more; "):
        check_data_folder(tmp_path)
