"""Detectors with masks: data, augmentation, suppression, pixels of the picture, and learning."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detectors import NO_CHANGE, SIZE_WH
from tiny_masks import box_of_pixels, draw_ellipses, known_of, objects_of, write_ellipses
from tiny_settings import shipped
from torchvision.models.detection.roi_heads import paste_masks_in_image

from vigil.domain.detections import as_table
from vigil.domain.measures.detector import measure_masks
from vigil.domain.pictures.annotated import COUNTS
from vigil.domain.pictures.run_lengths import masks_of
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.detecting import detect, place
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.pasting import paste, stretch
from vigil.learn.detector.network.registry import build_detector, load_detector
from vigil.learn.detector.network.suppression import suppress
from vigil.learn.detector.network.tensors import Candidates, Masks, Objects, pad_objects
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.detector.training.augmentation import BoxAugmentation, mix, mosaic
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
from vigil.settings.suppression import DEFAULT
from vigil.settings.train_detector import TrainDetector

pytestmark = pytest.mark.filterwarnings("ignore")
LIGHT = {
    "input_size_wh": list(SIZE_WH),
    "strides": [4, 8],
    "features": {"trunk": "resnet18", "deepest_stride": 16, "neck": "pafpn", "neck_width": 32},
    "sizes_px": [16.0, 22.0, 28.0, 36.0],
    "ratios": [1.0, 2.0],
    "head_width": 32,
    "positive_iou": 0.5,
    "negative_iou": 0.4,
}
RF_DETR = {
    "masks": True,
    "changes": {
        **{"num_queries": 20, "decoder_layers": 2, "group_detr": 2, "image_px": 96},
        "backbone_config": {
            **{"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 4},
            **{"out_indices": [2, 4], "num_windows": 1},
        },
    },
}
CONFIGS: dict[str, dict[str, Any]] = {
    "maskrcnn": LIGHT,
    "maskrcnn_resnet50_fpn_v2": {"input_size_wh": list(SIZE_WH)},
    "rfdetr_nano": RF_DETR,
}
every_network = pytest.mark.parametrize("name", CONFIGS)


def build(name: str, **changes: Any) -> Detector:
    torch.manual_seed(0)
    return with_few_regions(build_detector(name, {"num_classes": 2, **CONFIGS[name], **changes}))


def with_few_regions(model: Detector) -> Detector:
    """Of the first stage, since the wide second one takes half a minute for all of them."""
    network: Any = model.network
    if hasattr(network, "roi_heads"):
        network.roi_heads.fg_bg_sampler.batch_size_per_image = 64
        for counts in (network.rpn._pre_nms_top_n, network.rpn._post_nms_top_n):
            counts.update(dict.fromkeys(counts, 64))
    return model


@pytest.fixture(autouse=True)
def _on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


def found_by(model: Detector, pictures: torch.Tensor) -> list[Candidates]:
    with torch.inference_mode():
        return detect(model, pictures, DEFAULT, "32-true")


def augmentation(**changes: Any) -> BoxAugmentation:
    return BoxAugmentation(
        shipped(
            TrainDetector, augmentation=NO_CHANGE | {"min_visible": 0.0} | changes
        ).augmentation,
        9,
    )


def boxes_of(objects: Objects) -> list[list[int]]:
    """The box of each mask."""
    assert objects.masks is not None
    return [box_of_pixels(mask) for mask in objects.masks.numpy()]


def test_masks_come_with_their_pictures_on_the_canvas(tmp_path: Path):
    known = write_ellipses(tmp_path, 3, (192, 128))
    dataset = PictureDataset(tmp_path, known, input_size_wh=(96, 96), with_masks=True)
    for position, objects in enumerate(draw_ellipses(3, size_wh=(192, 128))[1]):
        _, own = dataset[0, position]
        assert own.masks is not None
        assert own.masks.dtype == torch.bool
        assert own.masks.shape == (len(objects.boxes), 96, 96)
        assert not own.masks[:, 64:].any()  # the padding below the picture
        for mask, box in zip(own.masks.numpy(), own.boxes, strict=True):
            assert box_of_pixels(mask) == pytest.approx(box.tolist(), abs=1.01)
        halves = objects.masks.reshape(-1, 64, 2, 96, 2).float().mean((2, 4)) > 0.5
        assert (halves != own.masks[:, :64]).float().mean() < 0.01
    without = PictureDataset(tmp_path, known, input_size_wh=(96, 96))
    assert without[0, 0][1].masks is None


def test_a_batch_keeps_the_masks_of_each_picture(tmp_path: Path):
    known = write_ellipses(tmp_path, 4)
    known.boxes.loc[0, "is_difficult"] = True
    dataset = PictureDataset(tmp_path, known, input_size_wh=SIZE_WH, with_masks=True)
    (batch,) = batches(dataset, 4, shuffle_seed=None)
    truth = batch[1]
    counts = [len(dataset[0, position][1].boxes) for position in range(4)]
    assert [len(masks) for masks in truth.masks] == counts
    own = truth.masks_of_objects()
    assert [len(masks) for masks in own] == [counts[0] - 1, *counts[1:]]
    assert torch.equal(own[1], truth.masks[1])
    assert torch.equal(truth.to(torch.device("cpu")).masks[3], truth.masks[3])
    boxes_alone = pad_objects([objects._replace(masks=None) for objects in draw_ellipses(2)[1]])
    with pytest.raises(ValueError, match="objects with masks"):
        boxes_alone.masks_of_objects()


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_masks_follow_the_picture_through_any_change(seed: int):
    """The ellipses are the only bright pixels, so the picture itself tells where they are."""
    (picture, *_), (objects, *_) = draw_ellipses(1, seed)
    torch.manual_seed(seed)
    change = augmentation(
        **{"flip_probability": 0.5, "max_scale": 1.4, "max_shift": 0.2, "max_rotation_deg": 30.0},
        **{"mosaic_probability": 0.5, "mosaic_min_scale": 0.6},
    )
    changed, moved = change(lambda _: (picture, objects), 0, 4, 0)
    assert moved.masks is not None
    assert len(moved.masks) == len(moved.boxes) == len(moved.labels) == len(moved.is_ignored)
    assert moved.boxes.tolist() == boxes_of(moved)
    is_bright = changed.amax(0) > 175
    # Edges are mixed with the background, by interpolation.
    assert (moved.masks.any(0) != is_bright).float().mean() < 0.03


def test_flipping_twice_gives_the_masks_again():
    (picture, *_), (objects, *_) = draw_ellipses(1)
    change = augmentation(flip_probability=1.0)
    once = change(lambda _: (picture, objects), 0, 1, 0)
    assert torch.equal(once[1].masks, objects.masks.flip(-1))
    twice = change(lambda _: once, 0, 1, 0)
    assert torch.equal(twice[1].masks, objects.masks)
    assert torch.equal(twice[1].boxes, objects.boxes)


def test_an_object_whose_mask_leaves_the_picture_is_left_out():
    """Though its box still reaches in."""
    nothing = torch.zeros(1, 64, 96, dtype=torch.bool)
    objects = draw_ellipses(1)[1][0].select(torch.tensor([0]))._replace(masks=nothing)
    picture = torch.zeros(3, 64, 96, dtype=torch.uint8)
    _, moved = augmentation()(lambda _: (picture, objects), 0, 1, 0)
    assert len(moved.boxes) == len(moved.masks) == 0


def test_a_mosaic_and_a_mixture_have_the_masks_of_all():
    pictures, objects = draw_ellipses(4)
    examples = list(zip(pictures, objects, strict=True))
    _, joined = mosaic(examples)
    assert joined.boxes.tolist() == boxes_of(joined)
    assert len(joined.masks) == sum(len(one.boxes) for one in objects)
    first = objects[0].masks.reshape(-1, 32, 2, 48, 2).float().mean((2, 4))
    assert (joined.masks[: len(first), :32, :48] != (first > 0.5)).float().mean() < 0.01
    nothing = objects_of(np.zeros((0, 64, 96), bool), [])
    _, with_empty = mosaic([(pictures[0], nothing), *examples[1:]])
    assert len(with_empty.masks) == len(with_empty.boxes)
    _, both = mix(examples[0], examples[1])
    assert torch.equal(both.masks, torch.cat([objects[0].masks, objects[1].masks]))


@pytest.mark.parametrize("method", ["hard", "soft"])
def test_suppression_keeps_masks_with_their_boxes(method: str):
    """Each grid holds the number of its box."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(40, 2, generator=generator) * 40
    boxes = torch.cat([corners, corners + 30], dim=1)
    scores = torch.rand(40, generator=generator).sort(descending=True).values
    numbers = torch.arange(40, dtype=torch.float32)
    # Grids in another order than boxes.
    masks = Masks(numbers.flip(0)[:, None, None].expand(40, 2, 2), boxes, torch.arange(40).flip(0))
    candidates = Candidates(boxes, scores, torch.zeros(40, dtype=torch.int64), masks)
    kept = suppress(candidates, DEFAULT.model_copy(update={"method": method, "min_score": 0.2}))
    assert kept.masks is not None
    assert 0 < len(kept.boxes) < 40
    own = kept.masks.cpu()
    for box, frame, grid in zip(kept.boxes, own.frames, own.grids, strict=True):
        assert torch.equal(frame, box)
        assert torch.equal(boxes[int(grid[0, 0])], box)


GRIDS = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).uniform(0, 1, (5, 7)).astype(np.float32)
)


@given(GRIDS, st.tuples(st.floats(-20, 50), st.floats(-20, 30), st.floats(1, 60), st.floats(1, 40)))
@settings(deadline=None)
def test_a_grid_is_stretched_over_its_frame(grid: np.ndarray, box: tuple):
    """Against linear interpolation at each pixel of the whole picture."""
    x, y, width, height = box
    frame = np.array([x, y, x + width, y + height])
    part, (left, top) = stretch(grid, frame, (60, 40))
    whole = np.zeros((40, 60), bool)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    ys, xs = np.arange(40) + 0.5, np.arange(60) + 0.5
    rows = np.clip((ys - y) / height * 5 - 0.5, 0, 4)
    columns = np.clip((xs - x) / width * 7 - 0.5, 0, 6)
    by_row = np.array([np.interp(rows, range(5), grid[:, column]) for column in range(7)])
    values = np.array([np.interp(columns, range(7), by_row[:, row]) for row in range(40)])
    inside = ((ys >= y) & (ys < y + height))[:, None] & ((xs >= x) & (xs < x + width))
    is_clear = (np.abs(values - 0.5) > 1e-4) & ~_at_edge(xs, x, width) & ~_at_edge(ys, y, height).T
    assert (whole == (inside & (values > 0.5)))[is_clear].all()


def _at_edge(centres: np.ndarray, low: float, size: float) -> np.ndarray:
    """(1, N): whether a pixel's centre lies on the frame, where rounding decides."""
    edges = np.array([low, low + size])
    return (np.abs(centres[:, None] - edges) < 1e-6).any(axis=1)[None]


def test_masks_are_about_where_torchvision_puts_them():
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(12, 1, 4, 4, generator=generator)
    grids = torch.nn.functional.interpolate(coarse, (28, 28), mode="bicubic").clamp(0, 1)
    corners = torch.rand(12, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + 40 + 20 * torch.rand(12, 2, generator=generator)], dim=1)
    theirs = paste_masks_in_image(grids, boxes, (128, 128))[:, 0].numpy() > 0.5
    texts = paste(Masks(grids[:, 0], boxes, torch.arange(12)), 1.0, (128, 128))
    ours = masks_of(list(texts), (128, 128))
    for one, other in zip(ours, theirs, strict=True):
        assert (one & other).sum() / (one | other).sum() > 0.9
    # On a canvas of half the size, the same masks have the size of the picture.
    halved = Masks(grids[:, 0], boxes / 2, torch.arange(12))
    assert list(paste(halved, 0.5, (128, 128))) == list(texts)


@every_network
def test_a_batch_equals_its_pictures_and_a_file_gives_it_again(name: str, tmp_path: Path):
    pictures, _ = draw_ellipses(2)
    model = build(name)
    card = {"architecture": name, "config": {"num_classes": 2, **CONFIGS[name]}}
    files = tmp_path / "w.safetensors", tmp_path / "c.json"
    save_model(model.state_dict(), card, *files)
    assert model.has_masks
    loaded = with_few_regions(load_detector(*files))
    together, again = found_by(model, pictures), found_by(loaded, pictures)
    for number, one in enumerate(together):
        (alone,) = found_by(model, pictures[number : number + 1])
        assert len(one.boxes) == len(one.masks.grids) == len(one.masks.frames) > 0
        assert torch.equal(one.masks.grids, again[number].masks.grids)
        assert torch.allclose(one.scores, alone.scores, atol=1e-4)
        # Boxes of about equal scores may change places.
        best = slice(min(len(one.scores), len(alone.scores)) // 2)
        differences = (one.masks.grids[best, None] - alone.masks.grids[None]).abs()
        assert (differences.amax((2, 3)).amin(1) < 1e-2).all()
        assert ((one.masks.grids >= 0) & (one.masks.grids <= 1)).all()


@every_network
def test_pictures_without_objects_train(name: str):
    pictures, objects = draw_ellipses(2)
    nothing = objects_of(np.zeros((0, SIZE_WH[1], SIZE_WH[0]), bool), [])
    model = build(name).train()
    for truth in (pad_objects([nothing, objects[1]]), pad_objects([nothing, nothing])):
        losses = model.losses(pictures, truth)
        assert all(loss.numel() == 1 and torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@every_network
def test_nothing_is_learnt_from_boxes_alone(name: str):
    pictures, objects = draw_ellipses(2)
    truth = pad_objects([one._replace(masks=None) for one in objects])
    with pytest.raises(ValueError, match="expected objects with masks"):
        build(name).train().losses(pictures, truth)


def test_a_trained_detector_gives_masks_of_the_pictures_size():
    model = build("maskrcnn")
    detector = TrainedDetector(model.eval(), ("0", "1"), SIZE_WH, "32-true")
    pictures, _ = draw_ellipses(1, size_wh=(150, 130))
    found = detector(np.ascontiguousarray(pictures[0].numpy().transpose(1, 2, 0)))
    assert len(found) > 1
    assert masks_of(list(found.masks), (130, 150)).shape == (len(found), 130, 150)
    chosen = found.select(np.array([1, 0]))
    assert list(chosen.masks) == [found.masks[1], found.masks[0]]
    assert as_table(["a"], [found])[COUNTS].tolist() == list(found.masks)


def test_sizes_of_anchors_are_divided_among_the_maps():
    with pytest.raises(ValueError, match="multiple of the 2 maps, but got 3"):
        build("maskrcnn", sizes_px=[8.0, 16.0, 32.0])
    with pytest.raises(ValueError, match="dfine_n finds no masks"):
        build_detector("dfine_n", {"num_classes": 2, "masks": True})


LEARNING: dict[str, tuple[float, int, tuple[int, int]]] = {
    "maskrcnn": (1e-3, 240, (128, 96)),
    "maskrcnn_resnet50_fpn_v2": (3e-4, 240, (128, 96)),
    "rfdetr_nano": (1e-3, 320, (240, 192)),
}
"""The learning rate, the most steps, and the size: RF-DETR's grids have cells of 4 px."""


@pytest.mark.slow
@every_network
def test_four_pictures_are_learnt_by_heart(name: str):
    """An mAP of 1: the IoU of each mask is at least 0.95, and no wrong one has a higher score."""
    rate, num_steps, size_wh = LEARNING[name]
    pictures, objects = draw_ellipses(4, size_wh=size_wh)
    model = build(name, **({} if name == "rfdetr_nano" else {"input_size_wh": list(size_wh)}))
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    fall = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=num_steps)
    names = [f"{number}.png" for number in range(4)]
    known = known_of(names, objects, size_wh)
    reached: float | None = 0.0
    for step in range(1, num_steps + 1):
        losses = model.train().losses(pictures, pad_objects(objects))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        fall.step()
        if step % 40 == 0:
            found = found_by(model, pictures)
            table = as_table(names, [place(one, 1.0, size_wh, ("0", "1")) for one in found])
            reached = measure_masks(known, table)["segm_map"]
            if reached == 1.0:
                break
    assert reached == 1.0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"architecture": "grid", "masks": True},
            r"expected masks to be false for grid, which finds boxes alone \(mask.*\), got true",
        ),
        ({"architecture": "dfine_n", "masks": True}, r"expected masks to be false for dfine_n"),
        (
            {"architecture": "fasterrcnn_resnet50_fpn_v2", "masks": True},
            r"expected masks to be false for fasterrcnn_resnet50_fpn_v2",
        ),
        ({"architecture": "maskrcnn"}, r"expected masks to be true for maskrcnn, .* got false"),
        (
            {"architecture": "maskrcnn_resnet50_fpn_v2"},
            r"expected masks to be true for maskrcnn_resnet50_fpn_v2",
        ),
        ({"monitor": "val_segm_map"}, r"detector without masks, got val_segm_map"),
        (
            {"architecture": "maskrcnn", "masks": True, "weights": "coco"},
            r"expected weights to be none, imagenet or a file for maskrcnn, got coco",
        ),
        (
            {"architecture": "maskrcnn", "masks": True, "anchor": {"assignment": "simota"}},
            r"expected anchor.assignment to be fixed for maskrcnn, got simota",
        ),
        (
            {"architecture": "maskrcnn", "masks": True, "monitor": "val_loss"},
            r"expected monitor to be val_map for maskrcnn, which has no validation loss",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict, expected: str):
    with pytest.raises(InputError, match=expected):
        shipped(TrainDetector, **changes)


def test_parameters_without_masks_are_those_of_before():
    """The card of a detector without masks, and what its training depends on, have no new entry."""
    assert "masks" not in shipped(TrainDetector, architecture="grid").used()
    used = shipped(TrainDetector, architecture="maskrcnn", masks=True).used()
    assert {"masks", "features", "anchor"} <= used.keys()
    assert not {"loss", "grid"} & used.keys()
