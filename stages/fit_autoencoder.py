"""Fits an autoencoder to the embeddings of allowed clips."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from vigil.domain.embeddings import read_embeddings, score_clips
from vigil.domain.sides import TRAIN, VAL
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest, fingerprint
from vigil.plumbing.params import Section
from vigil.plumbing.records import write_csv
from vigil.plumbing.stages import code_fingerprint, run_stage

Width = Annotated[int, Field(ge=1)]


class Params(Section):
    seed: Annotated[int, Field(ge=0)]
    hidden: Annotated[tuple[Width, ...], Field(min_length=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    error: Literal["sum", "mean"]
    clip_score: Literal["mean", "max"]
    max_epochs: Annotated[int, Field(ge=1)]
    patience_epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["constant", "step", "plateau"]
    schedule_epochs: Annotated[int, Field(ge=1)]
    schedule_factor: Annotated[float, Field(gt=0, lt=1)]
    gradient_clip: Annotated[float, Field(ge=0)]


def main(
    *,
    embeddings: Path,
    weights: Path,
    card: Path,
    curves: Path,
    errors: Path,
    params: Params,
) -> None:
    from vigil.learn.autoencoder import MONITOR, AutoencoderTraining
    from vigil.learn.data.anomaly import batches
    from vigil.learn.epoch_schedules import EpochSchedule
    from vigil.learn.models.anomaly.autoencoder import build_autoencoder
    from vigil.learn.prediction.anomaly import reconstruction_errors
    from vigil.learn.runtime import choose_device, seed_torch
    from vigil.learn.training import Fitting, fit, forget_checkpoints
    from vigil.learn.weights import save_model

    index, vectors, facts = read_embeddings(embeddings)
    allowed = ~index["is_anomalous"]
    train = vectors[(allowed & (index["split"] == TRAIN)).to_numpy()]
    val = vectors[(allowed & (index["split"] == VAL)).to_numpy()]
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
        **params.model_dump(include={"max_epochs", "patience_epochs", "gradient_clip", "seed"}),
    )
    run = fingerprint(
        {
            "code": code_fingerprint(main),
            "params": params.model_dump(),
            "embeddings": {file.name: file_digest(file) for file in sorted(embeddings.iterdir())},
        }
    )
    seed_torch(params.seed)
    model = build_autoencoder(config)
    fitted = fit(
        AutoencoderTraining(
            model,
            EpochSchedule(**params.model_dump(include=set(EpochSchedule.__dataclass_fields__))),
            learning_rate=params.learning_rate,
            weight_decay=params.weight_decay,
        ),
        batches(train, params.batch_size, shuffle_seed=params.seed),
        batches(val, 1024, shuffle_seed=None),
        fitting,
        stage="fit_autoencoder",
        fingerprint=run,
        curves=curves,
    )
    model.load_state_dict(fitted.state)
    seen = index["split"].isin([TRAIN, VAL]).to_numpy()
    stored = batches(vectors[seen], 1024, shuffle_seed=None)
    scores = reconstruction_errors(model, stored, choose_device())
    write_csv(score_clips(index[seen], scores, params.clip_score), errors)
    save_model(
        fitted.state,
        {
            "architecture": "autoencoder",
            "config": config,
            "clip_score": params.clip_score,
            "embeddings": facts,
            "training": {
                "params": params.model_dump(mode="json"),
                "num_train": len(train),
                "num_val": len(val),
                "num_epochs": fitted.num_epochs,
                "best_epoch": fitted.best_epoch,
                "values_at_best_epoch": fitted.values,
                "num_parameters": int(np.sum([t.numel() for t in fitted.state.values()])),
            },
        },
        weights,
        card,
    )
    forget_checkpoints("fit_autoencoder", run)


if __name__ == "__main__":
    run_stage(main)
