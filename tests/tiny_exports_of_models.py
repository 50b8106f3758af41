"""Small trained models, and what is exported of them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_detectors import SIZE_WH, config_of
from tiny_settings import shipped

from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.domain.samples.index import LABELS
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.network.scoring.stored import channel_config, channel_state
from vigil.learn.classifier.network.crop_transformer import CropTransformer
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.networks.weights import save_model
from vigil.learn.segmenter.network.registry import build_segmenter
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.plumbing.records import write_json
from vigil.settings.embed_clips import MOTION_CHANNELS, EmbedClips

FRAMES = {"num": 4, "step_s": 0.04, "fusion": "background", "control": False}
CROPS = {
    **{"num_frames": 3, "size_px": 10, "patch_px": 5, "width": 8, "depth": 1},
    **{"num_heads": 2, "mlp_width": 16, "dropout": 0.5},
}
UNET = {
    **{"num_classes": 3, "trunk": "plain", "width": 4, "upsampling": "bilinear"},
    **{"finest_stride": 1, "sees_all": True},
}
CANVAS_WH = (75, 53)
"""With odd sides: maps of a network then have sizes that are rounded."""
SCORERS_OF = {
    "local_speed": ("largest",),
    "local_disorder": ("largest",),
    "motion_histogram": ("mahalanobis", "autoencoder"),
    "motion_cells": ("gaussian_mixture", "nearest_neighbours"),
}


def write_detector(folder: Path, frames: dict[str, Any] | None = None) -> None:
    """A grid detector with boxes everywhere, of clearly different scores, and its best score."""
    config = config_of("grid") | ({"frames": frames} if frames else {})
    torch.manual_seed(0)
    model = build_detector("grid", config)
    torch.nn.init.normal_(model.heads[0].weight, std=0.5)
    card = {
        **{"architecture": "grid", "config": config, "classes": ["cat", "dog"]},
        **{"input_size_wh": list(SIZE_WH), "precision": "32-true"},
    }
    save_model(model.state_dict(), card, folder / "detector.safetensors", folder / "detector.json")
    write_json({"best_f1_score": 0.25}, folder / "detector_score.json")


def write_classifier(folder: Path) -> None:
    """A transformer as it starts out."""
    torch.manual_seed(0)
    card = {"architecture": "crop_transformer", "config": CROPS, "classes": list(LABELS)}
    files = folder / "classifier.safetensors", folder / "classifier.json"
    save_model(CropTransformer(**CROPS).state_dict(), card, *files)


def write_segmenter(
    folder: Path,
    architecture: str = "unet",
    config: dict[str, Any] = UNET,
    *,
    view: str = "resized",
    loss: str = "ce+dice",
) -> None:
    """A segmenter of three classes as it starts out; the scores of `unet` differ clearly."""
    torch.manual_seed(0)
    network = build_segmenter(architecture, config)
    if architecture == "unet":
        balance(network)
    card = {
        **{"architecture": architecture, "config": config, "classes": ["cat", "dog", "ground"]},
        **{"background": "ground", "canvas_wh": list(CANVAS_WH), "view": view, "loss": loss},
        "precision": "bf16-mixed",
    }
    files = folder / "segmenter.safetensors", folder / "segmenter.json"
    save_model(network.state_dict(), card, *files)


@torch.no_grad()
def balance(network: Any) -> None:
    """Changes the last layer so that each class is the best in some pixels of noise."""
    torch.nn.init.normal_(network.classify.weight, std=2.0)
    coarse = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 24), np.uint8)
    noise = torch.from_numpy(coarse.repeat(4, axis=2).repeat(4, axis=3))
    logits = network.eval().maps(noise)["main"]
    factor = 2 / logits.std((0, 2, 3))
    network.classify.weight *= factor[:, None, None, None]
    network.classify.bias -= logits.mean((0, 2, 3))
    network.classify.bias *= factor


def write_alarm(folder: Path) -> None:
    """Scorers of random vectors, an autoencoder as it starts out, a map, and thresholds."""
    torch.manual_seed(0)
    settings = shipped(EmbedClips, channels=list(MOTION_CHANNELS), short_clips="repeat_last")
    facts = MotionEmbedder(settings, Fraction(25)).facts
    state: dict[str, torch.Tensor] = {}
    config: dict[str, Any] = {}
    thresholds: dict[str, Any] = {}
    for name, own in sorted(facts.items()):
        width, scorers = own["width"], SCORERS_OF[name]
        allowed = np.abs(np.random.default_rng(0).normal(size=(60, width)))
        options = FitOptions(0, 5, 2)
        learnt = {one: SCORERS[one].fit(allowed, options) for one in scorers if one in SCORERS}
        if name == "motion_cells":
            learnt["speed_map"] = {"ratios": np.random.default_rng(1).uniform(0.5, 2, (16, 16))}
        shape = {"width": width, "hidden": [8, 4], "dropout": 0.5, "error": "sum"}
        weights = Autoencoder(**shape).state_dict() if "autoencoder" in scorers else {}
        for key, tensor in channel_state(weights, {}, learnt).items():
            state[f"channels.{name}.{key}"] = tensor
        config[name] = channel_config(scorers, width, shape if weights else None, {}, learnt)
        thresholds |= {f"{name}.{one}": {"value": 1.5} for one in scorers}
    state["widths"] = torch.tensor([config[name]["width"] for name in sorted(config)]).double()
    card = {"architecture": "alarm", "config": config, "embeddings": facts}
    save_model(state, card, folder / "alarm.safetensors", folder / "alarm.json")
    raising = [f"{name}.{scorers[0]}" for name, scorers in SCORERS_OF.items()]
    write_json({"raising": raising, "scorers": thresholds}, folder / "threshold.json")


def moving(num: int = 40, seed: int = 3) -> list[np.ndarray]:
    """Frames (64, 96, 3) with a textured square that moves over noise."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(90, 120, (64, 96, 3), np.uint8)
    patch = rng.integers(0, 255, (16, 16, 3), np.uint8)
    frames = []
    for at in range(num):
        frame = ground.copy()
        frame[20:36, at : at + 16] = patch
        frames.append(frame)
    return frames
