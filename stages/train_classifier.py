"""Trains a network to tell people from background in sequences of crops."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vigil.domain.samples.index import LABELS
from vigil.domain.splits.sides import read_side
from vigil.plumbing.errors import InputError
from vigil.plumbing.params import Count, Fraction, Rate, Section, Seed, Weight, Width
from vigil.plumbing.stages import code_fingerprint, run_stage
from vigil.plumbing.trainings import train_once


class Params(Section):
    seed: Seed
    architecture: Literal["crop_transformer"]
    patch_px: Count
    width: Width
    depth: Annotated[int, Field(ge=1, le=100)]
    num_heads: Width
    mlp_width: Width
    dropout: Annotated[float, Field(ge=0, lt=1)]
    max_epochs: Count
    patience_epochs: Count
    batch_size: Count
    optimiser: Literal["adam", "adamw", "sgd"]
    learning_rate: Rate
    weight_decay: Weight
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    schedule: Literal["constant", "cosine", "step", "plateau"]
    schedule_epochs: Count
    schedule_factor: Annotated[float, Field(gt=0, lt=1)]
    warmup_fraction: Fraction
    gradient_clip: Weight
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    flip_probability: Fraction
    max_shift_px: Annotated[float, Field(ge=0, le=10_000)]
    max_scale: Annotated[float, Field(ge=1, le=100)]
    max_brightness: Fraction
    max_contrast: Annotated[float, Field(ge=0, lt=1)]
    noise: Fraction

    @model_validator(mode="after")
    def _check_heads(self) -> "Params":
        if self.width % self.num_heads:
            raise ValueError(
                f"expected num_heads to divide the width {self.width}, got {self.num_heads}"
            )
        return self


def check_sections(sections: Mapping[str, Any]) -> None:
    """Patches must tile the crops."""
    patch_px, size_px = sections["train_classifier"].patch_px, sections["generate_samples"].size_px
    if size_px % patch_px:
        raise InputError(
            f"params.yaml: train_classifier.patch_px: expected a divisor of "
            f"generate_samples.size_px ({size_px}), got {patch_px}"
        )


def main(
    *,
    samples: Path,
    train: Path,
    val: Path,
    weights: Path,
    card: Path,
    curves: Path,
    params: Params,
) -> None:
    # Torch is imported here, so that a light stage can check these Params without it.
    from vigil.learn.classifier.network.data import CropDataset, batches
    from vigil.learn.classifier.network.registry import build_classifier
    from vigil.learn.classifier.training.augmentation import CropAugmentation
    from vigil.learn.classifier.training.module import MONITOR, ClassifierTraining
    from vigil.learn.networks.machine import seed_torch
    from vigil.learn.networks.weights import save_model
    from vigil.learn.training.loop import Fitting, fit
    from vigil.learn.training.optimisation import Optimisation

    train_set = CropDataset(samples, read_side(train))
    val_set = CropDataset(samples, read_side(val))
    num_frames, size_px, _ = train_set.sample_shape
    config = {
        "num_frames": num_frames,
        "size_px": size_px,
        **params.model_dump(
            include={"patch_px", "width", "depth", "num_heads", "mlp_width", "dropout"}
        ),
    }
    augmentation = CropAugmentation(
        **params.model_dump(include=set(CropAugmentation.__dataclass_fields__))
    )
    optimisation = Optimisation(**params.model_dump(include=set(Optimisation.__dataclass_fields__)))
    fitting = Fitting(
        monitor=MONITOR,
        mode="min",
        min_delta=0.0,
        **params.model_dump(
            include={"max_epochs", "patience_epochs", "gradient_clip", "precision", "seed"}
        ),
    )

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        seed_torch(params.seed)
        model = build_classifier(params.architecture, config)
        fitted = fit(
            ClassifierTraining(model, augmentation, optimisation, params.label_smoothing),
            batches(train_set, params.batch_size, shuffle_seed=params.seed),
            batches(val_set, params.batch_size, shuffle_seed=None),
            fitting,
            stage="train_classifier",
            fingerprint=run,
            curves=results["curves"],
        )
        save_model(
            fitted.state,
            {
                "architecture": params.architecture,
                "config": config,
                "classes": list(LABELS),
                "input": "grey crops in [0, 255]; sides over size_px resized, shorter zero-padded",
                "training": {
                    "params": params.model_dump(),
                    "num_train": len(train_set),
                    "num_val": len(val_set),
                    **fitted.facts(),
                },
            },
            results["weights"],
            results["card"],
        )

    train_once(
        "train_classifier",
        {
            "code": code_fingerprint(main),
            "params": params.model_dump(),
            "train": train_set.digest(),
            "val": val_set.digest(),
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )


if __name__ == "__main__":
    run_stage(main)
