"""Every detector learns eight pictures by heart: losses, targets and boxes fit each other.

Torchvision's own need pictures of some size, and minutes: they run with `-m slow` alone.
"""

from typing import Any

import pytest
import torch
from tiny_detectors import ARCHITECTURES, SIZE_WH, build, draw
from tiny_overfit import overfit

from vigil.learn.detector.network.registry import VIGIL_DETECTORS
from vigil.learn.detector.network.tensors import Objects

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
    [name for name in ARCHITECTURES if name not in VIGIL_DETECTORS],
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
