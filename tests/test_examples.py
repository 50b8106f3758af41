"""The examples in public docstrings and in the documents, run on models of a few weights."""

import ast
import builtins
import doctest
import json
import re
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from reference_page import ROOT
from tiny_settings import shipped

from vigil import alarm, classifier, detector, segmenter
from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.learn.alarm import trained as trained_alarm
from vigil.learn.alarm.network.scoring.stored import channel_config, channel_state
from vigil.learn.classifier import trained as trained_classifier
from vigil.learn.classifier.network.registry import build_classifier
from vigil.learn.detector import trained as trained_detector
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.networks.weights import save_model
from vigil.learn.segmenter import trained as trained_segmenter
from vigil.learn.segmenter.network.registry import build_segmenter
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.plumbing.errors import InputError
from vigil.settings.embed_clips import EmbedClips

NAMES: dict[str, Any] = {
    "crops": np.zeros((3, 4, 20, 20), np.uint8),
    "picture": np.full((60, 80, 3), 120, np.uint8),
    "frames": [np.full((48, 64, 3), 100 + step, np.uint8) for step in range(20)],
    "times_s": np.arange(20) / 10,
}
"""What the examples take for granted."""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models of a few weights, in which the examples run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    folder = Path("models")
    folder.mkdir()
    torch.manual_seed(0)

    def save(name: str, state: Any, **card: Any) -> None:
        save_model(state, card, folder / f"{name}.safetensors", folder / f"{name}.json")

    config = {"num_frames": 4, "size_px": 20, "patch_px": 5, "width": 8, "depth": 1}
    config |= {"num_heads": 2, "mlp_width": 8, "dropout": 0.0}
    network = build_classifier("crop_transformer", config)
    save(
        "classifier",
        network.state_dict(),
        architecture="crop_transformer",
        config=config,
        classes=["background", "person"],
    )
    config = {
        "features": {
            "trunk": "resnet18", "deepest_stride": 8, "neck": "concat", "neck_width": 0,
        },
        "loss": {"box": "ciou", "objectness": "focal", "classes": "bce"}
        | dict.fromkeys(("box_weight", "objectness_weight", "classes_weight"), 1.0),
        "num_classes": 1,
        "strides": [8],
        "reach_cells": 0.95,
        "assignment": "fixed",
    }  # fmt: skip
    unet = {
        "num_classes": 2, "trunk": "plain", "width": 4, "upsampling": "bilinear",
        "finest_stride": 1, "sees_all": False,
    }  # fmt: skip
    save(
        "segmenter",
        build_segmenter("unet", unet).state_dict(),
        architecture="unet",
        config=unet,
        classes=["background", "person"],
        background="background",
        canvas_wh=[64, 48],
        view="resized",
        loss="ce",
        precision="32-true",
    )
    save(
        "detector",
        build_detector("grid", config).state_dict(),
        architecture="grid",
        config=config,
        classes=["human"],
        input_size_wh=[96, 72],
        precision="32-true",
    )
    facts = MotionEmbedder(shipped(EmbedClips), Fraction(25)).facts
    options = FitOptions(seed=0, num_neighbours=2, num_components=2)
    scorers = {
        "local_speed": "largest",
        "local_disorder": "largest",
        "motion_cells": "gaussian_mixture",
    }
    state, config = {}, {}
    for channel, scorer in scorers.items():
        allowed = np.random.default_rng(0).random((20, facts[channel]["width"]))
        learnt = {scorer: SCORERS[scorer].fit(allowed, options)}
        config[channel] = channel_config([scorer], allowed.shape[1], None, {}, learnt)
        for name, tensor in channel_state({}, {}, learnt).items():
            state[f"channels.{channel}.{name}"] = tensor
    state["widths"] = torch.tensor([facts[name]["width"] for name in scorers], dtype=torch.float64)
    save("alarm", state, architecture="alarm", config=config, embeddings=facts)
    names = [f"{channel}.{scorer}" for channel, scorer in scorers.items()]
    told = {"scorers": {name: {"value": 1.0} for name in names}, "raising": names}
    (folder / "threshold.json").write_text(json.dumps(told))
    return tmp_path


@pytest.mark.parametrize(
    "module",
    [trained_classifier, trained_detector, trained_segmenter, trained_alarm],
    ids=lambda m: m.__name__,
)
def test_examples_of_public_docstrings_run(module: ModuleType, models: Path) -> None:
    found = doctest.testmod(module, extraglobs=NAMES, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= 3
    assert not found.failed


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_examples_of_the_documents_run(page: str, models: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, dict(NAMES))


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_every_page_with_examples_is_run() -> None:
    with_examples = {page.name for page in PAGES if blocks_of(page)}
    assert with_examples == {"README.md", "models.md", "alarm.md"}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=lambda p: p.name)
def test_examples_define_all_names_that_they_use(page: Path) -> None:
    for block in blocks_of(page):
        names = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        imported = {
            alias.asname or alias.name
            for node in ast.walk(ast.parse(block))
            if isinstance(node, ast.ImportFrom | ast.Import)
            for alias in node.names
        }
        used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        assert used <= stored | imported | NAMES.keys() | set(dir(builtins)), block


def test_examples_of_the_alarm_run(models: Path) -> None:
    tracked, streamed = blocks_of(ROOT / "docs/alarm.md")
    exec(streamed, dict(NAMES))
    # The alarm of this test has no channel of tracked objects, so that is where the example ends.
    with pytest.raises(InputError, match="expected an alarm with the channel objects"):
        exec(tracked, dict(NAMES))


def test_what_a_user_imports_is_named_and_nothing_else() -> None:
    assert set(classifier.__all__) == {"TrainedClassifier", "fit_crop"}
    assert set(detector.__all__) == {"Detections", "Suppression", "TrainedDetector", "masks_of"}
    streamed = {"AlarmStream", "Evidence", "WindowVerdict"}
    tracked = {"Moment", "track_frames"}
    assert set(alarm.__all__) == {"TrainedAlarm", "Verdict", *streamed, *tracked}
    assert set(segmenter.__all__) == {"Segmentation", "TrainedSegmenter"}
    for module in (classifier, detector, segmenter, alarm):
        for name in module.__all__:
            assert getattr(module, name).__doc__
