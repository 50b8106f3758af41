"""The models of `vigil watch`: as trained, which need torch, or exported, which do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.allowed import Allowed, read_allowed
from vigil.domain.clips.verdicts import WindowVerdict
from vigil.domain.detector_score import read_score
from vigil.pixels.channels.moments import Moment
from vigil.pixels.clip_tracking import Detector
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.memo import file_digest, tree_digest

if TYPE_CHECKING:  # torch is imported where trained models are loaded
    import torch

FILE_NAMES = (
    *("detector.safetensors", "detector.json", "classifier.safetensors", "classifier.json"),
    *("alarm.safetensors", "alarm.json", "threshold.json", "detector_score.json"),
)
"""File names of trained models in the pipeline."""
ALLOWED_NAME = "allowed"
"""The folder beside the models with evidence of allowed clips. Nothing but pages needs it."""
DETECTOR = FILE_NAMES[0]
CLASSES = ("background", "person")
"""The classes of a classifier that can judge tracks."""

Runtime = Literal["torch", "onnx", "onnx-int8", "openvino"]
SUFFIXES: dict[Runtime, str] = {"onnx": ".onnx", "onnx-int8": "_int8.onnx", "openvino": ".xml"}
"""How the names of exported networks end."""
TRAINED, EXPORTED = "models", ("released", "exported")
"""Folders of a project: of trained models, and of what `vigil export` and the stages export."""
MADE_OF = {
    "detector": (*FILE_NAMES[:2], FILE_NAMES[7]),
    "classifier": FILE_NAMES[2:4],
    "alarm": FILE_NAMES[4:7],
}
"""The weights, card and picked values that an exported model is made of."""
DIGESTS = ("weights_sha256", "card_sha256", "picked_sha256")
"""Entries of an exported card: the digests of these files."""


class ClassifierModel(Protocol):
    """A classifier; `vigil.learn.classifier.trained.TrainedClassifier` explains it."""

    @property
    def input_shape(self) -> tuple[int, int, int]: ...
    def __call__(self, crops: npt.NDArray[np.uint8], /) -> npt.NDArray[np.float64]: ...


class VerdictStream(Protocol):
    """The verdicts on one stream; `vigil.runtime.judging.AlarmStream` explains its methods."""

    def push(
        self, frame: Picture, time_s: float, tracked: Moment | None = None
    ) -> list[WindowVerdict]: ...
    def end(self, stop_s: float) -> list[WindowVerdict]: ...


class AlarmModel(Protocol):
    """An alarm; `vigil.runtime.judging.JudgingAlarm` explains its methods."""

    @property
    def tracked(self) -> Mapping[str, Any] | None: ...
    def stream(self, window_s: float, stride_s: float) -> VerdictStream: ...


@dataclass(frozen=True)
class Models:
    """Three models.

    Attributes:
        detector_score: the detector's score that was picked on the validation set.
        digests: SHA-256 of each file, in hexadecimal, by its name.
        allowed: evidence of allowed clips, to compare alarms with; None: it is not there.
    """

    detector: Detector
    classifier: ClassifierModel
    alarm: AlarmModel
    detector_score: float
    digests: dict[str, str]
    allowed: Allowed | None = None


@dataclass(frozen=True)
class ModelFiles:
    """Files of trained models: weights, cards, and what was picked on validation data.

    Attributes:
        allowed: the folder of evidence of allowed clips, which may be missing.
    """

    detector: Path
    detector_card: Path
    classifier: Path
    classifier_card: Path
    alarm: Path
    alarm_card: Path
    threshold: Path
    detector_score: Path
    allowed: Path

    @classmethod
    def below(cls, folder: Path) -> ModelFiles:
        """The files in a folder, with the file names of the pipeline."""
        return cls(*(folder / name for name in (*FILE_NAMES, ALLOWED_NAME)))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file, in hexadecimal, by its name.

        Raises:
            InputError: a file is missing.
        """
        files = [file for name, file in vars(self).items() if name != ALLOWED_NAME]
        return _digests(files, self.allowed, "a trained model", "`dvc repro` trains it")

    def load(self, device: torch.device) -> Models:
        """Loads detector, classifier and alarm.

        Raises:
            InputError: a file is missing or damaged, or the classifier has other classes.
        """
        from vigil.learn.alarm.trained import TrainedAlarm
        from vigil.learn.classifier.trained import TrainedClassifier
        from vigil.learn.detector.trained import TrainedDetector

        digests = self.digests()
        classifier = TrainedClassifier.from_files(self.classifier, self.classifier_card, device)
        _check_classes(classifier.classes, self.classifier_card)
        detector = TrainedDetector.from_files(self.detector, self.detector_card, device)
        alarm = TrainedAlarm.from_files(self.alarm, self.alarm_card, self.threshold, device=device)
        score = read_score(self.detector_score)
        allowed = _read_allowed(self.allowed, digests[self.alarm.name])
        return Models(detector, classifier, alarm, score, digests, allowed)


@lru_cache(maxsize=1)
def load_once(files: ModelFiles, digests: tuple[tuple[str, str], ...]) -> Models:
    """Loads the models onto the chosen device, once in each process.

    Args:
        digests: of the files, so that changed files are loaded again.

    Raises:
        InputError: see `ModelFiles.load`.
    """
    from vigil.learn.networks.machine import choose_device, prepare_torch

    prepare_torch()
    return files.load(choose_device())


@dataclass(frozen=True)
class ExportedFiles:
    """Files of `vigil export`.

    Attributes:
        allowed: the folder of evidence of allowed clips, which may be missing.
        trained: the folder of the trained models, which may be missing.
    """

    detector: Path
    classifier: Path
    alarm: Path
    allowed: Path
    trained: Path

    @classmethod
    def below(cls, folder: Path | None, runtime: Runtime) -> ExportedFiles:
        """The files in a folder, with the names that `vigil export` gives them.

        Args:
            folder: trained models may lie beside it; None: each model is in the first folder of
                `EXPORTED` that has it.
        """
        suffix = SUFFIXES[runtime]
        names = (
            *(f"{name}/{name}{suffix}" for name in ("detector", "classifier")),
            "alarm/alarm.zip",
        )
        folders = [folder] if folder else [Path(name) for name in EXPORTED]
        detector, classifier, alarm = (
            next((one / name for one in folders if (one / name).is_file()), folders[0] / name)
            for name in names
        )
        trained = folders[0].parent / TRAINED
        return cls(detector, classifier, alarm, alarm.with_name(ALLOWED_NAME), trained)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file, in hexadecimal, by its name.

        Raises:
            InputError: a file is missing.
        """
        files = [self.detector, self.classifier, self.alarm]
        # The weights of OpenVINO lie beside the graph.
        weights = [file.with_suffix(".bin") for file in files if file.suffix == ".xml"]
        all_files = [*files, *weights]
        return _digests(all_files, self.allowed, "an exported model", "`vigil export` makes it")

    def load(self) -> Models:
        """Opens detector, classifier and alarm, without torch.

        Raises:
            InputError: a file is missing, damaged or of another version, or not of the trained
                model beside it, or the classifier has other classes.
        """
        from vigil.runtime.alarm import ExportedAlarm
        from vigil.runtime.classifier import ExportedClassifier
        from vigil.runtime.detector import ExportedDetector

        digests = self.digests()
        classifier = ExportedClassifier.from_file(self.classifier)
        _check_classes(classifier.classes, self.classifier)
        detector = ExportedDetector.from_file(self.detector)
        if detector.score is None:
            raise InputError(
                f"{self.detector}: expected the picked score in its card, found none; "
                "export it beside models/detector_score.json"
            )
        alarm = ExportedAlarm.from_file(self.alarm)
        for file, model in ((self.detector, detector), (self.classifier, classifier)):
            _check_made_of(file, model.card, self.trained)
        _check_made_of(self.alarm, alarm.card, self.trained)
        allowed = _read_allowed(self.allowed, str(alarm.card["weights_sha256"]))
        return Models(detector, classifier, alarm, detector.score, digests, allowed)


def _read_allowed(folder: Path, alarm: str) -> Allowed | None:
    return read_allowed(folder, alarm) if folder.is_dir() else None


def _check_made_of(file: Path, card: Mapping[str, Any], trained: Path) -> None:
    """Compares an exported model with the trained one, if this lies there.

    Raises:
        InputError: it was made of other files.
    """
    branch = str(card["branch"])
    for key, name in zip(DIGESTS, MADE_OF[branch], strict=False):
        source = trained / name
        if key in card and source.is_file() and card[key] != file_digest(source):
            raise InputError(
                f"{file}: expected an export of {source}, got one of another file; export it "
                f"again: vigil export {branch}, or dvc repro export@{branch}"
            )


def _digests(files: Sequence[Path], allowed: Path, expected: str, remedy: str) -> dict[str, str]:
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: expected {expected}, found none; {remedy}")
    digests = {file.name: file_digest(file) for file in files}
    return digests | ({allowed.name: tree_digest(allowed)} if allowed.is_dir() else {})


def _check_classes(classes: Any, file: Path) -> None:
    if classes != CLASSES:
        raise InputError(
            f"{file}: classes: expected {', '.join(CLASSES)}, to judge tracks by, got "
            f"{shorten(list(classes))}"
        )
