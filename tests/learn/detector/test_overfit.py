"""Every detector learns eight pictures by heart: losses, targets and boxes fit each other.

Torchvision's own need pictures of some size, and minutes: they run with `-m slow` alone.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_detectors import ARCHITECTURES, SIZE_WH, build, draw
from torch import Tensor

from vigil.domain.detections import DETECTION_COLUMNS
from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import CORNERS, AnnotatedPictures
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.registry import OWN
from vigil.learn.detector.network.suppression import suppress
from vigil.learn.detector.network.tensors import Objects, pad_objects
from vigil.settings.suppression import DEFAULT

ENLARGED = 2
RATES_AND_BATCH_SIZES = {
    "fasterrcnn_resnet50_fpn_v2": (3e-4, 4),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (1e-3, 8),
    "retinanet_resnet50_fpn_v2": (3e-4, 4),
    "fcos_resnet50_fpn": (3e-4, 4),
    "ssd300_vgg16": (1e-4, 4),
    "ssdlite320_mobilenet_v3_large": (1e-3, 8),
}
NUM_ROIS = 64  # of a picture, for the two-stage ones: these are small


MANY_MAPS = {"strides": [8, 16], "neck": "pafpn"}
WHOLE = pytest.mark.slow  # as good as the small ones of their kind, at several times the cost


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("grid", {}),
        ("anchor", {}),
        ("grid", {"assignment": "simota", **MANY_MAPS}),
        ("anchor", {"assignment": "simota", **MANY_MAPS}),
        pytest.param("grid", MANY_MAPS, marks=WHOLE),
        pytest.param("anchor", MANY_MAPS, marks=WHOLE),
        ("yolox_nano", {}),
        pytest.param("yolox_tiny", {}, marks=WHOLE),
        pytest.param("yolox_s", {}, marks=WHOLE),
    ],
)
def test_it_overfits_eight_pictures(architecture: str, options: dict):
    model = build(architecture, **options)
    assert overfit(model, *draw(8), rate=1e-3, batch_size=8, num_steps=500) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    [name for name in ARCHITECTURES if name not in OWN],
)
def test_torchvisions_overfit_eight_pictures(architecture: str):
    small, objects = draw(8)
    pictures = small.repeat_interleave(ENLARGED, 2).repeat_interleave(ENLARGED, 3)
    objects = [Objects(o.boxes * ENLARGED, o.labels, o.is_ignored) for o in objects]
    model = build(architecture, input_size_wh=[ENLARGED * side for side in SIZE_WH])
    network: Any = model.network
    if hasattr(network, "roi_heads"):
        network.roi_heads.fg_bg_sampler.batch_size_per_image = NUM_ROIS
        for counts in (network.rpn._pre_nms_top_n, network.rpn._post_nms_top_n):
            counts.update(dict.fromkeys(counts, NUM_ROIS))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.1  # of ssdlite's 0.03 the statistics lag behind for 100 steps
    rate, batch_size = RATES_AND_BATCH_SIZES[architecture]
    reached = overfit(model, pictures, objects, rate=rate, batch_size=batch_size, num_steps=240)
    assert reached >= 0.95


def overfit(
    model: Detector,
    pictures: Tensor,
    objects: list[Objects],
    *,
    rate: float,
    batch_size: int,
    num_steps: int,
) -> float:
    """Trains until the pictures are known, or for so many steps; returns map_50 of the same."""
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    warmup = torch.optim.lr_scheduler.LinearLR(optimiser, 0.05, total_iters=20)
    fall = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=num_steps)
    rng = np.random.default_rng(0)
    reached = 0.0
    for step in range(1, num_steps + 1):
        chosen = rng.choice(len(pictures), batch_size, replace=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=batch_size < len(pictures)):
            losses = model.train().losses(
                pictures[chosen], pad_objects([objects[at] for at in chosen])
            )
        optimiser.zero_grad()
        torch.stack([loss.float() for loss in losses.values()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        warmup.step()
        fall.step()
        if step % 20 == 0:
            reached = average_precision(model, pictures, objects)
            if reached >= 0.95:
                break
    return reached


def average_precision(model: Detector, pictures: Tensor, objects: list[Objects]) -> float:
    """map_50 of a model's detections."""
    truth, found = [], []
    with torch.inference_mode():
        for number, candidates in enumerate(model.eval().candidates(pictures)):
            kept = suppress(candidates, DEFAULT)
            for box, label in zip(objects[number].boxes, objects[number].labels, strict=True):
                truth.append([str(number), str(int(label)), *box.tolist(), False, False])
            for box, score, label in zip(kept.boxes, kept.scores, kept.labels, strict=True):
                found.append([str(number), str(int(label)), float(score), *box.tolist()])
    images = pd.DataFrame(
        {
            "file_name": [str(number) for number in range(len(pictures))],
            "width": pictures.shape[3],
            "height": pictures.shape[2],
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    boxes = pd.DataFrame(truth, columns=["image", "label", *CORNERS, "is_crowd", "is_difficult"])
    measured = measure_detections(
        AnnotatedPictures.of(images, boxes, ("0", "1")),
        pd.DataFrame(found, columns=DETECTION_COLUMNS),
    )
    return measured["map_50"]
