"""Exported models give what trained ones give, in bytes that depend on the model alone."""

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
from damaged_exports import card_of, damaged, of_another_version, with_card, without_card
from tiny_detectors import SIZE_WH, build, config_of
from tiny_exports_of_models import (
    FRAMES,
    moving,
    write_alarm,
    write_classifier,
    write_detector,
)

from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.detector.export.graph import GRAPHS, graph_of
from vigil.learn.detector.export.measuring import open_exported
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.registry import MASK_DETECTORS, VIGIL_DETECTORS
from vigil.learn.detector.network.torchvision_detectors import TorchvisionDetector
from vigil.learn.detector.network.transformer_detectors import TransformerDetector
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.export_command import export_models, exportable_branches
from vigil.learn.exporting import exportable
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
from vigil.runtime import card as cards
from vigil.runtime.alarm import ExportedAlarm
from vigil.runtime.classifier import ExportedClassifier
from vigil.runtime.detector import ExportedDetector
from vigil.settings.train_detector import Fusion, TorchvisionArchitecture, TransformerArchitecture

FORMATS = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}


@pytest.fixture(scope="module", params=[None, FRAMES], ids=["pictures", "sequences"])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    write_detector(folder, request.param)
    export_models("detector", [",".join(FORMATS)], folder, folder / "one")
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    write_classifier(folder)
    write_alarm(folder)
    export_models("classifier", ["onnx", "openvino"], folder, folder / "one")
    export_models("alarm", ["onnx"], folder, folder / "one")
    return folder


def pictures_of(detector: object) -> list[np.ndarray]:
    """Of several sizes; the last sequence of a video for a detector of sequences."""
    rng = np.random.default_rng(0)
    sizes = [(64, 96), (200, 50), (33, 333)]
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    history = detector.history()
    added = [history.add(frame, at / 25) for at, frame in enumerate(moving(9))]
    return [*pictures, added[-1]]


@pytest.mark.parametrize("name", FORMATS)
def test_an_exported_detector_finds_the_boxes_of_the_trained_one(detector: Path, name: str):
    """At most 0.01 px and 1e-5 apart: the last bits of sums differ."""
    trained = TrainedDetector.from_files(
        detector / "detector.safetensors", detector / "detector.json"
    )
    exported = open_exported(detector / "one/detector" / f"detector{FORMATS[name]}")
    pictures = pictures_of(trained)
    assert len(exported(pictures[0])) > 10
    for one, other in zip(
        exported.detect_batch(pictures), trained.detect_batch(pictures), strict=True
    ):
        assert len(one) == len(other)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5, rtol=0)
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.01, rtol=0)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert exported.score == 0.25
    assert exported.classes == ("cat", "dog")


def test_the_same_model_gives_the_same_bytes_and_they_name_no_place(
    detector: Path, others: Path, tmp_path: Path
):
    export_models("detector", [",".join(FORMATS)], detector, tmp_path)
    export_models("classifier", ["onnx", "openvino"], others, tmp_path)
    export_models("alarm", ["onnx"], others, tmp_path)
    files = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*.*") if file.is_file())
    assert len(files) == 4 + 3 + 1
    for file in files:
        source = detector if file.parts[0] == "detector" else others
        content = (tmp_path / file).read_bytes()
        assert content == (source / "one" / file).read_bytes(), file
        for word in (b"site-packages", b"/src/", str(tmp_path).encode(), b"/tmp/"):
            assert word not in content, file


def test_an_exported_classifier_gives_the_probabilities_of_the_trained_one(others: Path):
    files = others / "classifier.safetensors", others / "classifier.json"
    trained = TrainedClassifier.from_files(*files)
    crops = np.random.default_rng(0).integers(0, 256, (70, 3, 10, 10), np.uint8)
    for suffix in (".onnx", ".xml"):
        exported = ExportedClassifier.from_file(others / f"one/classifier/classifier{suffix}")
        np.testing.assert_allclose(exported(crops), trained(crops), atol=1e-6)
        assert exported(crops[:0]).shape == (0,)
        assert exported.classes == trained.classes
        with pytest.raises(InputError, match=r"expected crops \(N, 3, 10, 10\) uint8"):
            exported(crops[..., :9])


def test_an_exported_alarm_judges_as_the_fitted_one(others: Path):
    """With every scorer, a map of speeds and an autoencoder."""
    files = (others / name for name in ("alarm.safetensors", "alarm.json", "threshold.json"))
    trained = TrainedAlarm.from_files(*files)
    exported = ExportedAlarm.from_file(others / "one/alarm/alarm.zip")
    frames, times = moving(), np.arange(40) / 25
    one, other = exported(frames, times), trained(frames, times)
    assert one.scores.keys() == other.scores.keys()
    assert one.raising == other.raising
    for name, score in other.scores.items():
        assert one.scores[name] == pytest.approx(score, rel=1e-5), name
    assert [each.box_xyxy for each in one.evidence] == [each.box_xyxy for each in other.evidence]
    streams = [alarm.stream(0.8, 0.4) for alarm in (exported, trained)]
    verdicts = [
        [window for at, frame in enumerate(frames) for window in stream.push(frame, at / 25)]
        for stream in streams
    ]
    assert len(verdicts[0]) == len(verdicts[1]) > 0
    for mine, theirs in zip(*verdicts, strict=True):
        assert (mine.start_s, mine.stop_s) == (theirs.start_s, theirs.stop_s)
        assert mine.verdict.ratio == pytest.approx(theirs.verdict.ratio, rel=1e-5)


@pytest.mark.parametrize("shape", [(11, 11), (15, 40), (40, 15), (1, 1)])
def test_frames_in_which_no_motion_can_be_measured_are_refused(
    others: Path, shape: tuple[int, int]
):
    """OpenCV raises an error of its own, or ends the process."""
    files = (others / name for name in ("alarm.safetensors", "alarm.json", "threshold.json"))
    frames = [np.zeros((*shape, 3), np.uint8)] * 40
    for alarm in (
        ExportedAlarm.from_file(others / "one/alarm/alarm.zip"),
        TrainedAlarm.from_files(*files),
    ):
        with pytest.raises(InputError, match=r"sides of at least 16 px, .*, got \d+x\d+"):
            alarm(frames, np.arange(40) / 25)
        with pytest.raises(InputError, match=r"sides of at least 16 px, .*, got \d+x\d+"):
            alarm.stream(0.8, 0.4).push(frames[0], 0.0)
        alarm([np.zeros((16, 40, 3), np.uint8)] * 40, np.arange(40) / 25)


def test_the_card_in_a_file_says_what_it_is(detector: Path):
    model = onnx.load(detector / "one/detector/detector.onnx")
    card = card_of(model)
    assert (
        card["weights_sha256"]
        == json.loads((detector / "detector.json").read_text())["weights_sha256"]
    )
    assert card["input_size_wh"] == list(SIZE_WH)
    assert {"version", "card_sha256", "suppression", "classes", "decoding"} <= card.keys()
    assert not model.producer_version


def test_branches_take_part_by_a_module():
    assert exportable_branches() == ["alarm", "classifier", "detector", "segmenter"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_card(input_size_wh=[64, 64]), "64, 64), got ("),
        (damaged, "expected an exported network, got"),
        (Path.unlink, "expected an exported model, found none; `vigil export` makes it"),
        (of_another_version, "expected an export in format 1, got format 99 of vigil '7.0'"),
        (without_card, "expected a model of `vigil export`, got a file without its card"),
        (with_card(branch="classifier"), "expected an exported detector, got 'classifier'"),
        (with_card("decoding"), "expected the card of a detector, got"),
    ],
)
def test_a_file_that_is_no_export_is_refused_in_one_line(
    detector: Path, tmp_path: Path, change: Callable[[Path], None], message: str
):
    file = tmp_path / "detector.onnx"
    file.write_bytes((detector / "one/detector/detector.onnx").read_bytes())
    change(file)
    with pytest.raises(InputError) as refusal:
        ExportedDetector.from_file(file)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_network_of_fewer_classes_than_its_card_is_refused(detector: Path, tmp_path: Path):
    """The file may not tell the shape of its output, which the first batch shows."""
    file = tmp_path / "detector.onnx"
    file.write_bytes((detector / "one/detector/detector.onnx").read_bytes())
    with_card(classes=["cat", "dog", "eel"])(file)
    message = r"detector\.onnx: expected .* and 3 classes, whose output ends with .*, got \("
    with pytest.raises(InputError, match=message):
        ExportedDetector.from_file(file)(np.zeros((40, 60, 3), np.uint8))


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_a_file_with_a_changed_bit_is_refused(others: Path, tmp_path: Path, suffix: str):
    """In the weights, too, where any number is one that a network may have."""
    draw = random.Random(0)
    source = others / "one/classifier"
    for number in range(40):
        folder = tmp_path / str(number)
        shutil.copytree(source, folder)
        file = folder / f"classifier{suffix}"
        ExportedClassifier.from_file(file)
        changed = file if suffix == ".onnx" or number % 2 else file.with_suffix(".bin")
        content = bytearray(changed.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        changed.write_bytes(content)
        with pytest.raises(InputError, match=r"classifier\.(onnx|xml): expected"):
            ExportedClassifier.from_file(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_shape": [4, 10, 10]}, r"crops of .*, whose input ends with \(4, 10, 10\), got"),
        ({"classes": []}, "expected the card of a classifier"),
        ({"classes": "xy"}, "expected the card of a classifier"),
    ],
)
def test_a_classifier_that_does_not_fit_its_card_is_refused(
    others: Path, tmp_path: Path, changes: dict[str, Any], message: str
):
    file = tmp_path / "classifier.onnx"
    file.write_bytes((others / "one/classifier/classifier.onnx").read_bytes())
    with_card(**changes)(file)
    with pytest.raises(InputError, match=message):
        ExportedClassifier.from_file(file)


@pytest.mark.parametrize(
    "changes", [{"best_f1_score": 2}, {"best_f1_score": "x"}, {"frames": None}]
)
def test_a_detector_that_does_not_fit_its_card_is_refused(
    detector: Path, tmp_path: Path, changes: dict[str, Any]
):
    """With `frames` gone, or told of a network that sees single pictures."""
    file = tmp_path / "detector.onnx"
    file.write_bytes((detector / "one/detector/detector.onnx").read_bytes())
    if "frames" in changes and card_of(onnx.load(file))["frames"] is None:
        changes = {"frames": {"num": 2, "step_s": 0.2, "fusion": "stack"}}
    with_card(**changes)(file)
    with pytest.raises(InputError, match=r"expected (a network that fits its|the) card of a"):
        ExportedDetector.from_file(file)


def members_of(others: Path) -> dict[str, bytes]:
    """What the archive of the exported alarm holds."""
    with zipfile.ZipFile(others / "one/alarm/alarm.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members: dict[str, bytes], file: Path, **changes: object) -> None:
    """Writes an archive with a seal that fits. Args: changes: of entries of the card."""
    content = json.loads(members["card.json"]) | {cards.DIGEST_KEY: cards.NO_DIGEST} | changes
    parts = {name: one for name, one in members.items() if name != "card.json"}
    text = json.dumps(content, sort_keys=True).encode()
    card = cards.sealed(text, cards.fingerprint_of(parts))
    with zipfile.ZipFile(file, "w") as archive:
        for name, one in {"card.json": card, **parts}.items():
            archive.writestr(name, one)


def thousandfold(card: dict[str, Any]) -> None:
    card["thresholds"] = {name: 1000 * value for name, value in card["thresholds"].items()}


def slower(card: dict[str, Any]) -> None:
    card["channels"]["local_speed"]["options"]["past_s"] *= 2


@pytest.mark.parametrize("change", [thousandfold, slower, lambda card: card.update(version="9.9")])
def test_an_alarm_with_a_changed_card_is_refused(
    others: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
):
    members, file = members_of(others), tmp_path / "alarm.zip"
    card = json.loads(members["card.json"])
    change(card)
    with zipfile.ZipFile(file, "w") as archive:
        for name, one in (members | {"card.json": json.dumps(card).encode()}).items():
            archive.writestr(name, one)
    with pytest.raises(InputError, match="expected the bytes that `vigil export` wrote, got oth"):
        ExportedAlarm.from_file(file)


def test_an_alarm_with_a_changed_added_or_renamed_member_is_refused(others: Path, tmp_path: Path):
    members, file = members_of(others), tmp_path / "alarm.zip"
    name = "motion_cells/gaussian_mixture/means.npy"
    other = "motion_cells/gaussian_mixture/precision_roots.npy"
    stream = io.BytesIO()
    np.save(stream, np.load(io.BytesIO(members[name])) * 2)
    for changed in (
        {**members, name: stream.getvalue()},
        {**members, "more.npy": members[name]},
        {**members, name: members[other], other: members[name]},
    ):
        with zipfile.ZipFile(file, "w") as archive:
            for own, one in changed.items():
                archive.writestr(own, one)
        with pytest.raises(InputError, match="expected the bytes that `vigil export` wrote"):
            ExportedAlarm.from_file(file)


@pytest.mark.parametrize(
    ("member", "bad", "message"),
    [
        ("motion_cells/gaussian_mixture/means", np.nan, "means with numbers that are not finite"),
        ("motion_histogram/mahalanobis/precision", np.inf, "precision with numbers that are not"),
        ("motion_cells/gaussian_mixture/precision_roots", -1, "diagonal that is not positive"),
        ("motion_cells/nearest_neighbours/num_neighbours", 0, "0 neighbours of"),
        ("motion_cells/nearest_neighbours/num_neighbours", 1e6, r"1e\+06 neighbours of"),
        ("motion_cells/nearest_neighbours/num_neighbours", 1.5, r"1\.5 neighbours of"),
        ("motion_cells/speed_map/ratios", 0, "a map of speeds that are not positive"),
    ],
)
def test_an_alarm_with_numbers_that_cannot_be_is_refused(
    others: Path, tmp_path: Path, member: str, bad: float, message: str
):
    """Also with a seal that fits them."""
    members, file = members_of(others), tmp_path / "alarm.zip"
    stream = io.BytesIO()
    np.save(stream, np.full_like(np.load(io.BytesIO(members[f"{member}.npy"])), bad))
    pack(members | {f"{member}.npy": stream.getvalue()}, file)
    with pytest.raises(InputError, match=f"expected the parameters of an alarm, got.*{message}"):
        ExportedAlarm.from_file(file)
    pack(members, file)
    ExportedAlarm.from_file(file)


def test_an_alarm_with_a_threshold_that_is_no_number_is_refused(others: Path, tmp_path: Path):
    members, file = members_of(others), tmp_path / "alarm.zip"
    thresholds = json.loads(members["card.json"])["thresholds"]
    pack(members, file, thresholds={**thresholds, next(iter(thresholds)): float("nan")})
    with pytest.raises(InputError, match="expected the parameters of an alarm, got thresholds"):
        ExportedAlarm.from_file(file)


def test_an_exported_alarm_keeps_the_order_of_the_channels(others: Path):
    """A card sorts its entries; tables of scores have their columns in this order."""
    files = (others / name for name in ("alarm.safetensors", "alarm.json", "threshold.json"))
    trained = TrainedAlarm.from_files(*files)
    exported = ExportedAlarm.from_file(others / "one/alarm/alarm.zip")
    assert list(exported.scorers) == list(trained.scorers)
    assert list(exported.scorers) != sorted(exported.scorers)
    frames, times = moving(), np.arange(40) / 25
    assert list(exported(frames, times).scores) == list(trained(frames, times).scores)
    assert list(exported.thresholds) == list(trained.thresholds)


def test_an_alarm_with_parameters_of_others_is_refused(others: Path, tmp_path: Path):
    """Any array that is missing, or of another shape, which numpy might broadcast."""
    content = members_of(others)
    learnt = [name for name in content if name.endswith(".npy") and "/speed_map/" not in name]
    assert len(learnt) > 5
    file = tmp_path / "alarm.zip"
    for chosen in learnt:
        for bad in (None, np.zeros(3), np.zeros((1, 1, 1, 1)), np.empty(0)):
            buffer = io.BytesIO()
            np.save(buffer, np.empty(0) if bad is None else bad)
            changed = {**content, chosen: buffer.getvalue()}
            if bad is None:
                del changed[chosen]
            pack(changed, file)
            with pytest.raises(InputError, match="expected the parameters of an alarm, got"):
                ExportedAlarm.from_file(file)


def test_an_alarm_that_is_no_export_is_refused(others: Path, tmp_path: Path):
    file = tmp_path / "alarm.zip"
    with pytest.raises(InputError, match="expected an exported alarm, found none"):
        ExportedAlarm.from_file(file)
    file.write_bytes(b"PK")
    with pytest.raises(InputError, match="expected an exported alarm, got"):
        ExportedAlarm.from_file(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("card.json", json.dumps({"format": 1, "version": "0", "branch": "alarm"}))
    with pytest.raises(InputError, match="or one of an earlier version; export the model again"):
        ExportedAlarm.from_file(file)
    blank = {"format": 1, "version": "0", "branch": "alarm"}
    pack({"card.json": json.dumps(blank).encode()}, file)
    with pytest.raises(InputError, match="expected the card of an alarm"):
        ExportedAlarm.from_file(file)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("detector", ["coreml"]), "--to: expected onnx, openvino, torchscript, got coreml"),
        (
            ("segmentor", ["onnx"]),
            "expected one of alarm, classifier, detector, segmenter, got",
        ),
        (("detector", ["onnx"]), "expected a trained model, found none; `dvc repro` trains it"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    tmp_path: Path, words: tuple[str, list[str]], message: str
):
    with pytest.raises(InputError) as refusal:
        export_models(*words, tmp_path, tmp_path / "out")
    assert message in str(refusal.value)
    assert not (tmp_path / "out").exists()


REFUSED: dict[str, type[Detector]] = {
    **dict.fromkeys(get_args(TorchvisionArchitecture), TorchvisionDetector),
    **MASK_DETECTORS,
    **dict.fromkeys(get_args(TransformerArchitecture), TransformerDetector),
}


def test_each_detector_is_exported_or_refused():
    assert set(VIGIL_DETECTORS.values()) == GRAPHS.keys()
    for name, kind in REFUSED.items():
        message = f"^{name}: expected grid, anchor or a yolox network to export, got a network that"
        with pytest.raises(InputError, match=message):
            graph_of(kind.__new__(kind), name)


def test_a_refused_detector_leaves_nothing(tmp_path: Path):
    name = "ssdlite320_mobilenet_v3_large"
    card = {
        **{"architecture": name, "config": config_of(name), "classes": ["cat", "dog"]},
        **{"input_size_wh": list(SIZE_WH), "precision": "32-true"},
    }
    files = tmp_path / "detector.safetensors", tmp_path / "detector.json"
    save_model(build(name).state_dict(), card, *files)
    with pytest.raises(InputError, match=f"^{name}: expected grid"):
        export_models("detector", ["onnx"], tmp_path, tmp_path / "out")
    assert not [*(tmp_path / "out").rglob("*.*")]


@pytest.mark.parametrize("fusion", get_args(Fusion))
def test_every_fusion_of_frames_is_exported(tmp_path: Path, fusion: str):
    write_detector(tmp_path, FRAMES | {"fusion": fusion})
    export_models("detector", ["onnx"], tmp_path, tmp_path)
    exported = ExportedDetector.from_file(tmp_path / "detector/detector.onnx")
    files = tmp_path / "detector.safetensors", tmp_path / "detector.json"
    trained = TrainedDetector.from_files(*files)
    (shown,) = pictures_of(trained)[-1:]
    one, other = exported(shown), trained(shown)
    np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.01, rtol=0)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5, rtol=0)


def test_an_alarm_has_one_format(others: Path, tmp_path: Path):
    with pytest.raises(InputError, match="--to: expected onnx for an alarm"):
        export_models("alarm", ["openvino"], others, tmp_path)


def test_a_file_that_computes_something_else_is_refused(
    others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exportable, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match="expected outputs that differ from torch's by at most"):
        export_models("classifier", ["onnx", "openvino"], others, tmp_path / "out")
    assert not [*tmp_path.rglob("*.*")], "it must not be found by somebody who missed the line"


def test_the_card_has_the_same_bytes_in_any_order():
    assert cards.card_text({"b": 1, "a": [2]}) == cards.card_text({"a": [2], "b": 1})
