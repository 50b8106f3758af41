"""The command `vigil attend`: what its options give, it names as options."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from vigil.learn.attending import attend
from vigil.plumbing.errors import InputError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """In a project of the shipped parameters."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.zeros((20, 20, 3), np.uint8))
    return "a.png"


@pytest.mark.parametrize(
    ("architecture", "weights", "line"),
    [
        ("resnet50", None, "--architecture: expected 'dinov2_reg_small', "),
        (None, "nowhere", "--weights: expected published, none, a file or a folder, got 'nowhere'"),
        ("trained", "published", "--weights: expected the file that train_dino wrote"),
        ("trained", None, "attend.network.weights: expected the file that train_dino wrote"),
    ],
)
def test_an_error_names_the_option_that_gave_the_value(
    picture: str, architecture: str | None, weights: str | None, line: str
):
    with pytest.raises(InputError) as refusal:
        attend([picture], Path("out"), architecture, weights)
    assert str(refusal.value).startswith(line)
    assert not Path("out").exists()
