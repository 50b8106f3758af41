"""Scores every clip by every scorer of every channel, and lists the evidence in the test set."""

from pathlib import Path

import pandas as pd

from vigil.domain.clips.evidence.embeddings import read_embeddings
from vigil.domain.clips.found import gather_found, strongest_in_windows, write_found
from vigil.domain.clips.nearest import find_nearest, write_nearest
from vigil.domain.clips.pooling import score_clips
from vigil.domain.clips.scores import write_scores
from vigil.domain.clips.windows import label_windows, read_labels
from vigil.domain.sides import TEST
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
    channels = read_embeddings(embeddings)
    windows = next(iter(channels.values())).index
    labelled = label_windows(windows, read_labels(labels), splits)
    alarm = TrainedAlarm.from_files(weights, card, device=choose_device())
    scores = alarm.score_pieces(channels, clips)
    columns = {
        scorer: strongest_in_windows(channels[name], of_pieces)
        for name, by_scorer in scores.items()
        for scorer, of_pieces in by_scorer.items()
    }
    raising = {name: next(iter(by_scorer.values())) for name, by_scorer in scores.items()}
    is_test = (labelled["split"] == TEST).to_numpy()
    with whole(predictions) as folder:
        folder.mkdir()
        table = score_clips(labelled, pd.DataFrame(columns), settings.clip_score)
        write_scores(table, folder / "scores.csv")
        features = alarm.features_of(channels)
        write_found(gather_found(channels, raising, is_test, features), folder / "found.csv")
        write_nearest(find_nearest(channels, raising, labelled), folder / "nearest.csv")


if __name__ == "__main__":
    run_stage(main)
