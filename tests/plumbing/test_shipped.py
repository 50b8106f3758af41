"""Commands that need no project take the parameters of the library, and say so."""

from pathlib import Path

import pytest
from tiny_project import ROOT

from vigil.plumbing import shipped
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.params import read_params
from vigil.plumbing.shipped import read_own_or_shipped


def test_the_parameters_of_the_folder_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    content = read_own_or_shipped()
    assert content == read_params(ROOT / "params.yaml")
    check_sections(content, project_sections())
    told = "params.yaml: not in the current folder; the defaults of vigil are used: "
    assert capsys.readouterr().out == f"{told}{ROOT / 'params.yaml'}\n"
    Path("params.yaml").write_text("watch: {}\n")
    assert read_own_or_shipped() == {"watch": {}}
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(InputError, match=r"params\.yaml: expected in the current folder"):
        read_own_or_shipped()


def test_an_installation_without_them_asks_for_those_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipped, "PLACES", (tmp_path / "nowhere",))
    with pytest.raises(InputError, match=r"params\.yaml: expected in the current folder"):
        read_own_or_shipped()
