import shutil
import subprocess
import sys
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
    script.write_text("from vigil.domain.label_studio.coco import tracks_to_coco")
    found = names(closure_of(script))
    assert found >= {
        "domain/pictures/coco_file",
        "domain/tracks",
        "domain/boxes",
        "plumbing/errors",
    }
    assert "domain/splits/classifier" not in found


def test_an_import_that_is_not_taken_leaves_out_what_it_alone_brings(script: Path) -> None:
    script.write_text("from vigil.domain.label_studio import coco\nfrom vigil.domain import tracks")
    coco, tracks = (module_file(f"vigil.domain.{name}") for name in ("label_studio.coco", "tracks"))
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


EVERY_KIND = """
from a import (b as c)
class D(E, metaclass=F):
    x: int = 1
    y: "str"
async def f(a, /, b=1, *c, d, e=None, **g) -> None:
    async with a as b, c: await d
    async for x in y: yield
    return lambda *a: (not a, -1, 2.5, 1j, b"x", ..., None, True)
try:
    with open(a): del b[1:2, ::3]
except* ValueError as error:
    raise X from error
match a:
    case {"b": [1, *_], **rest} if rest: assert a, "told"
    case D(x=1) | None: global z
print(f"{a!r:>{b}} {c=}", *d, **e, f={1: 2, **g}, h=[i async for j in k if l], m={n}, o=(p := q))
"""
DIGEST = "442caf060dcdd89989cd36e475ef132088b1dd80a29c324fb450910b4023ca65"


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


def test_a_digest_is_that_of_any_version_of_python(script: Path) -> None:
    """Colleagues with other versions share `code/*.json` of a project, and results by them."""
    script.write_text(CODE + EVERY_KIND)
    assert code_digest(script) == DIGEST


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_another_version_of_python_gives_the_same_digest(script: Path, python: str) -> None:
    script.write_text(CODE + EVERY_KIND)
    program = shutil.which(f"python{python}")
    module = SOURCE / "vigil/plumbing/closure.py"
    command = (
        "import pathlib, runpy, sys; module, script = map(pathlib.Path, sys.argv[1:]); "
        "print(runpy.run_path(module)['code_digest'](script))"
    )
    done = program and subprocess.run(
        [program, "-c", command, module, script], capture_output=True, text=True, check=False
    )
    if not done or done.returncode:
        pytest.skip(f"no python{python} here")
    assert done.stdout.strip() == code_digest(script) == DIGEST


def test_packages_beside_a_script_count_too(tmp_path: Path) -> None:
    """As the demo's scene does, which is not installed."""
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene/__init__.py").write_text("")
    (tmp_path / "scene/people.py").write_text("from scene.poses import stand")
    (tmp_path / "scene/poses.py").write_text("from vigil.domain import boxes")
    script = tmp_path / "make_demo.py"
    script.write_text("import os.path\nfrom scene.people import walk")
    found = closure_of(script)
    assert {tmp_path / "scene/people.py", tmp_path / "scene/poses.py"} <= found
    assert SOURCE / "vigil/domain/boxes.py" in found


def test_libraries_beside_an_installed_vigil_do_not_count(tmp_path: Path) -> None:
    """In an environment, site-packages holds vigil and the libraries that it imports."""
    site = tmp_path / "site-packages"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE / "vigil", site / "vigil", ignore=ignored)
    for name in ("torch/nn/functional.py", "lightning/pytorch.py", "yaml/nodes.py"):
        module = site / name
        module.parent.mkdir(parents=True)
        for folder in module.relative_to(site).parents[:-1]:
            (site / folder / "__init__.py").touch()
        module.write_text("import torch.nn.functional")
    (site / "vigil/project/stages").mkdir(parents=True)  # where a wheel has the stages
    script = site / "vigil/project/stages/train.py"
    script.write_text("import torch.nn.functional\nfrom vigil.learn.training.loop import fit")
    code = (
        "import pathlib, sys\n"
        "from vigil.plumbing.closure import SOURCE, closure_of\n"
        "for file in closure_of(pathlib.Path(sys.argv[1])): print(file.relative_to(SOURCE))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, script],
        env={"PYTHONPATH": str(site)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = set(told.stdout.split())
    assert {name.split("/")[0] for name in found} == {"vigil"}
    script.write_text("from vigil.learn.training.loop import fit")
    expected = {file.relative_to(SOURCE).as_posix() for file in closure_of(script)}
    assert found == expected


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
