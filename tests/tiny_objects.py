"""Made tracks of people, and an alarm on what they do."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_settings import shipped

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.domain.clips.learnt.by_feature import fit_by_feature
from vigil.domain.clips.learnt.scorers import FitOptions
from vigil.learn.alarm.network.scoring.stored import channel_config, channel_state
from vigil.learn.networks.weights import save_model
from vigil.pixels.channels.behaviour import UNITS, columns_of, width_of
from vigil.pixels.channels.moments import Moment
from vigil.pixels.channels.objects import ObjectsFollower, facts_of
from vigil.settings.embed_clips import EmbedClips, Objects
from vigil.settings.track_clips import TrackClips

SIZE_WH = (640, 480)
STEP_S = 0.12
Path_ = Callable[[float], tuple[float, float, float, float]]
"""The middle x, lower edge, width and height of a person at a time, px; as a path."""


def objects(**changes: Any) -> Objects:
    """The shipped settings with changes."""
    own = shipped(EmbedClips).objects.model_dump()
    return Objects(**{**own, **changes})


def walker(x: float = 100.0, y: float = 300.0, speed: float = 0.0, height: float = 80.0) -> Path_:
    """A person who walks to the right. Args: speed: in heights a second."""
    return lambda time_s: (x + speed * height * time_s, y, height / 2, height)


def pausing(path: Path_, pause_s: float) -> Path_:
    """The same person, who stands still for a second from this time on."""
    return lambda time_s: path(time_s - min(max(time_s - pause_s, 0.0), 1.0))


def moments_of(
    people: Mapping[int, Path_],
    seconds: float,
    size_wh: tuple[int, int] = SIZE_WH,
    first_s: float = 0.0,
) -> list[Moment]:
    """The moments of people, each known at once."""
    moments = []
    for time_s in (first_s + np.arange(0, seconds, STEP_S)).tolist():
        boxes = []
        for path in people.values():
            x, y, width, height = path(time_s - first_s)
            boxes.append([x - width / 2, y - height, x + width / 2, y])
        moments.append(
            Moment(
                time_s,
                size_wh,
                np.array(list(people), np.int64),
                np.full(len(people), time_s),
                np.array(boxes, np.float64).reshape(-1, 4),
            )
        )
    return moments


def pieces_of(moments: Sequence[Moment], settings: Objects | None = None) -> Pieces:
    """The evidence in all moments."""
    follower = ObjectsFollower(settings or objects(), "repeat_last")
    for moment in moments:
        follower.see(moment)
    return follower.judge(0.0, np.inf)


def tracked_facts(digest: str = "0" * 64, score: float = 0.5) -> dict[str, Any]:
    """The facts of tracks with the shipped settings."""
    content = shipped(TrackClips).model_dump(mode="json")
    kept = {name: content[name] for name in ("detect_every_s", "suppression", "tracking")}
    return {**kept, "classes": [], "score": score, "detector": digest}


def allowed_walkers(settings: Objects) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of six videos of people who walk across a lower part of the picture, and the video.

    They walk at 0.9 to 1.1 heights a second, at least 0.75 of the picture's height down, and stop
    for a second on their way.
    """
    vectors, videos = [], []
    for video in range(6):
        people = {
            one: pausing(
                walker(
                    60.0 + 30 * one,
                    380.0 + 8 * ((video + one) % 6),
                    0.9 + 0.05 * ((video + one) % 5),
                ),
                1.2 + 0.1 * video,
            )
            for one in (1, 2)
        }
        own = pieces_of(moments_of(people, 4.0), settings)
        vectors.append(own.vectors)
        videos += [f"v{video}"] * len(own)
    return np.concatenate(vectors).astype(np.float64), np.array(videos, object)


def write_objects_alarm(
    folder: Path,
    settings: Objects,
    tracked: Mapping[str, Any],
    scorers: Sequence[str] = ("gaussian_mixture",),
) -> tuple[Path, Path, Path]:
    """Weights, card and thresholds of an alarm that learnt from `allowed_walkers`."""
    vectors, videos = allowed_walkers(settings)
    learnt = {
        name: fit_by_feature(
            name, vectors, columns_of(settings.features), UNITS, videos, videos,
            options=FitOptions(0, 5, 2), quantile=0.95,
        )
        for name in scorers
    }  # fmt: skip
    state = {
        f"channels.objects.{key}": tensor for key, tensor in channel_state({}, {}, learnt).items()
    }
    width = width_of(settings.features)
    state["widths"] = torch.tensor([width], dtype=torch.float64)
    config = {"objects": channel_config(scorers, width, None, {}, learnt)}
    facts = {"objects": facts_of(settings, "repeat_last", tracked)}
    files = folder / "alarm.safetensors", folder / "alarm.json", folder / "threshold.json"
    save_model(state, {"architecture": "alarm", "config": config, "embeddings": facts}, *files[:2])
    names = [f"objects.{name}" for name in scorers]
    picked = {"scorers": {name: {"value": 1.5} for name in names}, "raising": names[:1]}
    files[2].write_text(json.dumps(picked))
    return files
