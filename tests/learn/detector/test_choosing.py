"""What `auto` stands for, and that it looks at training boxes alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import torchvision
from onnx import helper, numpy_helper
from safetensors.torch import save_file
from tiny_detectors import SIZE_WH, config_of, write_scene
from tiny_settings import GRID, shipped
from tiny_yolox import lively, write_onnx

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.network.published_yolox import PAPER
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.yolox import YoloxDetector
from vigil.learn.detector.training.assembly import Sides, plan_training
from vigil.learn.detector.training.choosing import LEAST_EPOCHS, MOST_EPOCHS, Choice, choose
from vigil.learn.detector.training.recognising import recognise
from vigil.learn.detector.training.start import build_start
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.train_detector import NUM_QUERIES, TrainDetector, num_query_cells

AUTO = {
    "architecture": "auto",
    "input_size_wh": "auto",
    "features.strides": "auto",
    "frames.num": 1,
    "fitting.max_epochs": 9,
    "augmentation.mosaic_probability": 0.0,
}
NO_FOLDER = Path("no pictures are read")


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))


def known(
    *sides_wh: tuple[float, float], picture_wh: tuple[int, int] = (480, 360)
) -> AnnotatedPictures:
    names = [f"{number}.png" for number in range(len(sides_wh))]
    images = pd.DataFrame(
        {"file_name": names, "width": picture_wh[0], "height": picture_wh[1], "video": "",
         "frame_index": -1, "sha256": ""}
    )  # fmt: skip
    rows = [
        (n, "0", 1.0, 2.0, 1 + w, 2 + h, False, False)
        for n, (w, h) in zip(names, sides_wh, strict=True)
    ]
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_crowd", "is_difficult"]
    return AnnotatedPictures.of(images, pd.DataFrame(rows, columns=columns), ("0",))


def test_small_people_get_one_fine_map_and_a_canvas_on_which_they_are_18_px():
    choice = choose(shipped(TrainDetector, **AUTO), known(*[(16, 45)] * 20), NO_FOLDER)
    assert choice.settings.architecture == "grid"
    assert choice.settings.input_size_wh == (320, 240)
    assert choice.settings.features.strides == (8,)
    assert choice.settings.features.neck == "concat"
    assert choice.facts["by"] == {
        "num_pictures": 20, "num_objects": 20, "small_px": 17.9, "large_px": 30.0,
    }  # fmt: skip
    assert len(choice.lines) == 3


def test_very_small_people_get_their_pictures_size():
    choice = choose(shipped(TrainDetector, **AUTO), known(*[(8, 20)] * 20), NO_FOLDER)
    assert choice.settings.input_size_wh == (480, 360)


def test_a_few_large_objects_need_no_map_of_their_own():
    """Fewer than a tenth."""
    for num_large, num_maps in ((1, 1), (4, 3)):
        sizes = [(16, 45)] * (20 - num_large) + [(200, 300)] * num_large
        choice = choose(shipped(TrainDetector, **AUTO), known(*sizes), NO_FOLDER)
        assert len(choice.settings.features.strides) == num_maps


@pytest.mark.parametrize(("side", "stride"), [(8, 4), (16, 8), (36, 8), (60, 16)])
def test_the_finest_map_suits_small_objects(side: float, stride: int):
    settings = shipped(TrainDetector, **AUTO | {"input_size_wh": [480, 360]})
    choice = choose(settings, known(*[(side, side)] * 5), NO_FOLDER)
    assert choice.settings.features.strides[0] == stride


def test_large_objects_get_a_small_canvas_and_coarse_maps():
    choice = choose(
        shipped(TrainDetector, **AUTO), known(*[(300, 250)] * 20, picture_wh=(800, 600)), NO_FOLDER
    )
    assert choice.settings.input_size_wh == (256, 192)
    assert choice.settings.features.strides == (16,)
    assert choice.settings.features.deepest_stride == 32


def test_objects_of_all_sizes_get_many_maps():
    sides = [(side, side) for side in np.geomspace(15, 350, 40)]
    choice = choose(shipped(TrainDetector, **AUTO), known(*sides), NO_FOLDER)
    features = choice.settings.features
    assert features.strides == (8, 16, 32)
    assert (features.neck, features.deepest_stride) == ("pafpn", 32)
    assert choice.settings.grid.assignment == "simota"


@pytest.mark.parametrize("side", [1.0, 2.5, 40.0, 300.0])
@pytest.mark.parametrize(
    "picture_wh", [(40, 30), (480, 360), (360, 480), (4000, 100), (3000, 2000)]
)
def test_whatever_the_sizes_a_network_can_be_built(side: float, picture_wh: tuple[int, int]):
    side = min(side, *(0.9 * edge for edge in picture_wh))
    choice = choose(
        shipped(TrainDetector, **AUTO), known((side, side), picture_wh=picture_wh), NO_FOLDER
    )
    width, height = choice.settings.canvas_wh
    assert min(width, height) >= 32
    assert max(width, height) <= 640
    assert choice.settings.features.strides != "auto"


def test_what_is_told_is_kept():
    told = {"architecture": "anchor", "input_size_wh": [320, 240], "features.strides": "auto"}
    told |= {"frames.num": 1, "fitting.max_epochs": 9}
    told |= {"augmentation.mosaic_probability": 0.0}
    choice = choose(shipped(TrainDetector, **told), known(*[(200, 150)] * 5), NO_FOLDER)
    assert choice.settings.architecture == "anchor"
    assert choice.settings.input_size_wh == (320, 240)
    assert choice.settings.features.strides == (16,)
    settings = shipped(TrainDetector, **GRID | {"frames.num": 1})
    assert choose(settings, known((20, 40)), NO_FOLDER).settings is settings
    assert choose(settings, known((20, 40)), NO_FOLDER).facts == {}


def test_what_is_to_be_ignored_does_not_count():
    few = known((16, 45), (400, 300))
    few.boxes.loc[1, "is_crowd"] = True
    choice = choose(shipped(TrainDetector, **AUTO), few, NO_FOLDER)
    assert choice.facts["by"]["num_objects"] == 1
    assert choice.settings.features.strides == (8,)


def test_pretrained_weights_choose_a_network_that_has_them():
    choice = choose(shipped(TrainDetector, **AUTO, weights="coco"), known((16, 45)), NO_FOLDER)
    assert choice.settings.architecture == "yolox_nano"
    assert (
        choose(
            shipped(TrainDetector, **AUTO, weights="imagenet"), known((16, 45)), NO_FOLDER
        ).settings.architecture
        == "grid"
    )


def test_a_file_of_weights_tells_its_network(tmp_path: Path):
    trunk = tmp_path / "trunk.safetensors"
    network = torchvision.models.mobilenet_v2(weights=None)
    save_file(network.features.state_dict(prefix="features."), trunk)
    settings = shipped(TrainDetector, **AUTO, weights=str(trunk))
    choice = choose(settings, known(*[(200, 150)] * 5), NO_FOLDER)
    assert choice.settings.architecture == "grid"
    assert choice.settings.features.trunk == "mobilenet_v2"
    assert choice.settings.input_size_wh == (320, 240)
    whole = tmp_path / "whole.pth"
    torch.save(YoloxDetector("yolox_tiny", PAPER, num_classes=3).state_dict(), whole)
    settings = shipped(TrainDetector, **AUTO, weights=str(whole))
    choice = choose(settings, known(*[(200, 150)] * 5), NO_FOLDER)
    assert choice.settings.architecture == "yolox_tiny"
    assert choice.settings.input_size_wh == (416, 312)
    other = tmp_path / "other.pth"
    torch.save({"layer.weight": torch.zeros(2)}, other)
    with pytest.raises(
        FieldError, match=r"^architecture: expected the name of the network whose w"
    ):
        choose(shipped(TrainDetector, **AUTO, weights=str(other)), known((16, 45)), NO_FOLDER)


def test_masks_choose_a_network_that_finds_them(tmp_path: Path):
    masks = {**AUTO, "masks": True}
    choice = choose(shipped(TrainDetector, **masks), known((20, 90), (60, 160)), NO_FOLDER)
    assert choice.settings.architecture == "maskrcnn"
    assert choice.settings.features.strides[0] == 4  # 14 cells across a small object, or the finest
    assert choice.settings.anchor.assignment == "fixed"
    large = choose(shipped(TrainDetector, **masks), known((400, 300)), NO_FOLDER)
    assert large.settings.features.strides[0] == 8
    published = choose(shipped(TrainDetector, **masks, weights="coco"), known((9, 9)), NO_FOLDER)
    assert published.settings.architecture == "maskrcnn_resnet50_fpn_v2"
    trunk = tmp_path / "trunk.safetensors"
    network = torchvision.models.mobilenet_v2(weights=None)
    save_file(network.features.state_dict(prefix="features."), trunk)
    from_trunk = choose(
        shipped(TrainDetector, **masks, weights=str(trunk)), known((200, 150)), NO_FOLDER
    )
    assert from_trunk.settings.architecture == "maskrcnn"
    assert from_trunk.settings.features.trunk == "mobilenet_v2"


def test_a_choice_that_does_not_fit_is_told_in_one_line():
    settings = shipped(TrainDetector, **AUTO, weights="coco", num_frozen_blocks=1)
    expected = r"^architecture: auto chose yolox_nano, but: expected num_frozen_blocks to be 0"
    with pytest.raises(FieldError, match=expected):
        choose(settings, known((16, 45)), NO_FOLDER)


def test_a_network_of_the_same_names_and_other_shapes_is_another(tmp_path: Path):
    """ResNet-50 and Wide ResNet-50 have weights of the same names."""
    file = tmp_path / "wide.safetensors"
    save_file(torchvision.models.wide_resnet50_2(weights=None).state_dict(), file)
    assert recognise(file, "resnet50").trunk == "wide_resnet50_2"


def epochs(train: AnnotatedPictures, **changes: object) -> int | str:
    settings = shipped(TrainDetector, **AUTO | {"fitting.max_epochs": "auto"} | changes)
    choice = choose(settings, train, NO_FOLDER)
    assert choice.facts["max_epochs"] == choice.settings.fitting.chosen.max_epochs
    return choice.settings.fitting.max_epochs


def test_epochs_follow_the_number_of_pictures_and_their_size():
    few, many = known(*[(16, 45)] * 200), known(*[(16, 45)] * 600)
    assert epochs(few) == pytest.approx(3 * epochs(many), rel=0.05)
    assert epochs(few, input_size_wh=[640, 240]) == pytest.approx(epochs(few) / 2, rel=0.05)
    assert epochs(few) > epochs(few, weights="imagenet")
    assert epochs(known((16, 45))) == MOST_EPOCHS
    assert epochs(few, input_size_wh=[8000, 8000]) == LEAST_EPOCHS


def test_mosaics_are_for_photographs_and_random_weights():
    wanted = AUTO | {"augmentation.mosaic_probability": "auto"}
    train = known(*[(200, 150)] * 5)
    for weights, expected in (("none", 0.5), ("imagenet", 0.0)):
        choice = choose(shipped(TrainDetector, **wanted, weights=weights), train, NO_FOLDER)
        assert choice.settings.augmentation.mosaics == expected
    wanted |= {"frames.num": 7}
    choice = choose(shipped(TrainDetector, **wanted), train, NO_FOLDER)
    assert choice.settings.augmentation.mosaics == 0


@pytest.mark.parametrize("picture_wh", [(300, 60), (480, 360), (20, 20)])
def test_a_transformer_gets_as_many_cells_as_it_needs(picture_wh: tuple[int, int]):
    settings = shipped(TrainDetector, **AUTO | {"architecture": "rfdetr_nano"})
    choice = choose(settings, known((10, 10), picture_wh=picture_wh), NO_FOLDER)
    assert num_query_cells(choice.settings.canvas_wh) >= NUM_QUERIES


def test_a_plan_says_what_was_chosen_and_never_looks_at_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene = write_scene(tmp_path)
    names = list(scene.images.index)
    train, val = scene.select(names[:4]), scene.select(names[4:])
    plan = plan_training(Sides(tmp_path, train, val), shipped(TrainDetector, **AUTO))
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].strip() for line in out] == [
        "architecture",
        "input_size_wh",
        "strides",
    ]
    other = scene.select(names[4:])
    other.boxes.loc[:, ["x1", "y1", "x2", "y2"]] = [0.0, 0.0, 2.0, 2.0]
    again = plan_training(Sides(tmp_path, train, other), shipped(TrainDetector, **AUTO))
    assert again.chosen == plan.chosen
    assert again.start == plan.start


def chosen_from(weights: Path, **changes: object) -> Choice:
    settings = shipped(TrainDetector, **AUTO | {"weights": str(weights)} | changes)
    return choose(settings, known(*[(200, 150)] * 5), NO_FOLDER)


def test_a_detector_of_vigil_is_recognised_and_built_as_it_was(tmp_path: Path):
    config = config_of("anchor", trunk="mobilenet_v2", neck="fpn", strides=[8, 16])
    frames = {"num": 3, "step_s": 0.5, "fusion": "stack", "control": False}
    model = build_detector("anchor", config | {"frames": frames})
    weights = tmp_path / "w.safetensors"
    card = {"architecture": "anchor", "config": config | {"frames": frames}, "classes": ["0", "1"]}
    save_model(model.state_dict(), card, weights, tmp_path / "w.json")
    choice = chosen_from(weights, **{"frames.num": "auto"})
    settings = choice.settings
    assert settings.architecture == "anchor"
    assert settings.features.model_dump() == {**config["features"], "strides": (8, 16)}
    assert settings.anchor.sizes_px == tuple(config["sizes_px"])
    assert settings.frames.model_dump() == frames
    assert f"frames.num: 3, as {weights} has it" in choice.lines
    named = chosen_from(weights, **{"architecture": "anchor", "frames.num": "auto"})
    assert named.settings.frames.model_dump() == frames
    assert named.facts["frames"] == {"num": 3}
    (line,) = (one for one in choice.lines if one.startswith("architecture"))
    assert (
        line
        == f"architecture: anchor, since {weights} holds the weights of anchor that vigil trained"
    )
    scene = write_scene(tmp_path)
    own = PictureDataset(tmp_path, scene, input_size_wh=SIZE_WH)
    started = build_start(config | {"frames": frames}, settings, own)
    key = "heads.1.classes.3.weight"
    assert torch.equal(started.state_dict()[key], model.state_dict()[key])
    with pytest.raises(
        FieldError, match=r"^frames: expected \{'control': False, .*'num': 3.* as .*w"
    ):
        build_start(config, settings, own)


def test_photographs_for_weights_of_sequences_are_counted_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Training on each of them as a video of one frame is told, in training as in validation."""
    frames = {"num": 3, "step_s": 0.5, "fusion": "stack", "control": False}
    config = config_of("grid") | {"frames": frames}
    card = {"architecture": "grid", "config": config, "classes": ["0", "1"]}
    state = build_detector("grid", config).state_dict()
    save_model(state, card, tmp_path / "w.safetensors", tmp_path / "w.json")
    scene = write_scene(tmp_path)
    names = list(scene.images.index)
    changes = {"weights": str(tmp_path / "w.safetensors"), "frames.num": "auto"}
    settings = shipped(TrainDetector, **AUTO | changes)
    plan_training(Sides(tmp_path, scene.select(names[:4]), scene.select(names[4:])), settings)
    told = capsys.readouterr().out
    for side, num in (("training", 4), ("validation", 2)):
        assert f"{num} of {num} {side} pictures are not frames of a video; each is" in told


@pytest.mark.parametrize("name", ["dfine_n", "dfine_s", "rfdetr_small"])
def test_transformers_are_recognised_by_the_names_of_their_weights(name: str, tmp_path: Path):
    model = build_detector(name, {"num_classes": 5})
    state = {key.removeprefix("network."): part for key, part in model.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    assert recognise(tmp_path / "w.pth", "resnet18").architecture == name


def test_an_onnx_file_is_recognised_whatever_the_case_of_its_ending(tmp_path: Path):
    path = write_onnx(lively("yolox_tiny", 2), tmp_path / "w.onnx").rename(tmp_path / "W.ONNX")
    assert recognise(path, "resnet18").architecture == "yolox_tiny"
    grid = shipped(TrainDetector, **GRID | {"weights": str(path)})
    scene = PictureDataset(tmp_path, write_scene(tmp_path), input_size_wh=SIZE_WH)
    expected = (
        r"^weights: expected safetensors or a state dict for grid, got .*W.ONNX, an ONNX file"
    )
    with pytest.raises(FieldError, match=expected):
        build_start(config_of("grid"), grid, scene)


def one_convolution(path: Path) -> Path:
    weight = numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "w")
    ends = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    onnx.save(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight])), path)
    return path


def saved(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    state = dict(YoloxDetector("yolox_nano", PAPER, num_classes=80).state_dict())
    torch.save(change(state) or state, path)
    return path


UNKNOWN = {
    "another network": (
        lambda folder: one_convolution(folder / "w.onnx"),
        r"^architecture: expected the name .* got auto \(yolox_nano: expected the 113 .*, got 1;",
    ),
    "an empty file": (
        lambda folder: saved_nothing(folder / "w.onnx"),
        r"w.onnx: expected an ONNX file with a network, got none in it$",
    ),
    "half a head": (
        lambda folder: saved(
            folder / "w.pth",
            lambda s: s.update({"head.cls_preds.0.weight": s["head.cls_preds.0.weight"][:5]}),
        ),
        r"got auto \(yolox_nano: head.cls_preds.0.weight: expected the shape \(80, .*\(5, [^;]*$",
    ),
    "wrapped": (
        lambda folder: saved(folder / "w.pth", lambda s: {f"module.{k}": v for k, v in s.items()}),
        r"got auto \(its names start with module., as those of a network that was wrapped",
    ),
}


def saved_nothing(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_file_that_is_not_recognised_is_told_with_the_reason(kind: str, tmp_path: Path):
    make, expected = UNKNOWN[kind]
    with pytest.raises(InputError, match=expected) as error:
        recognise(make(tmp_path), "resnet18")
    assert "\n" not in str(error.value)


def test_objects_of_a_few_pixels_are_warned_of():
    def warnings(side: float, **picture: tuple[int, int]) -> list[str]:
        choice = choose(
            shipped(TrainDetector, **AUTO), known(*[(side, side)] * 5, **picture), NO_FOLDER
        )
        return [line for line in choice.lines if line.startswith("warning")]

    (line,) = warnings(8, picture_wh=(4000, 3000))
    assert line.startswith(
        "warning: small objects (percentile 10) are only 1.3 px on this canvas, the"
    )
    assert "set a larger input_size_wh, or cut the pictures into tiles" in line
    (line,) = warnings(5)
    assert "as large as the pictures; to find them, take larger pictures" in line
    assert not warnings(9)


def test_all_that_strides_choose_is_printed():
    told = {"features.neck": "fpn", "features.neck_width": 0, "grid.assignment": "simota"}
    settings = shipped(TrainDetector, **AUTO | told | {"input_size_wh": [480, 360]})
    choice = choose(settings, known(*[(30, 30)] * 5), NO_FOLDER)
    (line,) = (one for one in choice.lines if one.startswith("strides"))
    assert line.startswith(
        "strides: [8], with deepest_stride 16, neck concat, neck_width 96, assignment simota, since"
    )
