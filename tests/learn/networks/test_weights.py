"""Cards and weights from elsewhere: what does not fit is one line, soon and without memory."""

import json
import math
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import no_longer_than
from safetensors.torch import load_file, save_file
from tiny_detectors import config_of

from vigil.learn.alarm.network.scoring.stored import StoredAlarm, channel_config, load_alarm
from vigil.learn.classifier.network.registry import build_classifier, load_classifier
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks.weights import read_state, save_model
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "classifier": (
        "crop_transformer",
        {
            **{"num_frames": 3, "size_px": 10, "patch_px": 5, "width": 8, "depth": 2},
            **{"num_heads": 2, "mlp_width": 16, "dropout": 0.1},
        },
    ),
    "detector": ("grid", config_of("grid")),
    "alarm": (
        "alarm",
        {
            "appearance": channel_config(
                ["autoencoder", "mahalanobis"],
                12,
                {"width": 12, "hidden": [6, 4], "dropout": 0.0, "error": "sum"},
                {},
                {"mahalanobis": {"mean": np.zeros(12), "precision": np.zeros((12, 12))}},
            )
        },
    ),
}
BUILD: dict[str, Callable[..., torch.nn.Module]] = {
    "classifier": build_classifier,
    "detector": build_detector,
    "alarm": lambda _, config: StoredAlarm(config),
}
LOAD: dict[str, Callable[[Path, Path], object]] = {
    "classifier": load_classifier,
    "detector": TrainedDetector.from_files,
    "alarm": load_alarm,
}
BRANCHES = pytest.mark.parametrize("branch", CONFIGS)


class Stored:
    """A model of a branch on disk."""

    def __init__(self, folder: Path, branch: str) -> None:
        architecture, config = CONFIGS[branch]
        self.branch = branch
        self.weights, self.card_file = folder / f"{branch}.safetensors", folder / f"{branch}.json"
        card: dict[str, Any] = {"architecture": architecture, "config": config}
        if branch == "detector":
            card |= {"classes": ["0", "1"], "input_size_wh": [96, 64], "precision": "32-true"}
        model = BUILD[branch](architecture, config)
        for name, tensor in model.named_buffers():  # those of the alarm have no values yet
            if tensor.is_floating_point():
                tensor.fill_(12.0 if name == "widths" else 1.0)
        save_model(model.state_dict(), card, self.weights, self.card_file)

    def change_card(self, *keys: str, value: Any) -> None:
        card = place = json.loads(self.card_file.read_text())
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        self.card_file.write_text(json.dumps(card))

    def change_weights(self, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
        """Changes them, and the digest in the card with them."""
        state = load_file(self.weights)
        change(state)
        save_file(state, self.weights)
        self.change_card("weights_sha256", value=file_digest(self.weights))

    def refused(self) -> str:
        with no_longer_than(60), pytest.raises(InputError) as error:
            LOAD[self.branch](self.weights, self.card_file)
        told = str(error.value)
        assert "\n" not in told
        assert len(told) < 500
        return told


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[str], Stored]:
    return lambda branch: Stored(tmp_path, branch)


@pytest.fixture
def no_more_memory() -> Iterator[None]:
    """Of what a process may have, 4 GiB more than it has."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + 4 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@BRANCHES
def test_what_was_saved_is_loaded(stored: Callable[[str], Stored], branch: str) -> None:
    own = stored(branch)
    LOAD[branch](own.weights, own.card_file)


@BRANCHES
def test_weights_of_another_digest_are_refused(
    stored: Callable[[str], Stored], branch: str
) -> None:
    own = stored(branch)
    known = json.loads(own.card_file.read_text())["weights_sha256"]
    own.change_weights(lambda state: next(iter(state.values())).add_(1))
    own.change_card("weights_sha256", value=known)
    assert own.refused().startswith(f"{own.card_file}: expected the card of {own.weights}, got ")


@BRANCHES
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(
    stored: Callable[[str], Stored], branch: str, number: float
) -> None:
    own = stored(branch)
    names = [name for name, one in load_file(own.weights).items() if one.is_floating_point()]
    own.change_weights(lambda state: state[names[-1]].view(-1)[-1:].fill_(number))
    assert own.refused() == (
        f"{own.weights}: {names[-1]!r}: expected finite weights, got NaN or infinity"
    )


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_nor_are_they_taken_from_a_file_to_start_from(tmp_path: Path, number: float) -> None:
    torch.save({"model": {"a": torch.ones(3), "b": torch.tensor([0.0, number])}}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="'b': expected finite weights, got NaN or infinity"):
        read_state(tmp_path / "w.pt")


@pytest.mark.parametrize("core", ["core", "_core"])
def test_a_checkpoint_may_hold_numbers_of_numpy(core: str, tmp_path: Path) -> None:
    """YOLOX's training keeps its accuracy, a number of numpy 1 or 2, beside the weights."""
    path = tmp_path / "w.pth"
    content = {"best_ap": np.float64(0.5), "epoch": np.int64(3), "model": {"a": torch.ones(3)}}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(
        path.read_bytes().replace(b"numpy._core.multi", f"numpy.{core}.multi".encode())
    )
    assert torch.equal(read_state(path)["a"], torch.ones(3))


@BRANCHES
@pytest.mark.parametrize("other", CONFIGS)
def test_a_card_of_another_branch_is_refused(
    stored: Callable[[str], Stored], branch: str, other: str
) -> None:
    if branch == other:
        return
    own, others = stored(branch), stored(other)
    own.card_file = others.card_file
    assert own.refused().startswith(f"{others.card_file}: ")


CHANNEL = ("config", "appearance")
ABSURD = [
    ("classifier", ("config", "width"), 10**9),
    ("classifier", ("config", "width"), 8192),
    ("classifier", ("config", "mlp_width"), 10**30),
    ("classifier", ("config", "depth"), 10**9),
    ("classifier", ("config", "num_frames"), 10**12),
    ("classifier", ("config", "size_px"), 5 * 10**9),
    ("classifier", ("config", "size_px"), 8190),
    ("detector", ("config", "num_classes"), 10**9),
    ("detector", ("config", "num_classes"), 8000),
    ("detector", ("config", "features", "neck_width"), 10**9),
    ("detector", ("config", "features", "neck_width"), 8192),
    ("detector", ("input_size_wh",), [10**6, 10**6]),
    ("alarm", (*CHANNEL, "width"), 10**12),
    ("alarm", (*CHANNEL, "autoencoder", "width"), 10**12),
    ("alarm", (*CHANNEL, "autoencoder", "hidden"), [10**9, 10**9]),
    ("alarm", (*CHANNEL, "autoencoder", "hidden"), [8192] * 3),
    ("alarm", (*CHANNEL, "autoencoder", "hidden"), [1] * 10**6),
    ("alarm", (*CHANNEL, "tuned_shapes"), {"a": [10**6, 10**6, 10**6]}),
    ("alarm", (*CHANNEL, "tuned_shapes"), {"a": [8192, 8192, 8192]}),
    ("alarm", (*CHANNEL, "learnt_shapes", "mahalanobis", "mean"), [10**12]),
    ("alarm", (*CHANNEL, "learnt_shapes", "mahalanobis", "precision"), [8192] * 3),
]


@pytest.mark.parametrize(("branch", "keys", "value"), ABSURD)
def test_absurd_sizes_cost_no_memory(
    stored: Callable[[str], Stored],
    no_more_memory: None,
    branch: str,
    keys: tuple[str, ...],
    value: Any,
) -> None:
    own = stored(branch)
    own.change_card(*keys, value=value)
    told = own.refused()
    assert told.startswith((f"{own.card_file}: ", f"{own.weights}: "))
    assert "expected" in told


SENSELESS: list[Any] = [-1, 0, "x", None, [], {}, 1.5, True, math.nan]


@pytest.mark.parametrize("value", SENSELESS, ids=repr)
@pytest.mark.parametrize(
    ("branch", "keys"),
    [
        ("classifier", ("config",)),
        ("classifier", ("architecture",)),
        ("classifier", ("config", "width")),
        ("classifier", ("config", "patch_px")),
        ("classifier", ("config", "num_heads")),
        ("detector", ("config",)),
        ("detector", ("config", "features")),
        ("detector", ("config", "features", "trunk")),
        ("detector", ("config", "num_classes")),
        ("detector", ("config", "stride")),
        ("detector", ("classes",)),
        ("detector", ("input_size_wh",)),
        ("detector", ("precision",)),
        ("alarm", ("architecture",)),
        ("alarm", ("config",)),
        ("alarm", CHANNEL),
        ("alarm", (*CHANNEL, "width")),
        ("alarm", (*CHANNEL, "autoencoder", "width")),
        ("alarm", (*CHANNEL, "tuned_shapes")),
        ("alarm", (*CHANNEL, "learnt_shapes")),
        ("alarm", (*CHANNEL, "learnt_shapes", "mahalanobis", "mean")),
        ("alarm", ("weights_sha256",)),
    ],
)
def test_senseless_values_are_one_line(
    stored: Callable[[str], Stored], branch: str, keys: tuple[str, ...], value: Any
) -> None:
    if keys[-1] == "tuned_shapes" and value == {}:
        return  # none are tuned
    if keys == ("config", "num_heads") and value is True:
        return  # one, for Python
    own = stored(branch)
    own.change_card(*keys, value=value)
    own.refused()


@BRANCHES
def test_a_card_without_a_digest_is_refused(stored: Callable[[str], Stored], branch: str) -> None:
    own = stored(branch)
    card = json.loads(own.card_file.read_text())
    del card["weights_sha256"]
    own.card_file.write_text(json.dumps(card))
    assert "expected the card of" in own.refused()
