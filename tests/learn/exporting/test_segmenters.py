"""Exported segmenters find the classes that trained ones find."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
import torch
from damaged_exports import card_of, damaged, of_another_version, with_card, without_card
from tiny_exports_of_models import CANVAS_WH, UNET, write_segmenter
from tiny_masks import write_ellipses

from vigil.domain.masks.class_map import ClassMaps
from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.measures.segmenter import confusion_of, mean_iou
from vigil.learn.export_command import export_models
from vigil.learn.exporting.writing import write_and_measure
from vigil.learn.networks.weights import save_model
from vigil.learn.segmenter.export.measuring import canvases, measure_exported, open_exported
from vigil.learn.segmenter.export.segmenter_files import exportable_segmenter, segmenter_in_32_bits
from vigil.learn.segmenter.network.registry import load_segmenter
from vigil.learn.segmenter.network.upsampling import UPSAMPLINGS
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_json
from vigil.runtime.segmenter import ExportedSegmenter
from vigil.settings.exporting import ToInt8
from vigil.settings.train_segmenter import TorchvisionArchitecture

FORMATS = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
LARGEST_SCORE_DIFFERENCE = 1e-3
LARGEST_SHARE = 1e-3
"""Of pixels with another class: those whose two best scores are equal but for rounding."""
SHUFFLENET = {**UNET, "trunk": "shufflenet_v2_x0_5", "width": 8, "finest_stride": 2}
CASES = {
    "resized": {"view": "resized", "loss": "ce+dice"},
    "resized, independent": {"view": "resized", "loss": "bce"},
    "tiled": {"view": "tiled", "loss": "ce"},
    "tiled, independent": {"view": "tiled", "loss": "bce+dice"},
}


@pytest.fixture(scope="module", params=CASES)
def segmenter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmenter")
    write_segmenter(folder, **CASES[request.param])
    export_models("segmenter", [",".join(FORMATS)], folder, folder / "one")
    return folder


@pytest.fixture(scope="module")
def resized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resized")
    write_segmenter(folder)
    export_models("segmenter", ["onnx"], folder, folder / "one")
    return folder


def files_of(folder: Path) -> tuple[Path, Path]:
    return folder / "segmenter.safetensors", folder / "segmenter.json"


def pictures() -> list[np.ndarray]:
    """Smaller and larger than the canvas, and of its size."""
    rng = np.random.default_rng(0)
    sizes = [(64, 96), (200, 50), (33, 333), (7, 9), (1, 1), CANVAS_WH[::-1]]
    coarse = [rng.integers(0, 256, (-(-h // 4), -(-w // 4), 3), np.uint8) for h, w in sizes]
    return [
        one.repeat(4, axis=0).repeat(4, axis=1)[:h, :w]
        for one, (h, w) in zip(coarse, sizes, strict=True)
    ]


def assert_alike(exported: Any, trained: Any, shown: list[np.ndarray], **options: Any) -> None:
    """Classes agree on almost all pixels of all pictures together, and scores on each."""
    found = exported.segment_batch(shown, **options)
    expected = trained.segment_batch(shown, **options)
    others = []
    for one, other, picture in zip(found, expected, shown, strict=True):
        assert one.classes.shape == one.scores.shape == picture.shape[:2]
        assert one.classes.dtype == np.uint8
        assert one.scores.dtype == np.float32
        np.testing.assert_allclose(one.scores, other.scores, atol=LARGEST_SCORE_DIFFERENCE, rtol=0)
        others.append((one.classes != other.classes).ravel())
    assert np.concatenate(others).mean() <= LARGEST_SHARE


@pytest.mark.parametrize("name", FORMATS)
def test_an_exported_segmenter_finds_the_classes_of_the_trained_one(segmenter: Path, name: str):
    trained = segmenter_in_32_bits(*files_of(segmenter))
    exported = open_exported(segmenter / "one/segmenter" / f"segmenter{FORMATS[name]}")
    shown = pictures()
    found = trained.segment_batch(shown)
    assert len(np.unique(np.concatenate([one.classes.ravel() for one in found]))) == 3
    assert_alike(exported, trained, shown)
    assert_alike(exported, trained, shown[:3], batch_size=1, tile_overlap=0.6)
    assert exported(shown[0]).classes.tolist() == exported.segment_batch(shown)[0].classes.tolist()
    assert (exported.classes, exported.background) == (("cat", "dog", "ground"), "ground")
    assert (exported.canvas_wh, exported.view) == (CANVAS_WH, trained.view)
    assert exported.segment_batch([]) == []


def test_the_same_model_gives_the_same_bytes_and_they_name_no_place(
    segmenter: Path, tmp_path: Path
):
    export_models("segmenter", [",".join(FORMATS)], segmenter, tmp_path)
    files = sorted(tmp_path.rglob("*.*"))
    assert [file.suffix for file in files] == [".bin", ".onnx", ".pt", ".xml"]
    for file in files:
        content = file.read_bytes()
        assert content == (segmenter / "one/segmenter" / file.name).read_bytes(), file
        for word in (b"site-packages", b"/src/", str(tmp_path).encode(), b"/tmp/"):
            assert word not in content, file


def test_the_card_in_a_file_says_what_it_is(segmenter: Path):
    model = onnx.load(segmenter / "one/segmenter/segmenter.onnx")
    card, facts = card_of(model), read_json(segmenter / "segmenter.json")
    assert card["weights_sha256"] == facts["weights_sha256"]
    assert (card["branch"], card["architecture"]) == ("segmenter", "unet")
    assert card["activation"] == ("sigmoid" if "bce" in facts["loss"] else "softmax")
    assert {key: card[key] for key in ("classes", "background", "canvas_wh", "view")} == {
        key: facts[key] for key in ("classes", "background", "canvas_wh", "view")
    }
    assert {"version", "format", "card_sha256"} <= card.keys()
    assert not model.producer_version


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("config", [UNET, SHUFFLENET], ids=["plain", "shufflenet"])
def test_every_way_to_enlarge_maps_is_exported(
    tmp_path: Path, upsampling: str, config: dict[str, Any]
):
    write_segmenter(tmp_path, config=config | {"upsampling": upsampling})
    export_models("segmenter", ["onnx"], tmp_path, tmp_path)
    exported = ExportedSegmenter.from_file(tmp_path / "segmenter/segmenter.onnx")
    assert_alike(exported, segmenter_in_32_bits(*files_of(tmp_path)), pictures()[:3])


@pytest.mark.parametrize("name", ["onnx", "torchscript"])
def test_a_trunk_that_rounds_down_is_exported_with_odd_sides(tmp_path: Path, name: str):
    """The picture is padded, and the map cut: ONNX rounds quotients of negative sizes upwards."""
    write_segmenter(tmp_path, config=SHUFFLENET | {"trunk": "regnet_y_400mf"})
    export_models("segmenter", [name], tmp_path, tmp_path)
    exported = open_exported(tmp_path / f"segmenter/segmenter{FORMATS[name]}")
    assert_alike(exported, segmenter_in_32_bits(*files_of(tmp_path)), pictures()[:3])


@pytest.mark.slow
@pytest.mark.parametrize("trunk", ["vgg11_bn", "densenet121", "convnext_tiny", "efficientnet_b0"])
def test_trunks_of_each_kind_are_exported(tmp_path: Path, trunk: str):
    write_segmenter(tmp_path, config=SHUFFLENET | {"trunk": trunk})
    export_models("segmenter", ["onnx"], tmp_path, tmp_path)
    exported = ExportedSegmenter.from_file(tmp_path / "segmenter/segmenter.onnx")
    assert_alike(exported, segmenter_in_32_bits(*files_of(tmp_path)), pictures()[:3])


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("architecture", get_args(TorchvisionArchitecture))
def test_every_architecture_is_exported(tmp_path: Path, architecture: str, name: str):
    write_segmenter(tmp_path, architecture, {"num_classes": 3})
    export_models("segmenter", [name], tmp_path, tmp_path)
    exported = open_exported(tmp_path / f"segmenter/segmenter{FORMATS[name]}")
    assert_alike(exported, segmenter_in_32_bits(*files_of(tmp_path)), pictures()[:3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged, "expected an exported network, got"),
        (Path.unlink, "expected an exported model, found none; `vigil export` makes it"),
        (of_another_version, "expected an export in format 1, got format 99 of vigil '7.0'"),
        (without_card, "expected a model of `vigil export`, got a file without its card"),
        (with_card(branch="detector"), "expected an exported segmenter, got 'detector'"),
        (with_card("activation"), "expected the card of a segmenter, got"),
        (with_card(activation="tanh"), "expected the card of a segmenter, got"),
        (with_card(view="folded"), "expected the card of a segmenter, got"),
        (with_card(canvas_wh=[0, 53]), "expected the card of a segmenter, got"),
        (with_card(canvas_wh=7), "expected the card of a segmenter, got"),
        (with_card(classes=[]), "expected the card of a segmenter, got"),
        (with_card(canvas_wh=[64, 64]), "whose input ends with (3, 64, 64), got ("),
    ],
)
def test_a_file_that_is_no_export_is_refused_in_one_line(
    resized: Path, tmp_path: Path, change: Callable[[Path], None], message: str
):
    file = tmp_path / "segmenter.onnx"
    file.write_bytes((resized / "one/segmenter/segmenter.onnx").read_bytes())
    change(file)
    with pytest.raises(InputError) as refusal:
        ExportedSegmenter.from_file(file)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_network_of_other_classes_than_its_card_is_refused(resized: Path, tmp_path: Path):
    """The file may not tell the shape of its output, which the first batch shows."""
    file = tmp_path / "segmenter.onnx"
    file.write_bytes((resized / "one/segmenter/segmenter.onnx").read_bytes())
    with_card(classes=["cat", "ground"])(file)
    message = r"segmenter\.onnx: expected .* and 2 classes, whose output ends with .*, got \("
    with pytest.raises(InputError, match=message):
        ExportedSegmenter.from_file(file)(np.zeros((40, 60, 3), np.uint8))


def test_pictures_of_the_wrong_kind_are_refused(resized: Path):
    exported = ExportedSegmenter.from_file(resized / "one/segmenter/segmenter.onnx")
    for wrong in (np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3)), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(InputError, match=r"expected pictures \(H, W, 3\) uint8"):
            exported(wrong)


def of_other_weights(folder: Path) -> None:
    content = bytearray((folder / "segmenter.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "segmenter.safetensors").write_bytes(content)


def with_a_number_that_is_none(folder: Path) -> None:
    network = load_segmenter(*files_of(folder))
    torch.nn.init.constant_(network.classify.bias, float("nan"))
    card = read_json(folder / "segmenter.json")
    del card["weights_sha256"]
    save_model(network.state_dict(), card, *files_of(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (of_other_weights, "got the card of other weights"),
        (lambda folder: (folder / "segmenter.json").unlink(), "segmenter.json: expected a trained"),
        (with_a_number_that_is_none, "expected finite weights, got NaN"),
    ],
)
def test_a_refused_export_leaves_nothing(
    tmp_path: Path, change: Callable[[Path], object], message: str
):
    write_segmenter(tmp_path)
    change(tmp_path)
    with pytest.raises(InputError) as refusal:
        export_models("segmenter", [",".join(FORMATS)], tmp_path, tmp_path / "out")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not [*(tmp_path / "out").rglob("*.*")]


def known_of(folder: Path, num_pictures: int) -> MaskedPictures:
    """Pictures of ellipses of two classes on the ground."""
    drawn = write_ellipses(folder, num_pictures)
    objects = drawn.boxes.assign(label=drawn.boxes["label"].map({"0": "cat", "1": "dog"}))
    return MaskedPictures.of(drawn.images, objects, ["cat", "dog"], "ground")


@pytest.mark.parametrize("view", ["resized", "tiled"])
def test_files_are_measured_beside_torch_and_eight_bits_are_near(tmp_path: Path, view: str):
    write_segmenter(tmp_path, view=view)
    images = tmp_path / "images"
    images.mkdir()
    known = known_of(images, 5)
    trained = segmenter_in_32_bits(*files_of(tmp_path))

    def write(out: Path) -> dict[str, Any]:
        write_and_measure(
            lambda: exportable_segmenter(*files_of(tmp_path)),
            ["onnx", "torchscript"],
            ToInt8(enabled=True, num_samples=4),
            lambda num: canvases(num, trained, images, known),
            out,
            out.with_suffix(".json"),
            lambda files: measure_exported(files, trained, images, known),
        )
        return read_json(out.with_suffix(".json"))

    numbers = write(tmp_path / "one")
    assert numbers == write(tmp_path / "two")
    assert numbers.keys() == {"torch", "onnx", "torchscript", "int8"}
    confusion, maps = np.zeros((3, 3), np.int64), ClassMaps(known)
    source = ImageSource(images)
    for name in known.images.index:
        confusion += confusion_of(maps[name], trained(source.rgb(name)).classes, 3)
    assert numbers["torch"] == {"mean_iou": pytest.approx(mean_iou(confusion), abs=1e-4)}
    for name in ("onnx", "torchscript"):
        assert numbers[name]["mean_iou"] == pytest.approx(numbers["torch"]["mean_iou"], abs=1e-3)
        assert numbers[name]["share_of_other_classes"] <= LARGEST_SHARE
        assert numbers[name]["largest_score_difference"] <= LARGEST_SCORE_DIFFERENCE
    assert 0 < numbers["int8"]["largest_score_difference"] < 0.6
    assert numbers["int8"]["share_of_other_classes"] < 0.1
    files = [tmp_path / name / "segmenter_int8.onnx" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert ExportedSegmenter.from_file(files[0]).card["arithmetic"] == "int8"


@pytest.mark.parametrize(("view", "num"), [("resized", 3), ("tiled", 8)])
def test_samples_are_what_the_network_takes(tmp_path: Path, view: str, num: int):
    """Of large pictures, tiles: two columns and two rows a picture."""
    write_segmenter(tmp_path, view=view)
    known = known_of(tmp_path, 4)
    trained = segmenter_in_32_bits(*files_of(tmp_path))
    batches = list(canvases(num, trained, tmp_path, known))
    assert [batch.shape for batch in batches] == [(1, 3, *CANVAS_WH[::-1])] * num
    assert all(batch.dtype == np.uint8 for batch in batches)
    assert len({batch.tobytes() for batch in batches}) == num
