"""What a stage's signature asks for, and how all of `params.yaml` is held against the settings."""

import pickle
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vigil.plumbing.contract import Contract, check_sections, project_sections
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.params import FileNames, Section, read_params
from vigil.settings.split import Split

ROOT = Path(__file__).parents[2]


class Depth(Section):
    section: ClassVar[str] = "dig"
    depth: int


class Deep(Section):
    section: ClassVar[str] = "look.deep"
    limit: int

    def check_against(self, sections: dict[str, Any]) -> None:
        if sections["dig"].depth > self.limit:
            raise FieldError("limit", f"expected at least dig.depth, got {self.limit}")
        if self.limit == 77:
            raise FieldError("dataset.clips", "expected others")


KNOWN = {"dig": Depth, "look.deep": Deep}
GOOD = {"dig": {"depth": 3}, "look": {"deep": {"limit": 5}}}


def main(*, in_file: Path, videos: FileNames, out: Path, clips: str, settings: Split) -> None:
    """A stage."""


def test_a_signature_is_told_apart() -> None:
    contract = Contract(main)
    assert contract.options == ["--in-file", "--out"]
    assert contract.params == {"split", "dataset.videos", "dataset.clips"}


def test_values_arrive_by_their_names() -> None:
    contract = Contract(main)
    values = contract.parse_values(read_params(ROOT / "params.yaml"))
    assert values.keys() == {"videos", "clips", "settings"}
    assert values["clips"] == "data/demo/clips"
    assert values["settings"].gap_frames == 10
    paths = contract.parse_paths("x", ["--out", "b", "--in-file", "a"])
    assert paths == {"in_file": Path("a"), "out": Path("b")}


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("gap_frames", "params.yaml: split.gap_frames"),
        ("given.alarm", "params.yaml: split.given.alarm"),
        ("videos", "params.yaml: dataset.videos"),
        ("dataset.root", "params.yaml: dataset.root"),
        ("other", "other"),
    ],
)
def test_a_field_has_a_place(field: str, place: str) -> None:
    assert Contract(main).place_of(field) == place


def test_every_section_of_the_project_is_found_once_and_holds() -> None:
    sections = project_sections()
    assert {"dataset", "evaluate.alarm", "predict.detector", "train_detector"} <= sections.keys()
    found = check_sections(read_params(ROOT / "params.yaml"), sections)
    assert found.keys() == sections.keys()


def test_sections_are_given_by_where_they_stand() -> None:
    found = check_sections(GOOD, KNOWN)
    assert (found["dig"].depth, found["look.deep"].limit) == (3, 5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dgi": {}}, "no such section: dgi; expected dig, look"),
        ({"look": {"deep": {"limit": 5}, "depp": {}}}, "no such section: look.depp; expected look"),
        ({"look": {}}, "expected a section 'look.deep', found none"),
        ({"look": 3}, "expected a section 'look.deep', found none"),
        ({"dig": {"depth": "x"}}, "dig.depth: expected"),
        ({"dig": {"depth": 6}}, "look.deep.limit: expected at least dig.depth, got 5"),
        ({"look": {"deep": {"limit": 77}}}, "dataset.clips: expected others"),
    ],
)
def test_what_does_not_hold_is_one_line(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as error:
        check_sections(GOOD | changes, KNOWN)
    assert str(error.value).startswith(f"params.yaml: {expected}")
    assert "\n" not in str(error.value)


def test_a_field_error_reaches_another_process_whole() -> None:
    error = pickle.loads(pickle.dumps(FieldError("clips", "expected a folder, got none")))
    assert isinstance(error, FieldError)
    assert (error.field, error.problem) == ("clips", "expected a folder, got none")
    assert str(error) == "clips: expected a folder, got none"
