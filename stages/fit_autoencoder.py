"""Fits an autoencoder to the vectors of allowed clips; optionally fine-tunes the backbone."""

from pathlib import Path

from vigil.learn.alarm.training.assembly import Embedded, fit_autoencoder
from vigil.plumbing.runner import run_stage
from vigil.settings.fit_autoencoder import FitAutoencoder


def main(
    *,
    clips: Path,
    embeddings: Path,
    labels: Path,
    splits: Path,
    weights: Path,
    card: Path,
    curves: Path,
    settings: FitAutoencoder,
) -> None:
    data = Embedded.read(clips, embeddings, labels, splits)
    fit_autoencoder(data, settings, weights=weights, card=card, curves=curves)


if __name__ == "__main__":
    run_stage(main)
