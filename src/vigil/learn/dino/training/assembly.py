"""Trains a vision transformer on unlabelled frames: combines data, network and training loop."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from vigil.learn.dino.training.frames import FrameDataset, batches, read_frames
from vigil.learn.dino.training.module import MONITOR, DinoTraining
from vigil.learn.networks.machine import seed_torch
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.learn.vision_transformers.network import build_own
from vigil.learn.vision_transformers.opening import OWN_ARCHITECTURE
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.trainings import train_once
from vigil.settings.train_dino import TrainDino

INPUT = (
    "RGB in [0, 1], minus ImageNet's mean, over its standard deviation; any multiple of patch_px"
)
WEIGHTS_FILE, CARD_FILE, CURVES = "dino.safetensors", "dino.json", "curves"


def plan_training(train: FrameDataset, val: FrameDataset, settings: TrainDino) -> Plan:
    """Sets up a training, with random weights from the seed."""
    seed_torch(settings.seed)
    model = build_own(settings.network.model_dump())
    return Plan(
        DinoTraining(model, settings),
        batches(train, settings, shuffle=True),
        batches(val, settings, shuffle=False),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=settings.seed,
        num_shards=settings.optimisation.num_shards,
        # A loss under a changing teacher compares no epochs, so the last epoch is kept.
        first_epoch=settings.fitting.max_epochs,
    )


def train_dino(
    videos: Sequence[Path], settings: TrainDino, picture_fps: Fraction, folder: Path
) -> None:
    """Trains a network and writes its files, or takes the results of the same training before.

    Args:
        videos: at least one.
        picture_fps: the frame rate of folders of numbered pictures.
        folder: for the weights, the card and the learning curves.

    Raises:
        InputError: a video cannot be read or is too short; or see `fit`.
    """

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        train, val = read_frames(videos, settings.frames, picture_fps)
        plan = plan_training(train, val, settings)
        fitted = fit(plan, branch="dino", fingerprint=run, curves=results[CURVES])
        facts = _describe(train, val, settings, fitted)
        save_model(fitted.state, facts, results[WEIGHTS_FILE], results[CARD_FILE])

    train_once(
        "dino",
        {
            "code": code_fingerprint(train_dino),
            "params": settings.used(),
            "videos": [tree_digest(video) for video in videos],
            "picture_fps": str(picture_fps),
        },
        train_and_save,
        {name: folder / name for name in (WEIGHTS_FILE, CARD_FILE, CURVES)},
    )


def _describe(
    train: FrameDataset, val: FrameDataset, settings: TrainDino, fitted: Fitted
) -> dict[str, Any]:
    """The network's card."""
    return {
        "architecture": OWN_ARCHITECTURE,
        "config": settings.network.model_dump(),
        "input": INPUT,
        "training": {
            "params": settings.used(),
            "num_train": len(train),
            "num_val": len(val),
            **fitted.facts(),
        },
    }
