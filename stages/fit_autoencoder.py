"""Fits an autoencoder to the embeddings of allowed clips; by choice, tunes what embeds them too."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from vigil.domain.clips.embeddings import Vectors, read_embeddings, score_clips
from vigil.domain.splits.sides import TRAIN, VAL
from vigil.plumbing.closure import imports_from
from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.params import Count, CountOr0, Rate, Section, Seed, Weight, Width
from vigil.plumbing.records import write_csv
from vigil.plumbing.stages import code_fingerprint, run_stage
from vigil.plumbing.trainings import train_once

if TYPE_CHECKING:
    from torch import Tensor

    from vigil.learn.alarm.embedding.embedder import NetworkEmbedder

WINDOWS_MEMO = "fit_autoencoder_windows"
ONLY_TO_TUNE = (
    *("vigil.learn.alarm.embedding.embedder", "vigil.learn.alarm.training.fine_tuning"),
    *("vigil.learn.alarm.embedding.registry", "vigil.learn.alarm.scoring.tuned"),
)


class FineTuning(Section):
    from_epoch: CountOr0
    num_tensors: Count
    learning_rate: Rate
    target: Literal["detached", "momentum"]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    min_variance_fraction: Annotated[float, Field(ge=0, lt=1)]


class Params(Section):
    seed: Seed
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    error: Literal["sum", "mean"]
    clip_score: Literal["mean", "max"]
    max_epochs: Count
    patience_epochs: Count
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)]
    learning_rate: Rate
    weight_decay: Weight
    schedule: Literal["constant", "cosine", "step", "plateau"]
    schedule_epochs: Count
    schedule_factor: Annotated[float, Field(gt=0, lt=1)]
    gradient_clip: Weight
    fine_tuning: FineTuning

    def used(self) -> dict[str, Any]:
        """All that the training depends on."""
        return self.model_dump(
            mode="json", exclude=set() if self.fine_tuning.from_epoch else {"fine_tuning"}
        )


def check_sections(sections: Mapping[str, Any]) -> None:
    """What fine-tuning needs is told before clips are embedded."""
    own, embedding = sections["fit_autoencoder"], sections["embed_clips"]
    where = "params.yaml: fit_autoencoder.fine_tuning.from_epoch: expected"
    if own.fine_tuning.from_epoch > own.max_epochs:
        raise InputError(
            f"{where} at most max_epochs ({own.max_epochs}), got {own.fine_tuning.from_epoch}"
        )
    if own.fine_tuning.from_epoch and embedding.backbone == "flow_histogram":
        raise InputError(f"{where} 0 with embed_clips.backbone: flow_histogram, which cannot learn")


def main(
    *,
    clips: Path,
    embeddings: Path,
    weights: Path,
    card: Path,
    curves: Path,
    errors: Path,
    params: Params,
) -> None:
    from vigil.learn.alarm.embedding.embedder import NetworkEmbedder
    from vigil.learn.alarm.embedding.registry import imports_of_others
    from vigil.learn.alarm.scoring.autoencoder import build_autoencoder
    from vigil.learn.alarm.scoring.data import batches
    from vigil.learn.alarm.scoring.errors import reconstruction_errors
    from vigil.learn.alarm.scoring.tuned import TunedAutoencoder
    from vigil.learn.alarm.training.fine_tuning import FineTuning as FineTuningTraining
    from vigil.learn.alarm.training.fine_tuning import Tuning
    from vigil.learn.alarm.training.module import MONITOR, AutoencoderTraining
    from vigil.learn.networks.machine import choose_device, seed_torch
    from vigil.learn.networks.weights import save_model
    from vigil.learn.training.loop import Fitting, fit
    from vigil.learn.training.optimisation import Optimisation

    index, vectors, facts = read_embeddings(embeddings)
    train, val = (_rows(index, side) for side in (TRAIN, VAL))
    if len(train) < 2 or len(val) < 1:
        raise InputError(
            f"{embeddings}: expected vectors of at least 2 allowed clips to train on and 1 to "
            f"validate, got {len(train)} and {len(val)}"
        )
    config = {
        "width": vectors.shape[1],
        **params.model_dump(mode="json", include={"hidden", "dropout", "error"}),
    }
    fitting = Fitting(
        monitor=MONITOR,
        mode="min",
        min_delta=0.0,
        precision="32-true",
        first_epoch=max(1, params.fine_tuning.from_epoch),
        **params.model_dump(include={"max_epochs", "patience_epochs", "gradient_clip", "seed"}),
    )
    optimisation = Optimisation(
        optimiser="adam",
        warmup_fraction=0.0,
        **params.model_dump(
            include={
                "learning_rate",
                "weight_decay",
                "schedule",
                "schedule_epochs",
                "schedule_factor",
            }
        ),
    )
    seen = np.flatnonzero(index["split"].isin([TRAIN, VAL]))
    is_tuned = params.fine_tuning.from_epoch > 0

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        embedder = NetworkEmbedder.again(facts) if is_tuned else None
        seed_torch(params.seed)
        autoencoder = build_autoencoder(config)
        training: Any
        model: Any
        if embedder:
            model = TunedAutoencoder(autoencoder, embedder.model, params.fine_tuning.num_tensors)
            training = FineTuningTraining(
                model,
                ClipFrames(embedder, below(clips, index["clip"]), index["window"]),
                Tuning(**params.fine_tuning.model_dump(exclude={"num_tensors"})),
                optimisation,
            )
        else:
            model = autoencoder
            training = AutoencoderTraining(model, optimisation)
        fitted = fit(
            training,
            batches(vectors, train, params.batch_size, shuffle_seed=params.seed),
            batches(vectors, val, params.batch_size, shuffle_seed=None),
            fitting,
            stage="fit_autoencoder",
            fingerprint=run,
            curves=results["curves"],
        )
        model.load_state_dict(fitted.state)
        last_vectors = vectors
        tuned: dict[str, Any] = {}
        if embedder:
            Memo(WINDOWS_MEMO).prune()
            tuned = {"tuned_shapes": {n: list(t.shape) for n, t in model.tuned_state().items()}}
            embedder.model.to(choose_device())
            last_vectors = _embed_again(embedder, clips, index, vectors, seen)
        stored = batches(last_vectors, seen, 1024, shuffle_seed=None)
        scores = reconstruction_errors(autoencoder, stored, choose_device())
        write_csv(score_clips(index.iloc[seen], scores, params.clip_score), results["errors"])
        save_model(
            fitted.state,
            {
                "architecture": "autoencoder",
                "config": config,
                **tuned,
                "clip_score": params.clip_score,
                "embeddings": facts,
                "training": {
                    "params": params.used(),
                    "num_train": len(train),
                    "num_val": len(val),
                    **fitted.facts(),
                },
            },
            results["weights"],
            results["card"],
        )

    untaken = imports_from(Path(__file__), *ONLY_TO_TUNE)
    if is_tuned:
        untaken = imports_of_others(facts["backbone"])
    names = index["clip"].iloc[seen].unique()
    train_once(
        "fit_autoencoder",
        {
            "code": code_fingerprint(main, untaken),
            "params": params.used(),
            "embeddings": facts,
            "clips": index.iloc[seen].to_csv(index=False),
            "vectors": hashlib.sha256(vectors[seen].tobytes()).hexdigest(),
            "frames": [file_digest(path) for path in below(clips, names)] if is_tuned else [],
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves, "errors": errors},
    )


def _rows(index: pd.DataFrame, side: str) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Rows of a side's allowed clips."""
    return np.flatnonzero(~index["is_anomalous"] & (index["split"] == side))


class ClipFrames:
    """Windows by their rows in the table of embeddings, decoded once and remembered."""

    def __init__(
        self, embedder: "NetworkEmbedder", paths: list[Path], windows: "pd.Series[int]"
    ) -> None:
        """Args: paths: of each row's clip. windows: which of its windows a row is."""
        told = {name: embedder.facts[name] for name in ("backbone", "num_frames", "num_windows")}
        digests = {path: file_digest(path) for path in set(paths)}
        code = code_fingerprint(main)
        self._facts = [{"code": code, "clip": digests[path], **told} for path in paths]
        self._embedder, self._paths = embedder, paths
        self._windows: list[int] = windows.tolist()
        self._memo = Memo(WINDOWS_MEMO)

    def __call__(self, rows: "Tensor") -> "Tensor":
        """(B, T, S, S, 3) of rows (B,)."""
        import torch

        windows = []
        for row in rows.tolist():

            def decode(file: Path, path: Path = self._paths[row]) -> None:
                with file.open("wb") as opened:
                    np.save(opened, self._embedder.read(path))

            file = self._memo.recall(self._facts[row], decode)
            windows.append(np.load(file, mmap_mode="r")[self._windows[row]])
        return torch.from_numpy(np.stack(windows))


def _embed_again(
    embedder: "NetworkEmbedder",
    clips: Path,
    index: pd.DataFrame,
    vectors: Vectors,
    rows: "np.ndarray[Any, np.dtype[np.int64]]",
) -> Vectors:
    """The table with the vectors that a tuned backbone gives to some of its rows."""
    names = index["clip"].iloc[rows].unique()
    made = np.concatenate(list(embedder.embed(below(clips, names))))
    result = vectors.copy()
    result[rows] = made
    return result


if __name__ == "__main__":
    run_stage(main)
