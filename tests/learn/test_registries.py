"""Names that params.yaml may give are those that can be built."""

import typing
from pathlib import Path

import pytest

from vigil.learn.classifier.network import registry as classifier
from vigil.learn.detector.network import registry as detector
from vigil.plumbing.stages import load_script

STAGES = Path(__file__).parents[2] / "stages"


@pytest.mark.parametrize(
    ("stage", "known"),
    [
        ("train_classifier", classifier.ARCHITECTURES),
        ("train_detector", detector.ARCHITECTURES),
    ],
)
def test_params_name_what_can_be_built(stage: str, known: typing.Collection[str]):
    field = load_script(STAGES / f"{stage}.py").Params.model_fields["architecture"]
    assert set(typing.get_args(field.annotation)) == set(known)
