"""Scores every clip with every scorer: the autoencoder and the two classical scorers."""

from pathlib import Path

from vigil.domain.clips.embeddings import read_embeddings
from vigil.domain.clips.pooling import score_clips
from vigil.domain.clips.scores import write_scores
from vigil.domain.clips.windows import label_windows, read_labels
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.predict_alarm import PredictAlarm


def main(
    *,
    clips: Path,
    embeddings: Path,
    labels: Path,
    splits: Path,
    weights: Path,
    card: Path,
    predictions: Path,
    settings: PredictAlarm,
) -> None:
    prepare_torch()
    windows, vectors, _ = read_embeddings(embeddings)
    labelled = label_windows(windows, read_labels(labels), splits)
    alarm = TrainedAlarm.from_files(
        weights, card, num_neighbours=settings.num_neighbours, device=choose_device()
    )
    scores = alarm.score_windows(windows, vectors, clips)
    with whole(predictions) as folder:
        folder.mkdir()
        write_scores(score_clips(labelled, scores, settings.clip_score), folder / "scores.csv")


if __name__ == "__main__":
    run_stage(main)
