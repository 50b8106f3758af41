"""Alarms that were fitted to random vectors: every scorer, thresholds, and a card."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.network.scoring.stored import channel_config, channel_state
from vigil.learn.networks.weights import save_model

THRESHOLDS = {
    "local_speed.largest": 0.2,
    "local_disorder.largest": 0.1,
    "motion_histogram.mahalanobis": 5.0,
    "motion_histogram.autoencoder": 2.0,
    "motion_cells.nearest_neighbours": 0.5,
}
SCORERS_OF = {
    "local_speed": ("largest",),
    "local_disorder": ("largest",),
    "motion_histogram": ("mahalanobis", "autoencoder"),
    "motion_cells": ("nearest_neighbours",),
}
OPTIONS = FitOptions(0, 5, 2)


def write_alarm(
    folder: Path, facts: dict[str, Any], tuned: dict[str, torch.Tensor] | None = None
) -> tuple[Path, Path, Path]:
    """Scorers of random vectors, an autoencoder as it starts out, and thresholds."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    config, thresholds = {}, {}
    widths = []
    for name, own in sorted(facts.items()):
        width = own.get("width", 2048)
        widths.append(width)
        scorers = SCORERS_OF.get(name, ("autoencoder",))
        allowed = np.abs(np.random.default_rng(0).normal(size=(20, width)))
        learnt = {one: SCORERS[one].fit(allowed, OPTIONS) for one in scorers if one in SCORERS}
        shape = {"width": width, "hidden": [8, 4], "dropout": 0.5, "error": "sum"}
        weights = Autoencoder(**shape).state_dict() if "autoencoder" in scorers else {}
        for key, tensor in channel_state(weights, tuned or {}, learnt).items():
            state[f"channels.{name}.{key}"] = tensor
        config[name] = channel_config(
            scorers, width, shape if weights else None, tuned or {}, learnt
        )
        thresholds |= {f"{name}.{one}": {"value": 1.0} for one in scorers}
    state["widths"] = torch.tensor(widths, dtype=torch.float64)
    thresholds |= {name: {"value": value} for name, value in THRESHOLDS.items()}
    files = folder / "a.safetensors", folder / "a.json", folder / "threshold.json"
    card = {"architecture": "alarm", "config": config, "embeddings": facts}
    save_model(state, card, *files[:2])
    files[2].write_text(json.dumps({"scorers": thresholds, "raising": list(thresholds)[:1]}))
    return files
