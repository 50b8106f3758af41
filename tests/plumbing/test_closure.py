from pathlib import Path

import pytest

from vigil.plumbing.closure import (
    SOURCE,
    closure_of,
    code_digest,
    imports_of,
    is_plumbing,
    module_file,
)


def names(files: set[Path]) -> set[str]:
    return {file.relative_to(SOURCE / "vigil").with_suffix("").as_posix() for file in files}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("import numpy, os.path", set()),
        ("import vigil.domain.boxes", {"domain/boxes"}),
        ("import vigil.domain.boxes as b, json", {"domain/boxes"}),
        ("from vigil.domain.boxes import clip", {"domain/boxes"}),
        ("from vigil.domain import boxes, tracks", {"domain/boxes", "domain/tracks"}),
        ("from vigil import domain", set()),
        ("import vigil", set()),
        ("def f():\n    from vigil.domain.boxes import clip", {"domain/boxes"}),
        ("if True:\n    import vigil.domain.tracks", {"domain/tracks"}),
        (
            "class A:\n    from vigil.domain.pictures import coco_file",
            {"domain/pictures/coco_file"},
        ),
        ("import vigilant\nfrom vigilance import x", set()),
        ('"""import vigil.domain.boxes"""\n# import vigil.domain.boxes', set()),
        ("from vigil.domain.nowhere import x", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(script: Path, text: str, expected: set[str]) -> None:
    script.write_text(text)
    assert names(imports_of(script)) == expected


def test_imports_of_imports_count(script: Path) -> None:
    script.write_text("from vigil.domain.pictures.coco_tracks import tracks_to_coco")
    found = names(closure_of(script))
    assert found >= {
        "domain/pictures/coco_file",
        "domain/tracks",
        "domain/boxes",
        "plumbing/errors",
    }
    assert "domain/splits/classifier" not in found


def test_an_import_that_is_not_taken_leaves_out_what_it_alone_brings(script: Path) -> None:
    script.write_text(
        "from vigil.domain.pictures import coco_tracks\nfrom vigil.domain import tracks"
    )
    coco, tracks = (
        module_file(f"vigil.domain.{name}") for name in ("pictures.coco_tracks", "tracks")
    )
    assert coco is not None
    assert tracks is not None
    whole, less = closure_of(script), closure_of(script, untaken={(script, coco)})
    assert whole - less >= {coco}
    assert "domain/tracks" in names(less)
    # coco imports tracks too, so that one way to them stays
    assert tracks in closure_of(script, untaken={(script, tracks)})


CODE = '''
"""What it is."""
LIMIT = 3  # px
"""Of what."""


def shrink(size: int) -> int:
    """Makes it less."""
    return size - LIMIT
'''


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("# px", "# in px, of a picture", True),
        ("What it is.", "What else it is.", True),
        ("Of what.", "Of whom.", True),
        ("Makes it less.", "Makes it little.", True),
        ("size - LIMIT", "(size -\n        LIMIT)", True),
        ("size - LIMIT", "LIMIT - size", False),
        ("= 3", "= 4", False),
        ("size: int", "size: float", False),
    ],
)
def test_a_digest_of_code_is_of_what_it_does(
    script: Path, old: str, new: str, is_same: bool
) -> None:
    script.write_text(CODE)
    before = code_digest(script)
    assert old in CODE
    script.write_text(CODE.replace(old, new))
    assert (code_digest(script) == before) == is_same


INSTANCES = """
from vigil.domain import boxes
from vigil.plumbing.stages import run_stage

def shared():
    from vigil.domain.pictures import coco_tracks as coco

def one():
    from vigil.domain import tracks

def two():
    from vigil.domain.splits import classifier as splits

if __name__ == "__main__":
    run_stage(one, two)
"""


@pytest.mark.parametrize(
    ("instance", "own"),
    [
        ("one", {"domain/tracks"}),
        ("two", {"domain/splits/classifier"}),
        (None, {"domain/tracks", "domain/splits/classifier"}),
    ],
)
def test_what_only_another_instance_imports_is_left_out(
    script: Path, instance: str | None, own: set[str]
) -> None:
    script.write_text(INSTANCES)
    common = {"domain/boxes", "domain/pictures/coco_tracks", "plumbing/stages"}
    assert names(imports_of(script, instance)) == common | own


HELPED = """
from typing import TYPE_CHECKING
from vigil.plumbing.stages import run_stage

if TYPE_CHECKING:
    from vigil.domain import boxes

def deep():
    from vigil.domain.splits import classifier as splits

def of_one():
    deep()

def of_both():
    from vigil.domain.pictures import coco_tracks as coco

def one():
    of_one()
    of_both()

def two():
    of_both()

run_stage(one, two)
"""


def test_what_only_another_instance_calls_is_left_out(script: Path) -> None:
    script.write_text(HELPED)
    assert names(imports_of(script, "one")) == {
        "domain/pictures/coco_tracks", "domain/splits/classifier", "plumbing/stages",
    }  # fmt: skip
    assert names(imports_of(script, "two")) == {"domain/pictures/coco_tracks", "plumbing/stages"}
    assert "domain/boxes" in names(imports_of(script))


def test_plumbing_is_told_apart() -> None:
    errors, boxes = module_file("vigil.plumbing.errors"), module_file("vigil.domain.boxes")
    assert errors is not None
    assert boxes is not None
    assert is_plumbing(errors)
    assert not is_plumbing(boxes)


def test_only_modules_have_files() -> None:
    assert module_file("vigil.domain") == SOURCE / "vigil" / "domain" / "__init__.py"
    assert module_file("vigil.domain.boxes.clip") is None
    assert module_file("numpy") is None
