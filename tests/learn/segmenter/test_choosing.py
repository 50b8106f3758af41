"""What `auto` chooses, the weights of classes, and the weights that a training starts from."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from tiny_settings import shipped

from vigil.domain.masks.class_map import compressed
from vigil.domain.masks.masked import MaskedPictures
from vigil.learn.segmenter.network.data import MaskDataset
from vigil.learn.segmenter.network.registry import build_segmenter
from vigil.learn.segmenter.training.assembly import weigh_classes
from vigil.learn.segmenter.training.choosing import LEAST_EPOCHS, MOST_EPOCHS, choose
from vigil.learn.segmenter.training.start import build_start
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.train_segmenter import TrainSegmenter


def settings(**values: object) -> TrainSegmenter:
    content = {**shipped(TrainSegmenter).model_dump(), **values}
    return TrainSegmenter.model_validate(content)


def pictures(size_wh: tuple[int, int], side: int, num: int = 4, video: str = "") -> MaskedPictures:
    """Pictures with a square each."""
    mask = np.zeros(size_wh[::-1], bool)
    mask[:side, :side] = True
    names = [f"{number:04}.png" for number in range(num)]
    images = pd.DataFrame(
        {
            "file_name": names, "width": size_wh[0], "height": size_wh[1], "video": video,
            "frame_index": 0 if video else -1, "sha256": names,
        }
    )  # fmt: skip
    objects = pd.DataFrame(
        {
            "image": names, "label": "object", "counts": compressed(mask), "is_crowd": False,
            "is_difficult": False,
        }
    )  # fmt: skip
    return MaskedPictures.of(images, objects, ["object"], "background")


@pytest.mark.parametrize(
    ("size_wh", "side", "canvas"),
    [
        ((480, 360), 200, (320, 240)),  # large objects need no more
        ((480, 360), 10, (480, 360)),  # small ones need all there is
        ((1920, 1080), 20, (640, 360)),  # and no more than the time allows
        ((100, 60), 5, (96, 64)),  # a picture is not enlarged, but for a multiple of 8
    ],
)
def test_the_canvas_is_as_large_as_small_masks_need(size_wh, side, canvas, monkeypatch):
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    choice = choose(settings(), pictures(size_wh, side))
    assert choice.settings.size_wh == canvas
    assert choice.facts["canvas_wh"] == canvas
    assert choice.facts["part"] == 1.0
    assert len(choice.lines) == 4


def test_epochs_fall_with_the_number_of_pictures_and_frames_get_fewer(monkeypatch):
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")

    def epochs(known: MaskedPictures) -> int:
        return choose(settings(), known).settings.fitting.chosen.max_epochs

    few, many = pictures((320, 240), 200), pictures((320, 240), 200, num=400)
    assert epochs(few) == MOST_EPOCHS
    assert LEAST_EPOCHS < epochs(many) < MOST_EPOCHS
    frames = pictures((320, 240), 200, num=400, video="a.mp4")
    assert LEAST_EPOCHS < epochs(frames) < epochs(many)
    assert choose(settings(), frames).settings.part_wh == (160, 120)
    pretrained = choose(settings(weights="imagenet"), many).settings
    assert pretrained.fitting.chosen.max_epochs < epochs(many)


def test_what_is_given_is_not_chosen():
    fitting = {**shipped(TrainSegmenter).fitting.model_dump(), "max_epochs": 3}
    given = settings(canvas_wh=(64, 48), part=1.0, fitting=fitting, class_weights="none")
    assert choose(given, pictures((320, 240), 9)).facts == {}


@pytest.mark.parametrize(
    ("classes", "chosen"),
    [(("background", "object"), "none"), (("background", "car", "object"), "balanced")],
)
def test_rare_classes_have_weights_if_there_are_several(classes: tuple[str, ...], chosen: str):
    known = replace(pictures((320, 240), 9), classes=classes)
    choice = choose(settings(), known)
    assert choice.settings.class_weights == choice.facts["class_weights"] == chosen
    assert any(line.startswith(f"class_weights: {chosen}") for line in choice.lines)
    given = settings(class_weights={"object": 2.0})
    assert choose(given, known).settings.class_weights == {"object": 2.0}


def test_balanced_weights_are_one_by_the_root_of_the_share_with_a_mean_of_one(tmp_path: Path):
    for number in range(4):
        picture = np.zeros((40, 50, 3), np.uint8)
        (tmp_path / f"{number:04}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    known = pictures((50, 40), 20)  # 400 of 2000 px
    dataset = MaskDataset(tmp_path, known, canvas_wh=(50, 40), view="resized")
    weights = weigh_classes(settings(class_weights="balanced"), dataset)
    assert weights["object"] / weights["background"] == pytest.approx(2.0, rel=1e-4)
    assert 0.2 * weights["object"] + 0.8 * weights["background"] == pytest.approx(1, rel=1e-4)
    assert weigh_classes(settings(class_weights="none"), dataset) == {}
    given = weigh_classes(settings(class_weights={"object": 3.0}), dataset)
    assert given == {"background": 1.0, "object": 3.0}
    with pytest.raises(FieldError, match=r"class_weights: expected some of .*, got person"):
        weigh_classes(settings(class_weights={"person": 3.0}), dataset)


@pytest.mark.parametrize("loss", ["ce", "bce+dice"])
def test_a_class_without_pixels_weighs_one_and_leaves_the_other_weights_as_they_are(
    tmp_path: Path, loss: str
):
    """In bce, the weight of a class counts in all pixels, whether the class occurs or not."""
    for number in range(4):
        picture = np.zeros((40, 50, 3), np.uint8)
        (tmp_path / f"{number:04}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    known = pictures((50, 40), 20)
    given = settings(class_weights="balanced", loss=loss)

    def weigh(known: MaskedPictures) -> dict[str, float]:
        return weigh_classes(
            given, MaskDataset(tmp_path, known, canvas_wh=(50, 40), view="resized")
        )

    weights = weigh(known)
    assert weigh(replace(known, classes=(*known.classes, "train"))) == {**weights, "train": 1.0}
    assert weights["object"] / weights["background"] == pytest.approx(2.0, rel=1e-4)
    mean = 0.2 * weights["object"] + 0.8 * weights["background"]
    if loss != "ce":
        mean = (weights["object"] + weights["background"]) / 2
    assert mean == pytest.approx(1, rel=1e-4)


TWO, THREE = ("background", "human"), ("background", "dog", "human")
SMALL_UNET = {
    "trunk": "shufflenet_v2_x0_5", "width": 8, "upsampling": "nearest", "finest_stride": 4,
    "sees_all": False,
}  # fmt: skip


def test_a_file_of_weights_is_loaded_or_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = {"num_classes": 2, **SMALL_UNET}
    file = tmp_path / "w.safetensors"
    chosen = settings(weights=str(file), unet=SMALL_UNET)
    torch.manual_seed(5)
    network = build_segmenter("unet", config)
    save_file(network.state_dict(), file)
    again = build_start(config, chosen, TWO)
    assert "no card of these weights names their classes; they are taken as background, human" in (
        capsys.readouterr().out
    )
    assert all((again.state_dict()[k] == v).all() for k, v in network.state_dict().items())
    with pytest.raises(InputError, match=r"classify\.weight: expected the shape \(3, 8, 1, 1\)"):
        build_start({**config, "num_classes": 3}, chosen, THREE)
    wider = {**config, "width": 16}
    with pytest.raises(InputError, match="expected the shape"):
        build_start(wider, chosen, TWO)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (("background", "human"), ""),
        (("adult", "background"), "missing: human; not of the masks: adult$"),
        (
            ("background",),
            "2 classes of the masks, got one of 1; missing: human; not of .*none$",
        ),
        (("human", "background"), "order of the masks, got human in place of background$"),
    ],
)
def test_weights_of_other_classes_are_refused_by_their_card(
    classes: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Classes are sorted by name, so another name may put them in another order."""
    config = {"num_classes": 2, **SMALL_UNET}
    file = tmp_path / "w.safetensors"
    save_file(build_segmenter("unet", config).state_dict(), file)
    card = {"architecture": "unet", "config": config, "classes": list(classes)}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps(card | {"weights_sha256": digest}))
    chosen = settings(weights=str(file), unet=SMALL_UNET)
    if not told:
        build_start(config, chosen, TWO)
    else:
        with pytest.raises(InputError, match=told):
            build_start(config, chosen, TWO)
    assert capsys.readouterr().out == ""
    other = card | {"weights_sha256": "0" * 64}  # of other weights, so it says nothing
    file.with_suffix(".json").write_text(json.dumps(other))
    build_start(config, chosen, TWO)
    assert "no card of these weights names" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lraspp_mobilenet_v3_large", {}),
        ("deeplabv3_mobilenet_v3_large", {"aux_loss": True}),
        ("deeplabv3_mobilenet_v3_large", {"aux_loss": False}),
    ],
)
def test_weights_by_torchvisions_names_are_taken_but_for_the_last_layers(
    name: str, options: dict[str, bool], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    torch.manual_seed(6)
    published = torchvision.models.get_model(
        name, weights=None, weights_backbone=None, num_classes=21, **options
    ).state_dict()
    counters = [key for key in published if key.endswith("num_batches_tracked")]
    file = tmp_path / "theirs.pth"
    # Older files of torchvision have no such counters.
    torch.save({key: one for key, one in published.items() if key not in counters}, file)
    torch.manual_seed(7)
    untrained = build_segmenter(name, {"num_classes": 3}).state_dict()
    torch.manual_seed(7)
    chosen = settings(architecture=name, weights=str(file))
    state = build_start({"num_classes": 3}, chosen, THREE).state_dict()
    assert "but for the last layers" in capsys.readouterr().out
    is_last = re.compile(r"\.(4|low_classifier|high_classifier)\.(weight|bias)$")
    for key, tensor in state.items():
        theirs = key.removeprefix("network.")
        is_own = is_last.search(key) and "backbone" not in key
        source = untrained[key] if is_own or theirs not in published else published[theirs]
        assert torch.equal(tensor, source), key
    assert any(is_last.search(key) for key in state)

    torch.save({key: one.flatten()[:1] for key, one in published.items()}, file)
    with pytest.raises(InputError, match=r"theirs\.pth: .*: expected the shape"):
        build_start({"num_classes": 3}, chosen, THREE)
    torch.save({"classifier.0.0.weight": torch.zeros(2)}, file)
    with pytest.raises(InputError, match=r"theirs\.pth: expected weights for .* missing"):
        build_start({"num_classes": 3}, chosen, THREE)
