"""Measures the first form of the classifier, to show the effect of its later corrections.

In the first form of the crop transformer, attention weights sum to one over queries instead of
keys. An average over both tokens and channels leaves a single number for the head. It is trained by
plain Adam, without augmentation. Here it is trained on the split of `split@classifier`, in the same
training loop, and measured on the same test samples:

    dvc repro split@classifier
    python benchmarks/seed_form.py --seed 0
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import torch
from measure import shipped
from torch import Tensor, nn

from vigil.domain.measures.classifier import measure_binary
from vigil.domain.samples.index import LABELS
from vigil.domain.sides import read_side
from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.classifier.training.module import MONITOR, ClassifierTraining
from vigil.learn.networks.machine import choose_device, seed_torch
from vigil.learn.training.loop import Plan, fit
from vigil.settings.train_classifier import Augmentation, TrainClassifier

SAMPLES, SPLITS = Path("data/samples"), Path("data/splits/classifier")
PATCH_PX, WIDTH, NUM_HEADS, MLP_WIDTH, DROPOUT = 5, 256, 8, 1024, 0.1
UNCHANGED = Augmentation(
    flip_probability=0.0,
    max_shift_px=0.0,
    max_scale=1.0,
    max_brightness=0.0,
    max_contrast=0.0,
    noise=0.0,
)


class SeedAttention(nn.Module):
    """Self-attention whose weights sum to one over queries, which is the first fault."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.join = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        split = self.project(tokens).unflatten(2, (3, NUM_HEADS, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = split
        scores = queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5
        mixed = scores.softmax(dim=2) @ values
        joined: Tensor = self.join(mixed.transpose(1, 2).flatten(2))
        return joined


class SeedForm(nn.Module):
    """The network: (B, T, S, S) grey crops to (B,) logits."""

    def __init__(self, num_frames: int, size_px: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(num_frames, WIDTH, PATCH_PX, PATCH_PX)
        num_tokens = (size_px // PATCH_PX) ** 2
        self.position = nn.Parameter(0.02 * torch.randn(1, num_tokens, WIDTH))
        self.norm, self.attention = nn.LayerNorm(WIDTH), SeedAttention()
        self.mlp = nn.Sequential(
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, MLP_WIDTH),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(MLP_WIDTH, WIDTH),
        )
        self.head = nn.Sequential(nn.Linear(1, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, crops: Tensor) -> Tensor:
        tokens = self.patches(crops.float() / 255).flatten(2).transpose(1, 2) + self.position
        tokens = tokens + self.attention(self.norm(tokens))
        tokens = tokens + self.mlp(tokens)
        pooled = tokens.mean(dim=(1, 2))[:, None]  # over tokens and channels: the second fault
        logits: Tensor = self.head(pooled).squeeze(1)
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed: int = parser.parse_args().seed
    settings = _plainly(shipped(TrainClassifier), seed)
    batch_size = settings.fitting.batch_size
    names = {side: read_side(SPLITS / f"{side}.json") for side in ("train", "val", "test")}
    sets = {side: CropDataset(SAMPLES, ids) for side, ids in names.items()}
    num_frames, size_px, _ = sets["train"].sample_shape
    seed_torch(seed)
    model = SeedForm(num_frames, size_px)
    plan = Plan(
        ClassifierTraining(model, settings),
        batches(sets["train"], batch_size, shuffle_seed=seed),
        batches(sets["val"], batch_size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=seed,
    )
    folder = Path(tempfile.mkdtemp())
    os.environ["VIGIL_STATE_DIR"] = str(folder / "state")
    try:
        fitted = fit(plan, branch="seed_form", fingerprint="once", curves=folder / "curves")
    finally:
        shutil.rmtree(folder)
    model.load_state_dict(fitted.state)
    trained = TrainedClassifier(model, sets["test"].sample_shape, LABELS, choose_device())
    probabilities = trained.predict_all(sets["test"], batch_size)
    targets = (sets["test"].table["label"] == LABELS[1]).to_numpy()
    print(f"best epoch {fitted.best_epoch} of {fitted.num_epochs}")
    print(measure_binary(targets, probabilities, 0.5))


def _plainly(settings: TrainClassifier, seed: int) -> TrainClassifier:
    """Settings for plain Adam in 32 bits, without clipping, label smoothing and augmentation."""
    fitting = {"min_delta": 0.0, "gradient_clip": 0.0, "precision": "32-true"}
    plain = {"optimiser": "adam", "learning_rate": 1e-3, "weight_decay": 0.0}
    rate = {"schedule": "constant", "warmup_fraction": 0.0}
    return settings.model_copy(
        update={
            "seed": seed,
            "label_smoothing": 0.0,
            "fitting": settings.fitting.model_copy(update=fitting),
            "optimisation": settings.optimisation.model_copy(update=plain | rate),
            "augmentation": UNCHANGED,
        }
    )


if __name__ == "__main__":
    main()
