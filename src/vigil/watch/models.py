"""The trained models that watch together."""

from dataclasses import dataclass
from pathlib import Path

import torch

from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.detector.trained import TrainedDetector
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.memo import file_digest

FILE_NAMES = (
    *("detector.safetensors", "detector.json", "classifier.safetensors", "classifier.json"),
    *("alarm.safetensors", "alarm.json", "threshold.json"),
)
"""Of trained models, as the pipeline names them."""
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


@dataclass(frozen=True)
class ModelFiles:
    """Where trained models are: weights and card of each, and the alarm's thresholds."""

    detector: Path
    detector_card: Path
    classifier: Path
    classifier_card: Path
    alarm: Path
    alarm_card: Path
    threshold: Path

    @classmethod
    def below(cls, folder: Path) -> "ModelFiles":
        """The files of a folder, as the pipeline names them."""
        return cls(*(folder / name for name in FILE_NAMES))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file, in hexadecimal, by its name.

        Raises:
            InputError: one is missing.
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
            InputError: a file is missing or damaged, or a model is of other classes.
        """
        digests = self.digests()
        judge = TrainedClassifier.from_files(self.classifier, self.classifier_card, device)
        if judge.classes != CLASSES:
            raise InputError(
                f"{self.classifier_card}: classes: expected {', '.join(CLASSES)}, to judge tracks "
                f"by, got {shorten(list(judge.classes))}"
            )
        detector = TrainedDetector.from_files(self.detector, self.detector_card, device)
        alarm = TrainedAlarm.from_files(self.alarm, self.alarm_card, self.threshold, device=device)
        return Models(detector, judge, alarm, digests)
