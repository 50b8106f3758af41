"""Answers Label Studio's questions for predictions, and pictures with boxes, from trained models.

A video is found by its name in one folder. No request can name another place.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import cv2

from vigil.domain.detections import Detections
from vigil.domain.label_studio.addresses import path_of
from vigil.domain.label_studio.names import VideoNames
from vigil.domain.proposals import FPS_KEY
from vigil.pixels.clip_tracking import Found
from vigil.pixels.pictures.decoding import decode_picture
from vigil.pixels.pictures.picture import swap_red_and_blue
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.folders import is_hidden
from vigil.settings.watch import Watch
from vigil.watch.recording import GetModels, Recorder
from vigil.watch.results.proposing import TASKS_FILE, version_of

Json = dict[str, Any]
SAME_FPS = 1e-4
"""Rates whose ratio differs from 1 by less are equal."""


class Backend:
    """Predictions of trained models. One request is computed at a time."""

    def __init__(
        self,
        videos: Path,
        recorder: Recorder,
        get_models: GetModels,
        digests: Mapping[str, str],
        settings: Watch,
    ) -> None:
        """Args: videos: the folder of the videos that tasks may be of."""
        self._videos, self._recorder, self._get_models = videos, recorder, get_models
        self._settings, self._lock = settings, Lock()
        self.version = version_of(digests)

    def predict(self, task: Any) -> Json:
        """The prediction for a task: the tracks and alarms of its video, as `vigil watch` has them.

        Raises:
            InputError: the task has no video of the folder, or numbers frames by another rate.
        """
        data = task.get("data") if isinstance(task, Mapping) else None
        source = data.get("video") if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(source, str):
            raise InputError(f"expected a task with data.video, got {shorten(task)}")
        video = self._find(source)
        with self._lock, tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "watched"
            self._recorder.watch(video, target)
            (proposed,) = json.loads((target / TASKS_FILE).read_text(encoding="utf-8"))
        fps = proposed["data"][FPS_KEY]
        given = data.get(FPS_KEY)
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        # Compared, not divided: the number may be NaN, or too large for a float.
        if not (is_number and fps * (1 - SAME_FPS) <= given <= fps * (1 + SAME_FPS)):
            raise InputError(
                f"{video.name}: expected data.{FPS_KEY} {fps:.6g} and a <Video> tag with "
                f'framerate="${FPS_KEY}", got {shorten(given)}'
            )
        prediction: Json = proposed["predictions"][0]
        return prediction

    def detect(self, content: bytes) -> Json:
        """Boxes in a picture, and their masks as COCO's compressed run lengths if there are any.

        Args:
            content: the bytes of its file.

        Raises:
            InputError: the bytes are no picture, or it is too large.
        """
        picture = decode_picture(content, cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError("expected a complete picture, got other bytes")
        rgb = swap_red_and_blue(picture)
        with self._lock:
            (found,) = self._get_models().detector.detect_batch([rgb], self._settings.suppression)
        boxes = [
            {
                "label": str(label),
                "score": round(float(score), 6),
                "box_xyxy": corners,
                **mask,
            }
            for label, score, corners, mask in zip(
                found.labels,
                found.scores,
                found.boxes_xyxy.round(3).tolist(),
                _segmentations(found, [*picture.shape[:2]]),
                strict=True,
            )
        ]
        size = {"width": picture.shape[1], "height": picture.shape[0]}
        return {"boxes": boxes, "model_version": self.version, **size}

    def _find(self, source: str) -> Path:
        names = sorted(entry.name for entry in self._videos.iterdir() if not is_hidden(entry.name))
        _, found = VideoNames(names).candidates(source)
        if len(found) != 1:
            what = "several" if found else "none"
            raise InputError(
                f"expected one video of {self._videos} for {shorten(path_of(source).name)}, found "
                f"{what}"
            )
        return self._videos / found[0]


def _segmentations(found: Found, size_hw: list[int]) -> list[Json]:
    """What the mask of each detection adds to its entry; exported models have no masks."""
    if not isinstance(found, Detections) or found.masks is None:
        return [{}] * len(found.scores)
    return [{"segmentation": {"size": size_hw, "counts": text}} for text in found.masks]
