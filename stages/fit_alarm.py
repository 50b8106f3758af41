"""Fits the scorers of each channel to allowed clips; optionally fine-tunes a network."""

from pathlib import Path

from vigil.learn.alarm.training.assembly import Embedded, fit_alarm
from vigil.plumbing.runner import run_stage
from vigil.settings.fit_alarm import FitAlarm


def main(
    *,
    clips: Path,
    embeddings: Path,
    labels: Path,
    splits: Path,
    weights: Path,
    card: Path,
    curves: Path,
    settings: FitAlarm,
) -> None:
    data = Embedded.read(clips, embeddings, labels, splits)
    fit_alarm(data, settings, weights=weights, card=card, curves=curves)


if __name__ == "__main__":
    run_stage(main, is_training=True)
