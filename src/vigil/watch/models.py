"""The trained models of `vigil watch`."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from vigil.domain.detector_score import read_score
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.memo import file_digest

FILE_NAMES = (
    *("detector.safetensors", "detector.json", "classifier.safetensors", "classifier.json"),
    *("alarm.safetensors", "alarm.json", "threshold.json", "detector_score.json"),
)
"""File names of trained models in the pipeline."""
CLASSES = ("background", "person")
"""The classes of a classifier that can judge tracks."""


@dataclass(frozen=True)
class Models:
    """Three trained models.

    Attributes:
        detector_score: the detector's score with the best F1 in the validation set.
        digests: SHA-256 of each file, in hexadecimal, by its name.
    """

    detector: TrainedDetector
    classifier: TrainedClassifier
    alarm: TrainedAlarm
    detector_score: float
    digests: dict[str, str]


@dataclass(frozen=True)
class ModelFiles:
    """Files of trained models: weights, cards, and what was picked on validation data."""

    detector: Path
    detector_card: Path
    classifier: Path
    classifier_card: Path
    alarm: Path
    alarm_card: Path
    threshold: Path
    detector_score: Path

    @classmethod
    def below(cls, folder: Path) -> "ModelFiles":
        """The files in a folder, with the file names of the pipeline."""
        return cls(*(folder / name for name in FILE_NAMES))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file, in hexadecimal, by its name.

        Raises:
            InputError: a file is missing.
        """
        files: list[Path] = list(vars(self).values())
        for file in files:
            if not file.is_file():
                raise InputError(
                    f"{file}: expected a trained model, found none; `dvc repro` trains it"
                )
        return {file.name: file_digest(file) for file in files}

    def load(self, device: torch.device) -> "Models":
        """Loads detector, classifier and alarm.

        Raises:
            InputError: a file is missing or damaged, or the classifier has other classes.
        """
        digests = self.digests()
        classifier = TrainedClassifier.from_files(self.classifier, self.classifier_card, device)
        if classifier.classes != CLASSES:
            raise InputError(
                f"{self.classifier_card}: classes: expected {', '.join(CLASSES)}, to judge tracks "
                f"by, got {shorten(list(classifier.classes))}"
            )
        detector = TrainedDetector.from_files(self.detector, self.detector_card, device)
        alarm = TrainedAlarm.from_files(self.alarm, self.alarm_card, self.threshold, device=device)
        score = read_score(self.detector_score)
        return Models(detector, classifier, alarm, score, digests)


@lru_cache(maxsize=1)
def load_once(files: ModelFiles, digests: tuple[tuple[str, str], ...]) -> Models:
    """Loads the models onto the chosen device, once in each process.

    Args:
        digests: of the files, so that changed files are loaded again.

    Raises:
        InputError: see `ModelFiles.load`.
    """
    prepare_torch()
    return files.load(choose_device())
