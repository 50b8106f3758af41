"""Tracks objects in all clips of the alarm, with a cache: a new clip is tracked alone."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.detector_score import read_score
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks.machine import choose_device, describe_prepared, threads_of_an_item
from vigil.pixels.channels.moments import BOX_TYPES, BOXES_NAME, MOMENT_TYPES, MOMENTS_NAME
from vigil.pixels.clip_tracking import check_classes, track_video, tracked_facts
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, Request, file_digest
from vigil.plumbing.records import read_csv
from vigil.settings.track_clips import TrackClips

Tables = tuple[pd.DataFrame, pd.DataFrame]


def track_clips(
    videos: Sequence[tuple[str, str, Path]],
    settings: TrackClips,
    *,
    weights: Path,
    card: Path,
    score: Path,
    picture_fps: Fraction,
) -> tuple[Tables, dict[str, Any]]:
    """The moments and boxes of all videos, and the facts of the tracks.

    Args:
        videos: the name, digest and path of each.
        weights, card, score: the files of the detector.
        picture_fps: the frame rate of folders of numbered pictures.

    Raises:
        InputError: a file is missing or damaged, or a video cannot be read.
        FieldError: the detector does not know a class.
    """
    machine = describe_prepared()
    digests = tuple(file_digest(file) for file in (weights, card))
    check_classes(_load(weights, card, digests), settings.classes)
    tracked = tracked_facts(settings, read_score(score), digests[0])
    options: dict[str, Any] = {"tracked": tracked, "batch_size": settings.batch_size}
    memo, code = Memo("clip_tracks"), code_fingerprint(track_clips)
    requests = []
    for name, digest, path in videos:
        facts = {"code": code, "machine": machine, "clip": digest, "card": digests[1], **options}
        load = partial(_load, weights, card, digests)
        make = partial(_track, path, load=load, picture_fps=picture_fps, **options)
        requests.append(Request({**facts, "picture_fps": str(picture_fps)}, make, name))
    memo.make_missing(
        requests, "track", "clip", machine=describe_prepared, threads=threads_of_an_item()
    )
    tables: list[Tables] = []
    for request in requests:
        folder = memo.recall(request.facts, request.make)
        tables.append(
            (
                read_csv(folder / MOMENTS_NAME, MOMENT_TYPES).assign(video=request.name),
                read_csv(folder / BOXES_NAME, BOX_TYPES).assign(video=request.name),
            )
        )
    memo.prune()
    moments, boxes = (pd.concat(each, ignore_index=True) for each in zip(*tables, strict=True))
    return (moments, boxes), tracked


def _track(
    path: Path, folder: Path, *, load: Callable[[], TrainedDetector], **options: Any
) -> None:
    track_video(path, folder, detector=load(), **options)


@lru_cache(maxsize=1)
def _load(weights: Path, card: Path, digests: tuple[str, ...]) -> TrainedDetector:
    """The detector, once in each process. Args: digests: so that changed files load again."""
    return TrainedDetector.from_files(weights, card, choose_device())
