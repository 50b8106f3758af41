"""Exported models are used only as exports of the trained models beside them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_exports_of_models import write_alarm, write_classifier, write_detector

from vigil.learn.export_command import export_models
from vigil.plumbing.errors import InputError
from vigil.watch.models import ExportedFiles

BRANCHES = ("detector", "classifier", "alarm")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for write in (write_detector, write_classifier, write_alarm):
        (folder / "models").mkdir(exist_ok=True)
        write(folder / "models")
    for branch in BRANCHES:
        export_models(branch, ["onnx"], folder / "models", folder / "released")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(file: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def load(folder: Path | None = None) -> list[str]:
    models = ExportedFiles.below(folder, "onnx").load()
    return list(models.detector.classes)


def note(*outputs: str) -> None:
    """Writes a lock file of DVC that has these files as they are."""
    lines = ["schema: '2.0'", "stages:", "  made:", "    cmd: make", "    outs:"]
    for path in outputs:
        file = Path(path)
        md5 = hashlib.md5(file.read_bytes()).hexdigest() if file.is_file() else "ab.dir"
        lines += [f"    - path: {path}", "      hash: md5", f"      md5: {md5}"]
    Path("dvc.lock").write_text("\n".join(lines) + "\n")


def test_exports_of_the_models_beside_them_are_used(here: Path):
    assert load() == ["cat", "dog"]
    assert load(Path("released")) == ["cat", "dog"]
    shutil.move("released", "box")
    assert load(Path("box")) == ["cat", "dog"]
    shutil.rmtree("models")  # as on an edge box
    assert load(Path("box")) == ["cat", "dog"]


def test_models_of_the_command_and_of_the_stages_are_found(here: Path):
    (here / "exported").mkdir()
    for branch in ("detector", "alarm"):
        shutil.move(f"released/{branch}", f"exported/{branch}")
    files = ExportedFiles.below(None, "onnx")
    assert files.detector == Path("exported/detector/detector.onnx")
    assert files.classifier == Path("released/classifier/classifier.onnx")
    assert files.alarm == Path("exported/alarm/alarm.zip")
    assert load() == ["cat", "dog"]


def test_networks_of_8_bit_integers_are_asked_for_by_a_runtime_of_their_own(here: Path):
    shutil.copy("released/detector/detector.onnx", "released/detector/detector_int8.onnx")
    files = ExportedFiles.below(None, "onnx-int8")
    assert files.detector == Path("released/detector/detector_int8.onnx")
    with pytest.raises(InputError, match=r"classifier_int8\.onnx: expected an exported model"):
        files.load()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("detector.safetensors", None),
        ("classifier.safetensors", None),
        ("alarm.safetensors", None),
        ("detector.json", lambda card: card.update(classes=["car", "dog"])),
        ("detector_score.json", lambda score: score.update(best_f1_score=0.5)),
        ("threshold.json", lambda picked: picked.update(confidence=0.5)),
    ],
)
def test_an_export_of_an_earlier_model_is_refused(
    here: Path, name: str, change: Callable[[dict[str, object]], object] | None
):
    file = here / "models" / name
    if change:
        edit(file, change)
    else:
        file.write_bytes(b"other weights")
    branch = {"threshold": "alarm"}.get(file.stem, file.stem.split("_")[0])
    message = rf"^released/{branch}/.*: expected an export of models/{name}, got .*vigil export "
    with pytest.raises(InputError, match=message + branch):
        load()


@pytest.mark.parametrize(
    ("branch", "name", "change"),
    [
        ("detector", "detector.json", lambda card: card.update(classes=["car", "dog"])),
        ("detector", "detector_score.json", lambda score: score.update(best_f1_score=0.5)),
        ("alarm", "threshold.json", lambda picked: picked.update(confidence=0.5)),
    ],
)
def test_files_of_another_run_are_not_exported(
    here: Path, branch: str, name: str, change: Callable[[dict[str, object]], object]
):
    """Only the lock file of DVC tells that the card of a model was edited."""
    note("models/detector.json", "models/detector_score.json", "models/threshold.json")
    export_models(branch, ["onnx"], Path("models"), Path("out"))
    edit(Path("models", name), change)
    message = rf"^models/{name}: expected the file that dvc\.lock notes, got another one"
    with pytest.raises(InputError, match=message):
        export_models(branch, ["onnx"], Path("models"), Path("again"))
    for models in (here / "models", Path("..", here.name, "models"), Path("released/../models")):
        with pytest.raises(InputError, match=rf"{name}: expected the file that dvc\.lock notes"):
            export_models(branch, ["onnx"], models, Path("again"))
    assert not Path("again").exists()


def test_the_folder_of_a_stage_is_refused(here: Path):
    """`dvc repro` would delete what is written there."""
    note("exported/detector")
    with pytest.raises(InputError, match=r"--out exported: expected a folder that no stage makes"):
        export_models("detector", ["onnx"], Path("models"), Path("exported"))
    with pytest.raises(InputError, match=r"--out .*: expected a folder that no stage makes"):
        export_models("detector", ["onnx"], Path("models"), here / "exported")
    Path("dvc.lock").write_text("stages: [3]\n")
    with pytest.raises(InputError, match=r"dvc\.lock: expected a lock file of DVC, got"):
        export_models("detector", ["onnx"], Path("models"), Path("exported"))


def test_the_arithmetic_of_a_training_is_in_the_exported_card(here: Path):
    edit(
        Path("models/detector.json"), lambda card: card.update(training={"arithmetic": "portable"})
    )
    edit(Path("models/alarm.json"), lambda card: card.update(arithmetic="portable"))
    for branch in BRANCHES:
        export_models(branch, ["onnx"], Path("models"), Path("released"))
    models = ExportedFiles.below(None, "onnx").load()
    assert models.detector.card["arithmetic"] == "portable"
    assert models.alarm.card["arithmetic"] == "portable"
    assert "arithmetic" not in models.classifier.card
