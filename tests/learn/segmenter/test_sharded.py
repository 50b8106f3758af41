"""The loss of a batch in shards is that of the whole batch, however unequal the shards are."""

from pathlib import Path

import pytest
import torch
from tiny_settings import shipped
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.segmenter.network.interface import IGNORED, Segmenter
from vigil.learn.segmenter.training.losses import cross_entropy
from vigil.learn.segmenter.training.module import SegmenterTraining
from vigil.learn.training.loop import Plan, fit
from vigil.settings.train_segmenter import TrainSegmenter

NUM_CLASSES, BATCH_SIZE = 3, 8
WEIGHTS = torch.tensor([1.0, 4.0, 0.25])
LOSSES = ("ce", "bce", "dice", "ce+dice", "bce+dice")


class WithoutNorms(Segmenter):
    """A segmenter whose outputs for a picture do not depend on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.GELU(), nn.Conv2d(6, 3, 3, 1, 1))
        self.auxiliary = nn.Conv2d(3, 3, 3, 4, 1)

    def maps(self, pictures: Tensor) -> dict[str, Tensor]:
        floats = pictures.float() / 255
        maps = {"main": self.main(floats)}
        return maps | ({"auxiliary": self.auxiliary(floats)} if self.training else {})


class Recorded(SegmenterTraining):
    """Keeps the gradient of each step. The weights change by SGD: Adam would hide a factor."""

    def __init__(self, settings: TrainSegmenter, weights: Tensor | None) -> None:
        torch.manual_seed(0)
        super().__init__(WithoutNorms(), settings, num_classes=NUM_CLASSES, class_weights=weights)
        self.gradients: list[Tensor] = []

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        weights = self.network.parameters()
        self.gradients.append(torch.cat([one.grad.flatten() for one in weights]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), 0.1)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


def examples() -> tuple[Tensor, Tensor]:
    """21 pictures, so the last batch has 5. Some have no pixel that counts, others only such."""
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randint(256, (21, 3, 12, 16), generator=generator, dtype=torch.uint8)
    truth = torch.randint(NUM_CLASSES, (21, 12, 16), generator=generator)
    for number, one in enumerate(truth):
        num_ignored = (192, 192, 40, 0, 0, 190, 191, 100)[number % BATCH_SIZE]
        one.view(-1)[:num_ignored] = IGNORED
    return pictures, truth


def train(
    folder: Path, num_shards: int, weights: Tensor | None = None, **changes: object
) -> tuple[Tensor, dict[str, float]]:
    """The gradients of all steps, and the logged values of the last epoch."""
    fitting = {"max_epochs": 2, "batch_size": BATCH_SIZE, "precision": "32-true"}
    settings = shipped(
        TrainSegmenter,
        architecture="fcn_resnet50",
        monitor="val_loss",
        canvas_wh=[64, 64],
        part=1.0,
        ema_decay=0.0,
        fitting={**fitting, "gradient_clip": 0.0},
        **changes,
    )
    module = Recorded(settings, weights)
    data = TensorDataset(*examples())
    plan = Plan(
        module,
        DataLoader(data, BATCH_SIZE),
        DataLoader(data, BATCH_SIZE),
        settings.fitting.chosen,
        settings.monitor,
        settings.mode,
        seed=2,
        num_shards=num_shards,
    )
    fitted = fit(plan, branch="segmenter", fingerprint=f"{num_shards}", curves=folder / "curves")
    return torch.stack(module.gradients), fitted.values


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_whole_batches(tmp_path: Path, loss: str, weights: Tensor | None):
    """Also of the auxiliary classifier, and the logged losses."""
    whole, values = train(tmp_path / "1", 1, weights, loss=loss)
    assert len(whole) == 6
    assert (whole != 0).all(dim=1).any()
    for num_shards in (2, 4):
        cut, values_of_cut = train(tmp_path / f"{num_shards}", num_shards, weights, loss=loss)
        torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-6)
        assert values_of_cut == pytest.approx(values, rel=1e-5)


def test_shards_have_hardest_pixels_of_their_own(tmp_path: Path):
    """And count by all their pixels that count, not by their pictures."""
    options = {"loss": "ce", "ohem_fraction": 0.3, "auxiliary_weight": 0.0}
    cut, _ = train(tmp_path, 2, **options)
    network = Recorded(shipped(TrainSegmenter), None).network.train()
    pictures, truth = (one[:BATCH_SIZE] for one in examples())
    num_counted = (truth != IGNORED).sum()
    total = torch.zeros(())
    for own in (slice(0, 4), slice(4, 8)):
        logits = network(pictures[own])
        loss = cross_entropy(logits, truth[own], fraction=0.3)
        total = total + loss * (truth[own] != IGNORED).sum() / num_counted
    total.backward()
    expected = torch.cat([one.grad.flatten() for one in network.main.parameters()])
    torch.testing.assert_close(cut[0, : len(expected)], expected, rtol=1e-4, atol=1e-6)
