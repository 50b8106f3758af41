"""A program on an edge box: where torch, pandas and the rest of the pipeline are not installed."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_exports_of_models import (
    FRAMES,
    moving,
    write_alarm,
    write_classifier,
    write_detector,
    write_segmenter,
)

from vigil.learn.export_command import export_models

ALLOWED = {"numpy", "cv2", "onnxruntime", "vigil"}
"""What an edge box has. ONNX Runtime imports a few packages of its own, if they are there."""

WITHOUT = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nowhere())
"""
REFUSED = {
    *("torch", "torchvision", "lightning", "transformers", "safetensors", "onnx", "pandas"),
    *("scipy", "sklearn", "pydantic", "yaml", "dvc", "av", "tqdm", "matplotlib", "PIL"),
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "export.md"


def edge_program() -> str:
    """The program in the document."""
    return programs()[0]


def programs() -> list[str]:
    """All programs in the document."""
    parts = DOCUMENT.read_text(encoding="utf-8").split("```py\n")[1:]
    return [part.split("```")[0] for part in parts]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edge")
    write_detector(folder, FRAMES)
    write_classifier(folder)
    write_alarm(folder)
    write_segmenter(folder, view="tiled")
    for branch in ("detector", "classifier", "segmenter", "alarm"):
        export_models(branch, ["onnx"], folder, folder / "released")
    writer = cv2.VideoWriter(
        str(folder / "yard.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 64)
    )
    for frame in moving(80):
        writer.write(frame)
    writer.release()
    cv2.imwrite(str(folder / "yard.png"), moving(1)[0])
    return folder


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    text = WITHOUT.format(refused=REFUSED) + code
    return subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_program_of_the_document_runs_with_numpy_opencv_and_onnx_runtime(exported: Path):
    program = edge_program()
    assert len([line for line in program.splitlines() if line.strip()]) <= 30
    done = run(exported, program)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("box") for line in lines)
    assert any(line.startswith("window") for line in lines)


def test_the_segmenter_of_the_document_runs_there_too(exported: Path):
    program = programs()[1] + "\nprint(found.classes.shape)"
    done = run(exported, program)
    assert done.returncode == 0, done.stderr
    share, shape = done.stdout.splitlines()
    assert share.startswith("ground: ")
    assert shape == "(64, 96)"


def test_what_runs_exported_models_imports_nothing_else(exported: Path):
    code = """
before = {name.split(".")[0] for name in sys.modules}
import vigil.runtime.alarm, vigil.runtime.classifier, vigil.runtime.detector
import vigil.runtime.segmenter
import vigil.pixels.fit_crop
after = {name.split(".")[0] for name in sys.modules}
print(*sorted(after - before - set(sys.stdlib_module_names)))
"""
    done = run(exported, code)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= ALLOWED


def test_watching_exported_models_needs_no_torch(exported: Path):
    code = """
from vigil.watch.models import ExportedFiles
from pathlib import Path
files = ExportedFiles.below(Path("released"), "onnx")
models = files.load()
print(sorted(files.digests()), models.detector_score, models.classifier.input_shape)
"""
    refused = {"torch", "torchvision", "lightning"}
    text = WITHOUT.format(refused=refused) + code
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=exported, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = "['alarm.zip', 'classifier.onnx', 'detector.onnx'] 0.25 (3, 10, 10)"
    assert done.stdout.strip() == expected


def test_a_missing_library_is_said_in_one_line(exported: Path):
    code = """
from vigil.runtime.detector import ExportedDetector
from vigil.plumbing.errors import InputError
try:
    ExportedDetector.from_file("released/detector/detector.onnx")
except InputError as error:
    print(error)
"""
    text = WITHOUT.format(refused=REFUSED | {"onnxruntime"}) + code
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=exported, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("onnxruntime: expected it to be installed"), done.stderr


def test_pictures_of_the_wrong_kind_are_refused(exported: Path):
    from vigil.plumbing.errors import InputError
    from vigil.runtime.detector import ExportedDetector

    detector = ExportedDetector.from_file(exported / "released/detector/detector.onnx")
    for wrong in (np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3)), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(InputError, match=r"expected pictures \(H, W, 3\) uint8"):
            detector(wrong)
    assert detector.detect_batch([]) == []


def test_the_document_names_the_version_of_opencv_that_is_pinned():
    """Thresholds of an alarm were picked with it, and another one gives other scores."""
    lines = (DOCUMENT.parents[1] / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (pin,) = [line.split()[0] for line in lines if line.startswith("opencv-python-headless==")]
    assert f"pip install numpy {pin} onnxruntime`" in DOCUMENT.read_text(encoding="utf-8")
