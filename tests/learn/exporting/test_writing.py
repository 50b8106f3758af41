"""What a stage writes: files, their metrics, and 8-bit integers on request."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_exports_of_models import write_classifier

from vigil.domain.detections import DETECTION_COLUMNS
from vigil.learn.classifier.export.classifier_files import exportable_classifier
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.detector.export.measuring import compare_tables
from vigil.learn.exporting.exportable import Exportable
from vigil.learn.exporting.writing import spread, write_and_measure
from vigil.plumbing.records import read_json
from vigil.runtime.classifier import ExportedClassifier
from vigil.settings.exporting import ToInt8

OFF, ON = ToInt8(enabled=False, num_samples=4), ToInt8(enabled=True, num_samples=4)
CROPS = np.random.default_rng(0).integers(0, 256, (40, 3, 10, 10), np.uint8)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    write_classifier(tmp_path / "models")
    return tmp_path / "models"


def make(models: Path) -> Exportable:
    return exportable_classifier(models / "classifier.safetensors", models / "classifier.json")


def samples(num: int) -> Iterator[np.ndarray]:
    assert num == 4
    yield CROPS[:num]


def measure(files: Mapping[str, Path]) -> dict[str, dict[str, float]]:
    assert all(file.is_file() for file in files.values())
    return {name: {"score": 1.0} for name in files}


def test_without_formats_no_model_is_read_and_the_folder_is_empty(tmp_path: Path):
    def nothing(*_: object) -> None:
        raise AssertionError("must not be called")

    out, metrics = tmp_path / "exported", tmp_path / "export.json"
    write_and_measure(nothing, [], OFF, nothing, out, metrics, nothing)
    assert list(out.iterdir()) == []
    assert read_json(metrics) == {}


def test_eight_bits_are_smaller_steady_and_near(models: Path, tmp_path: Path):
    for name in ("one", "two"):
        out, metrics = tmp_path / name, tmp_path / f"{name}.json"
        write_and_measure(lambda: make(models), ["onnx"], ON, samples, out, metrics, measure)
    numbers = read_json(tmp_path / "one.json")
    assert numbers.keys() == {"onnx", "int8"}
    assert all(each["bytes"] > 0 for each in numbers.values())
    files = [tmp_path / name / "classifier_int8.onnx" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert str(tmp_path).encode() not in files[0].read_bytes()
    exported = ExportedClassifier.from_file(files[0])
    assert exported.card["arithmetic"] == "int8"
    trained = TrainedClassifier.from_files(
        models / "classifier.safetensors", models / "classifier.json"
    )
    difference = np.abs(exported(CROPS) - trained(CROPS)).max()
    assert 0 < difference < 0.1


def test_the_weights_of_openvino_count_for_openvino_alone(models: Path, tmp_path: Path):
    out, metrics = tmp_path / "out", tmp_path / "numbers.json"
    formats = ["onnx", "openvino"]
    write_and_measure(lambda: make(models), formats, OFF, samples, out, metrics, measure)
    sizes = {file.suffix: file.stat().st_size for file in out.iterdir()}
    assert {name: one["bytes"] for name, one in read_json(metrics).items()} == {
        **{"onnx": sizes[".onnx"], "openvino": sizes[".xml"] + sizes[".bin"]}
    }


@pytest.mark.parametrize(("num", "expected"), [(2, "ae"), (3, "ace"), (9, "abcde"), (1, "a")])
def test_some_names_are_spread_over_all(num: int, expected: str):
    assert spread(list("abcde"), num) == list(expected)


def test_boxes_that_are_not_found_again_are_counted():
    rows = [("p", "cat", 0.9, 0, 0, 10, 10), ("p", "cat", 0.5, 20, 0, 30, 10)]
    expected = pd.DataFrame(rows, columns=DETECTION_COLUMNS)
    moved = expected.assign(x1=[0, 22], score=[0.8, 0.5])
    assert compare_tables(expected, expected) == {
        **{"num_boxes": 2, "num_not_found_again": 0, "largest_score_difference": 0.0}
    }
    assert compare_tables(expected, moved) == {
        **{"num_boxes": 2, "num_not_found_again": 1, "largest_score_difference": 0.1}
    }
    renamed = expected.assign(label="dog")
    assert compare_tables(expected, renamed)["num_not_found_again"] == 2
    assert compare_tables(expected, expected.iloc[:0])["num_not_found_again"] == 2
