"""The trained models that watch together."""

from dataclasses import dataclass
from pathlib import Path

import torch

from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.detector.trained import TrainedDetector
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.memo import file_digest

FILES = (
    *("detector.safetensors", "detector.json", "classifier.safetensors", "classifier.json"),
    *("alarm.safetensors", "alarm.json", "threshold.json"),
)
CLASSES = ("background", "person")
"""What a classifier must tell apart to judge tracks."""


@dataclass(frozen=True)
class Models:
    """Three trained models.

    Attributes:
        digests: SHA-256 of each file, in hexadecimal, by its name.
    """

    detector: TrainedDetector
    classifier: TrainedClassifier
    alarm: TrainedAlarm
    digests: dict[str, str]


def model_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each of `FILES`, by its name.

    Raises:
        InputError: one is missing.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(
            f"{folder}: expected trained models, found no {missing[0]}; `dvc repro` trains them"
        )
    return {name: file_digest(folder / name) for name in FILES}


def load_models(folder: Path, device: torch.device) -> Models:
    """Loads detector, classifier and alarm from a folder.

    Raises:
        InputError: a file is missing or damaged, or a model is of other classes.
    """
    digests = model_digests(folder)
    judge_card = folder / "classifier.json"
    judge = TrainedClassifier.from_files(folder / "classifier.safetensors", judge_card, device)
    if judge.classes != CLASSES:
        raise InputError(
            f"{judge_card}: classes: expected {', '.join(CLASSES)}, to judge tracks by, got "
            f"{shorten(list(judge.classes))}"
        )
    detector = TrainedDetector.from_files(
        folder / "detector.safetensors", folder / "detector.json", device
    )
    alarm = TrainedAlarm.from_files(
        folder / "alarm.safetensors", folder / "alarm.json", folder / "threshold.json",
        device=device,
    )  # fmt: skip
    return Models(detector, judge, alarm, digests)
