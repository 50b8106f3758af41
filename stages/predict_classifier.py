"""Predicts for every sample of every side the probability that it shows a person."""

from pathlib import Path

import pandas as pd

from vigil.domain.samples.attention import write_attention
from vigil.domain.samples.predictions import write_predictions
from vigil.domain.sides import SIDES, TEST, read_side
from vigil.learn.classifier.attention import attention_of
from vigil.learn.classifier.network.data import CropDataset
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.predict_classifier import PredictClassifier


def main(
    *,
    samples: Path,
    splits: Path,
    weights: Path,
    card: Path,
    predictions: Path,
    settings: PredictClassifier,
) -> None:
    prepare_torch()
    device = choose_device()
    classifier = TrainedClassifier.from_files(weights, card, device)
    tables = []
    datasets = {side: CropDataset(samples, read_side(splits / f"{side}.json")) for side in SIDES}
    for side, dataset in datasets.items():
        probabilities = classifier.predict_all(dataset, settings.batch_size)
        tables.append(dataset.table.assign(split=side, probability=probabilities))
    with whole(predictions) as folder:
        folder.mkdir()
        write_predictions(pd.concat(tables), folder)
        maps = attention_of(classifier.model, datasets[TEST], settings.batch_size, device)
        write_attention(maps, folder)


if __name__ == "__main__":
    run_stage(main)
