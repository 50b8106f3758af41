"""YOLOX: weights of its authors, in each form that they come in, and what is made of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from onnx import helper, numpy_helper
from tiny_detectors import LOSSES, SIZE_WH, build, config_of, draw, write_scene
from tiny_settings import shipped
from tiny_yolox import lively, write_onnx

from vigil.domain.detections import DETECTION_COLUMNS
from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network import cells
from vigil.learn.detector.network.coco_classes import COCO_BY_ID, COCO_CLASSES
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.network.published_yolox import (
    download_published,
    read_published,
)
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.tensors import pad_objects
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.detector.training.start import build_start, restore_norms
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
from vigil.settings.suppression import DEFAULT
from vigil.settings.train_detector import TrainDetector

SHARED = Path(__file__).parents[4] / "shared"
NANO = SHARED / "weights/yolox_nano.onnx"
needs_file = pytest.mark.skipif(not NANO.is_file(), reason=f"no {NANO}")


def changed(path: Path, change: Callable[[onnx.GraphProto], None]) -> Path:
    """The file with another graph."""
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    return path


def said_by(model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        outputs, _ = model.eval()(pictures)
    return torch.cat([outputs.encoded, outputs.objectness[..., None], outputs.classes], dim=2)


@pytest.mark.parametrize(("form", "folds"), [("onnx", True), ("onnx", False), ("pth", True)])
@pytest.mark.parametrize("architecture", ["yolox_nano", "yolox_tiny"])
def test_weights_in_any_form_give_the_networks_outputs(
    architecture: str, form: str, folds: bool, tmp_path: Path
):
    model = lively(architecture, 3)
    path = tmp_path / f"w.{form}"
    if form == "onnx":
        write_onnx(model, path, folds)
    else:
        torch.save({"start_epoch": 300, "model": model.state_dict()}, path)
    other = build_detector(architecture, config_of(architecture, 3))
    other.load_state_dict(read_published(path, architecture))
    pictures, _ = draw(2)
    assert torch.allclose(said_by(other, pictures), said_by(model, pictures), atol=1e-4)


@needs_file
def test_the_published_file_gives_its_own_outputs():
    runtime = pytest.importorskip("onnxruntime")
    model = build_detector("yolox_nano", config_of("yolox_nano", 80))
    model.load_state_dict(read_published(NANO, "yolox_nano"))
    pictures = np.random.default_rng(0).integers(0, 256, (1, 3, 416, 416), dtype=np.uint8)
    session = runtime.InferenceSession(str(NANO))
    (expected,) = session.run(None, {"images": pictures[:, ::-1].astype(np.float32)})
    found = said_by(model, torch.from_numpy(pictures))
    found[..., 4:] = found[..., 4:].sigmoid()
    assert np.abs(found.numpy() - expected).max() < 1e-4


@needs_file
def test_the_published_file_finds_people_that_it_never_saw():
    folder = SHARED / "real/pets09"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    detector = TrainedDetector.from_published("yolox_nano", NANO, ["person"], (480, 384))
    truth, found = _every_ninth_frame(folder, detector)
    assert measure_detections(truth, found)["map_50"] > 0.9


def _every_ninth_frame(
    folder: Path, detector: TrainedDetector
) -> tuple[AnnotatedPictures, pd.DataFrame]:
    import json

    import av

    boxes = json.loads((folder / "dense_boxes.json").read_text())["window_vid_4"]
    truth, rows, images = [], [], []
    with av.open(str(folder / "videos/window_vid_4.avi")) as video:
        for number, frame in enumerate(video.decode(video=0)):
            if number % 9:
                continue
            picture = frame.to_ndarray(format="rgb24")
            images.append((str(number), picture.shape[1], picture.shape[0], "", -1, ""))
            for track in boxes.values():
                if str(number) in track:
                    box = np.clip(track[str(number)], 0, [*picture.shape[1::-1]] * 2).tolist()
                    truth.append((str(number), "person", *box, False, False))
            one = detector(picture)
            rows += [
                (str(number), "person", score, *box)
                for box, score in zip(one.boxes_xyxy.tolist(), one.scores, strict=True)
            ]
    names = ["file_name", "width", "height", "video", "frame_index", "sha256"]
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_crowd", "is_difficult"]
    known = AnnotatedPictures.of(
        pd.DataFrame(images, columns=names), pd.DataFrame(truth, columns=columns), ("person",)
    )
    return known, pd.DataFrame(rows, columns=DETECTION_COLUMNS)


def test_the_published_classes_are_cocos():
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
    assert (COCO_CLASSES[0], COCO_CLASSES[16], COCO_CLASSES[79]) == ("person", "dog", "toothbrush")
    assert len(COCO_BY_ID) == 91
    assert (COCO_BY_ID[0], COCO_BY_ID[1], COCO_BY_ID[18]) == (None, "person", "dog")


def last_ready_first(graph: onnx.GraphProto) -> None:
    """Another order of the nodes, in which each still follows those that it reads from."""
    made = {node for one in graph.node for node in one.output}
    waiting, ordered, done = list(graph.node), [], set()
    while waiting:
        ready = [n for n in waiting if all(i in done or i not in made for i in n.input)]
        node = ready[-1]
        waiting = [one for one in waiting if one is not node]
        ordered.append(node)
        done |= set(node.output)
    del graph.node[:]
    graph.node.extend(ordered)


def test_the_order_of_nodes_in_a_file_is_of_no_account(tmp_path: Path):
    model = lively(num_classes=4)  # as many as a box has sides
    path = write_onnx(model, tmp_path / "w.onnx")
    before = [n.input[1] for n in onnx.load(path).graph.node if n.op_type == "Conv"]
    changed(path, last_ready_first)
    assert before != [n.input[1] for n in onnx.load(path).graph.node if n.op_type == "Conv"]
    other = build_detector("yolox_nano", config_of("yolox_nano", 4))
    other.load_state_dict(read_published(path, "yolox_nano"))
    pictures, _ = draw(2)
    assert torch.allclose(said_by(other, pictures), said_by(model, pictures), atol=1e-4)


def with_relu(graph: onnx.GraphProto) -> None:
    gates = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Sigmoid"}
    for node in graph.node:
        if node.op_type == "Mul":
            (given,) = (gates[name] for name in node.input if name in gates)
            node.op_type = "Relu"
            del node.input[:]
            node.input.append(given)


def with_dilation(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        parts = {one.name: one for one in node.attribute}
        if node.op_type == "Conv" and list(parts["kernel_shape"].ints) == [3, 3]:
            parts["dilations"].ints[:] = [2, 2]
            parts["pads"].ints[:] = [2, 2, 2, 2]


def with_scaled_input(graph: onnx.GraphProto) -> None:
    name = graph.input[0].name
    for node in graph.node:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = "scaled"
    graph.initializer.append(numpy_helper.from_array(np.float32(1 / 255), "factor"))
    graph.node.insert(0, helper.make_node("Mul", [name, "factor"], ["scaled"]))


def with_smaller_maxima(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.op_type == "MaxPool":
            parts = {one.name: one for one in node.attribute}
            parts["kernel_shape"].ints[:] = [3, 3]
            parts["pads"].ints[:] = [1, 1, 1, 1]


def in_16_bits(graph: onnx.GraphProto) -> None:
    """As converters do that leave the input as it is."""
    for one in graph.initializer:
        array = numpy_helper.to_array(one)
        if array.dtype == np.float32:
            one.CopyFrom(numpy_helper.from_array(array.astype(np.float16), one.name))
    name = graph.input[0].name
    for node in graph.node:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = "in 16 bits"
    graph.node.insert(
        0, helper.make_node("Cast", [name], ["in 16 bits"], saturate=1, to=onnx.TensorProto.FLOAT16)
    )


def of_one_size(graph: onnx.GraphProto) -> None:
    """Maps are enlarged to the sizes that they have in a picture of 64 px, not by a factor."""
    enlarging = [node for node in graph.node if node.op_type == "Resize"]
    for node, shape in zip(enlarging, ((1, 128, 4, 4), (1, 64, 8, 8)), strict=True):
        name = f"{node.name} size"
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
        node.input[:] = [node.input[0], "", "", name]


@pytest.mark.parametrize(("change", "error"), [(in_16_bits, 5e-2), (of_one_size, 1e-4)])
def test_the_same_network_in_another_form_is_read(
    change: Callable[[onnx.GraphProto], None], error: float, tmp_path: Path
):
    model = lively(num_classes=2)
    path = changed(write_onnx(model, tmp_path / "w.onnx"), change)
    other = build_detector("yolox_nano", config_of("yolox_nano", 2))
    other.load_state_dict(read_published(path, "yolox_nano"))
    pictures, _ = draw(2)
    assert torch.allclose(said_by(other, pictures), said_by(model, pictures), atol=error)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (with_relu, r"w.onnx: expected the operations of a YOLOX network, .* got Relu$"),
        (
            with_dilation,
            r"w.onnx: expected the computation of yolox_nano on BGR in \[0, 255\], got",
        ),
        (with_scaled_input, r"w.onnx: expected the computation of yolox_nano on BGR in \[0, 255\]"),
        (with_smaller_maxima, r"w.onnx: expected the computation of yolox_nano on BGR in \[0, 2"),
    ],
)
def test_a_network_that_computes_otherwise_is_refused(
    change: Callable[[onnx.GraphProto], None], expected: str, tmp_path: Path
):
    path = changed(write_onnx(lively(num_classes=2), tmp_path / "w.onnx"), change)
    with pytest.raises(InputError, match=expected) as error:
        read_published(path, "yolox_nano")
    assert "\n" not in str(error.value)


def test_restored_norms_change_no_output_and_normalise_what_comes(tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    known = write_scene(folder)
    path = write_onnx(lively(num_classes=2), tmp_path / "w.onnx")
    model = build_detector("yolox_nano", config_of("yolox_nano", 2))
    model.load_state_dict(read_published(path, "yolox_nano"))
    pictures, objects = draw(6)
    before = said_by(model, pictures)
    restore_norms(model, PictureDataset(folder, known, input_size_wh=SIZE_WH), 2)
    assert torch.allclose(said_by(model, pictures), before, atol=2e-3)
    # In training, norms take the batch's own statistics; these are now about those of before.
    outputs, _ = model.train()(pictures)
    assert torch.allclose(outputs.objectness, before[..., 4], atol=0.05)
    assert all(torch.isfinite(v) for v in model.losses(pictures, pad_objects(objects)).values())


def settings_of(weights: Path | str, **changes: object) -> TrainDetector:
    return shipped(
        TrainDetector,
        architecture="yolox_nano",
        weights=str(weights),
        input_size_wh=list(SIZE_WH),
        fitting={"batch_size": 2, "max_epochs": 2},
        **changes,
    )


def start(settings: TrainDetector, folder: Path) -> torch.nn.Module:
    folder.mkdir()
    known = write_scene(folder)
    config = config_of("yolox_nano", 2)
    return build_start(config, settings, PictureDataset(folder, known, input_size_wh=SIZE_WH))


def test_a_training_starts_from_an_onnx_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write_onnx(lively(), tmp_path / "w.onnx")
    settings = settings_of(path, weights_classes={"1": "dog"})
    model = start(settings, tmp_path / "pictures")
    pictures, _ = draw(1)
    expected, found = said_by(lively(), pictures), said_by(model, pictures)
    assert torch.allclose(found[..., :5], expected[..., :5], atol=5e-3)
    assert torch.allclose(found[..., 6], expected[..., 5 + COCO_CLASSES.index("dog")], atol=5e-3)
    assert "no score for 0; its weights are random" in capsys.readouterr().out


def test_a_training_starts_from_what_another_one_wrote(tmp_path: Path):
    model = lively(num_classes=2)
    path = tmp_path / "w.safetensors"
    card = {"architecture": "yolox_nano", "config": {}, "classes": ["0", "1"]}
    save_model(model.state_dict(), card, path, tmp_path / "w.json")
    started = start(settings_of(path), tmp_path / "pictures")
    pictures, _ = draw(1)
    assert torch.equal(said_by(started, pictures), said_by(model, pictures))


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:1000])
    return path


def with_code(path: Path) -> Path:
    torch.save({"model": print}, path)
    return path


BAD = {
    "another network": (
        lambda folder: write_onnx(lively("yolox_tiny", 2), folder / "w.onnx"),
        r"w.onnx: expected the 113 convolutions of yolox_nano, got 83",
    ),
    "another width": (
        lambda folder: write_onnx(lively("yolox_s", 2), folder / "w.onnx"),
        r"w.onnx: expected the 113 convolutions of yolox_nano, got 83",
    ),
    "a cut file": (
        lambda folder: cut(write_onnx(lively(num_classes=2), folder / "w.onnx")),
        r"w.onnx: expected an ONNX file with its weights in it, got: ",
    ),
    "code": (
        lambda folder: with_code(folder / "w.pth"),
        r"w.pth: expected safetensors or a state dict, got: .*a pickle that holds more than weight",
    ),
    "no file": (
        lambda folder: folder / "w.onnx",
        r"w.onnx: expected a network's weights, found no",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_other_files_are_refused_in_one_line(kind: str, tmp_path: Path):
    make, expected = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(InputError, match=expected) as error:
        read_published(path, "yolox_nano")
    assert "\n" not in str(error.value)


def test_an_onnx_file_whose_shapes_differ_names_the_first(tmp_path: Path):
    path = write_onnx(lively("yolox_s", 2), tmp_path / "w.onnx")
    expected = (
        r"expected a convolution \(24, 12, 3, 3\) in 1 groups with stride 1, connected as back"
    )
    with pytest.raises(InputError, match=expected):
        read_published(path, "yolox_tiny")


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ({"0": "gnome"}, r"expected classes that the weights have, found no gnome; they have air"),
        ({"3": "dog"}, r"^weights_classes: expected classes of the pictures, 0, 1, got 3"),
    ],
)
def test_classes_that_are_not_there_are_refused(called: dict, expected: str, tmp_path: Path):
    path = write_onnx(lively(), tmp_path / "w.onnx")
    with pytest.raises(InputError, match=expected):
        start(settings_of(path, weights_classes=called), tmp_path / "pictures")


def test_published_weights_detect_by_the_names_of_their_classes(tmp_path: Path):
    path = write_onnx(lively(), tmp_path / "w.onnx")
    detector = TrainedDetector.from_published("yolox_nano", path, ["dog", "person"], SIZE_WH)
    pictures, _ = draw(1)
    every = DEFAULT.model_copy(update={"min_score": 0.0})
    found = detector(pictures[0].permute(1, 2, 0).numpy(), every)
    assert detector.classes == ("dog", "person")
    assert set(found.labels) <= {"dog", "person"}
    assert len(found) > 0


def test_detecting_what_the_weights_do_not_know_is_refused(tmp_path: Path):
    path = write_onnx(lively(), tmp_path / "w.onnx")
    with pytest.raises(InputError, match=r"found no gnome"):
        TrainedDetector.from_published("yolox_nano", path, ["person", "gnome"], (96, 64))


def test_without_a_network_the_coco_weights_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_network(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlretrieve", no_network)
    with pytest.raises(InputError, match=r"^weights: expected to download the coco weights of yo"):
        download_published("yolox_nano")
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_side_that_is_no_multiple_of_32_is_filled_up():
    model = build("yolox_nano").eval()
    pictures = torch.zeros(1, 3, 50, 70, dtype=torch.uint8)
    with torch.inference_mode():
        _, places = model(pictures)
        (found,) = model.candidates(pictures)
    assert torch.equal(
        places, cells.cells_of([(8, 12), (4, 6), (2, 3)], (8, 16, 32), places.device)
    )
    assert (found.boxes[:, 2:] <= torch.tensor([70, 50])).all()


def test_losses_of_the_paper_are_finite_and_learn():
    config = {"num_classes": 2, "loss": LOSSES | {"box": "iou", "objectness": "bce"}}
    torch.manual_seed(0)
    model = build_detector("yolox_nano", config).train()
    pictures, objects = draw(4)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    totals = []
    for _ in range(40):
        total = sum(model.losses(pictures, pad_objects(objects)).values())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.4 * totals[0]
