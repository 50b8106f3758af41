"""Names that params.yaml may give are those that can be built."""

from collections.abc import Collection
from typing import Any, get_args

import pytest
import torchvision

from vigil.domain.clips.learnt.scorers import SCORERS
from vigil.learn.alarm.network.embedding import registry as alarm
from vigil.learn.classifier.network import registry as classifier
from vigil.learn.detector.network import registry as detector
from vigil.learn.detector.network.transformer_detectors import D_FINE, RF_DETR, RF_DETR_WITH_MASKS
from vigil.learn.pictures.trunk import STRIDES, TRUNKS
from vigil.learn.vision_transformers.families import SIZES
from vigil.plumbing.params import Section
from vigil.settings.embed_clips import CHANNELS, Appearance, Network
from vigil.settings.fit_alarm import Scorers
from vigil.settings.train_classifier import TrainClassifier
from vigil.settings.train_detector import (
    MAY_HAVE_MASKS,
    Features,
    TorchvisionArchitecture,
    TrainDetector,
)
from vigil.settings.vision_transformer import TRAINED, VisionTransformer


def names_of(kind: Any) -> set[object]:
    """All literals of a type, those of a union together."""
    return {name for part in get_args(kind) for name in (names_of(part) or {part})}


@pytest.mark.parametrize(
    ("section", "key", "known"),
    [
        (TrainClassifier, "architecture", classifier.ARCHITECTURES),
        (
            TrainDetector,
            "architecture",
            [
                *detector.VIGIL_DETECTORS,
                *get_args(TorchvisionArchitecture),
                *detector.MASK_DETECTORS,
                *D_FINE,
                *RF_DETR,
                "auto",
            ],
        ),
        (Appearance, "backbone", alarm.BACKBONES),
        (VisionTransformer, "architecture", [*SIZES, TRAINED]),
        (Network, "transformer", [*SIZES, TRAINED]),
        (Network, "trunk", TRUNKS),
        (Network, "stride", STRIDES),
        (Features, "trunk", TRUNKS),
        (Features, "deepest_stride", STRIDES),
    ],
)
def test_params_name_what_can_be_built(section: type[Section], key: str, known: Collection[object]):
    assert names_of(section.model_fields[key].annotation) == set(known)
    assert len(set(known)) == len(known)


def test_what_comes_from_torchvision_is_named_as_there():
    trunks = set(torchvision.models.list_models(module=torchvision.models))
    assert set(TRUNKS) <= trunks
    known = set(torchvision.models.list_models(module=torchvision.models.detection))
    assert set(get_args(TorchvisionArchitecture)) <= known
    assert set(detector.MASK_DETECTORS) - {"maskrcnn"} <= known
    may_have_masks = {*detector.MASK_DETECTORS, *RF_DETR_WITH_MASKS}
    assert set(MAY_HAVE_MASKS) == may_have_masks
    assert RF_DETR_WITH_MASKS.keys() == RF_DETR.keys()


def test_every_channel_has_scorers_that_can_be_built() -> None:
    assert set(Scorers.model_fields) == set(CHANNELS)
    for field in Scorers.model_fields.values():
        known = {name for name in names_of(field.annotation) if isinstance(name, str)}
        assert known == {*SCORERS, "autoencoder"}
