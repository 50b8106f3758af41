"""Measures trained models on held-out data: numbers, curves and pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from vigil.domain.sides import read_side
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Section
from vigil.plumbing.records import write_csv, write_json
from vigil.plumbing.stages import run_stage

if TYPE_CHECKING:
    from vigil.learn.data.classifier import CropDataset


class Classifier(Section):
    threshold: Annotated[float, Field(ge=0, le=1)]
    num_calibration_bins: Annotated[int, Field(ge=2, le=100)]
    height_step_px: Annotated[int, Field(ge=1)]
    num_pictures: Annotated[int, Field(ge=0, le=100)]


class Anomaly(Section):
    seed: Annotated[int, Field(ge=0)]
    num_bootstrap: Annotated[int, Field(ge=1, le=100_000)]
    num_neighbours: Annotated[int, Field(ge=1)]
    num_pictures: Annotated[int, Field(ge=0, le=100)]


class Params(Section):
    classifier: Classifier
    anomaly: Anomaly


def classifier(
    *,
    samples: Path,
    test: Path,
    weights: Path,
    card: Path,
    metrics: Path,
    plots: Path,
    params: Classifier,
) -> None:
    from vigil.domain.measures.classifier import accuracy_by, measure_binary
    from vigil.domain.samples import LABELS
    from vigil.learn.data.classifier import CropDataset, batches
    from vigil.learn.models.classifier.registry import load_classifier
    from vigil.learn.prediction.classifier import predict_probabilities
    from vigil.learn.runtime import choose_device, make_deterministic

    make_deterministic()
    dataset = CropDataset(samples, read_side(test))
    model = load_classifier(weights, card)
    loader = batches(dataset, 64, shuffle_seed=None)
    probabilities = predict_probabilities(model, loader, choose_device()).double().numpy()
    table = dataset.table.assign(probability=probabilities)
    targets = (table["label"] == LABELS[1]).to_numpy()
    predicted = probabilities >= params.threshold
    correct = predicted == targets
    by_video = accuracy_by(correct, table["video"].reset_index(drop=True), "video")
    numbers = {
        **measure_binary(targets, probabilities, params.threshold),
        "accuracy_by_video": dict(zip(by_video["video"], by_video["accuracy"], strict=True)),
    }
    write_json(numbers, metrics)
    with whole(plots) as folder:
        folder.mkdir()
        _write_curves(table, targets, correct, predicted, params, folder)
        _draw_predictions(dataset, table, correct, params.num_pictures, folder)
    print({name: value for name, value in numbers.items() if not isinstance(value, dict)})


def _write_curves(
    table: pd.DataFrame,
    targets: npt.NDArray[np.bool_],
    correct: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.bool_],
    params: Classifier,
    folder: Path,
) -> None:
    from vigil.domain.measures.classifier import accuracy_by, calibration_curve, roc_curve
    from vigil.domain.samples import LABELS

    probabilities = table["probability"].to_numpy()
    names = np.array(LABELS)
    confusion = pd.DataFrame(
        {"actual": names[targets.astype(int)], "predicted": names[predicted.astype(int)]}
    )
    write_csv(confusion, folder / "confusion.csv")
    write_csv(roc_curve(targets, probabilities), folder / "roc.csv")
    calibration = calibration_curve(targets, probabilities, params.num_calibration_bins)
    write_csv(calibration, folder / "calibration.csv")
    step = params.height_step_px
    lower = (table["height_px"].to_numpy() // step * step).astype(int)
    by_height = accuracy_by(correct, pd.Series(lower), "height_from_px")
    write_csv(by_height, folder / "accuracy_by_height.csv")


def _draw_predictions(
    dataset: "CropDataset",
    table: pd.DataFrame,
    correct: npt.NDArray[np.bool_],
    num_pictures: int,
    folder: Path,
) -> None:
    """A sheet of right predictions spread over the set, and one of the worst wrong ones."""
    from vigil.domain.samples import LABELS
    from vigil.pixels.drawing import tile, write_picture

    wrongness = (table["probability"] - (table["label"] == LABELS[1])).abs().to_numpy()
    wrong = np.flatnonzero(~correct)[np.argsort(-wrongness[~correct], kind="stable")]
    right = np.flatnonzero(correct)
    spread = right[np.linspace(0, len(right) - 1, min(num_pictures, len(right))).astype(int)]
    for name, chosen in (("right", spread), ("wrong", wrong[:num_pictures])):
        pictures, captions = [], []
        for position in chosen:
            crops, _ = dataset[int(position)]
            row = table.iloc[int(position)]
            middle = crops[len(crops) // 2].numpy()
            pictures.append(np.kron(middle, np.ones((2, 2), np.uint8)))
            size = f"{row['width_px']:.0f}x{row['height_px']:.0f}"
            captions.append(f"{row['label'][:6]} {row['probability']:.2f} {size}")
        if not pictures:  # nothing is wrong: say so in place of an empty sheet
            pictures, captions = [np.zeros((100, 100), np.uint8)], [f"no {name} ones"]
        write_picture(tile(pictures, captions, num_columns=8), folder / f"{name}.png")


def anomaly(
    *,
    clips: Path,
    embeddings: Path,
    threshold: Path,
    weights: Path,
    card: Path,
    metrics: Path,
    plots: Path,
    params: Anomaly,
) -> None:
    from vigil.domain.embeddings import read_embeddings, score_clips
    from vigil.domain.measures.anomaly import (
        accuracy_by_class,
        accuracy_by_split,
        bootstrap_intervals,
        measure_alarm,
    )
    from vigil.domain.sides import TEST, TRAIN, VAL
    from vigil.domain.thresholds import pick, read_threshold
    from vigil.learn.data.anomaly import batches
    from vigil.learn.embedding import NetworkEmbedder
    from vigil.learn.models.anomaly.stored import load_autoencoder
    from vigil.learn.models.anomaly.tuned import put_into
    from vigil.learn.prediction.anomaly import reconstruction_errors
    from vigil.learn.runtime import choose_device, make_deterministic

    make_deterministic()
    index, vectors, _ = read_embeddings(embeddings)
    model, tuned, facts = load_autoencoder(weights, card)
    if model.width != vectors.shape[1]:
        raise InputError(
            f"{weights}: expected an autoencoder of vectors of {vectors.shape[1]} numbers, "
            f"got one of {model.width}"
        )
    if tuned:
        embedder = NetworkEmbedder.again(facts["embeddings"])
        put_into(embedder.model, tuned)
        names = index["clip"].unique()
        vectors = np.concatenate(list(embedder.embed([clips / name for name in names])))
    value, rule = read_threshold(threshold)
    errors = reconstruction_errors(
        model, batches(vectors, np.arange(len(vectors)), 1024, shuffle_seed=None), choose_device()
    )
    table = score_clips(index, errors, facts["clip_score"])
    test = table[table["split"] == TEST]
    is_anomalous = test["is_anomalous"].to_numpy()
    scores = test["error"].to_numpy()
    baselines = {}
    own = (~index["is_anomalous"] & (index["split"] == TRAIN)).to_numpy()
    for name, distances in _baseline_distances(vectors, own, params.num_neighbours).items():
        rows = score_clips(index, distances, facts["clip_score"])
        val = rows[rows["split"] == VAL]
        by_kind = [val.loc[val["is_anomalous"] == kind, "error"].to_numpy() for kind in (0, 1)]
        limit = pick(rule, *by_kind).value
        distances_of_test = rows.loc[rows["split"] == TEST, "error"].to_numpy()
        baselines[name] = {
            **measure_alarm(is_anomalous, distances_of_test, limit),
            "threshold": limit,
        }
    numbers = {
        **measure_alarm(is_anomalous, scores, value),
        "threshold": value,
        "accuracy": accuracy_by_split(table, value),
        "accuracy_by_class": accuracy_by_class(test, value),
        "intervals_95": bootstrap_intervals(
            is_anomalous, scores, value, num_rounds=params.num_bootstrap, seed=params.seed
        ),
        "num_allowed": int((~is_anomalous).sum()),
        "num_anomalous": int(is_anomalous.sum()),
        "baselines": baselines,
    }
    write_json(numbers, metrics)
    with whole(plots) as folder:
        folder.mkdir()
        _write_alarm_curves(table, value, folder)
        _draw_verdicts(test, value, clips, params.num_pictures, folder)
    print({name: value for name, value in numbers.items() if not isinstance(value, dict)})


def _baseline_distances(
    vectors: npt.NDArray[np.float32], train: npt.NDArray[np.bool_], num_neighbours: int
) -> dict[str, npt.NDArray[np.float64]]:
    from vigil.domain.scorers import mahalanobis_distances, neighbour_distances

    every = vectors.astype(np.float64)
    return {
        "mahalanobis": mahalanobis_distances(every[train], every),
        "nearest_neighbours": neighbour_distances(every[train], every, num_neighbours),
    }


def _write_alarm_curves(table: pd.DataFrame, threshold: float, folder: Path) -> None:
    from vigil.domain.measures.anomaly import precision_recall_curve, roc_curve, sweep_thresholds
    from vigil.domain.sides import TEST
    from vigil.pixels.clip_figures import draw_error_boxes

    alarm = table["error"] > threshold
    write_csv(
        table.assign(alarm=alarm, is_right=alarm == table["is_anomalous"]).round(6),
        folder / "errors.csv",
    )
    test = table[table["split"] == TEST]
    is_anomalous, scores = test["is_anomalous"].to_numpy(), test["error"].to_numpy()
    write_csv(roc_curve(is_anomalous, scores), folder / "roc.csv")
    write_csv(precision_recall_curve(is_anomalous, scores), folder / "precision_recall.csv")
    write_csv(sweep_thresholds(is_anomalous, scores), folder / "thresholds.csv")
    split = table["split"].where(~table["is_anomalous"], table["split"] + " anomaly")
    by_split = {
        name: table.loc[split == name, "error"].to_numpy()
        for name in ("train", "val", "test", "val anomaly", "test anomaly")
        if (split == name).any()
    }
    draw_error_boxes(by_split, threshold, folder / "errors_by_split.png", "Error by split")
    classes = (
        test[["class", "is_anomalous"]].drop_duplicates().sort_values(["is_anomalous", "class"])
    )
    by_class = {
        f"{name} (!)" if anomalous else name: test.loc[test["class"] == name, "error"].to_numpy()
        for name, anomalous in classes.itertuples(index=False)
    }
    draw_error_boxes(
        by_class, threshold, folder / "errors_by_class.png", "Error of test clips by class"
    )


def _draw_verdicts(
    test: pd.DataFrame, threshold: float, clips: Path, num_pictures: int, folder: Path
) -> None:
    """A sheet of the worst misses, and one of the worst false alarms, a clip a row."""
    from vigil.pixels.clip_sheet import draw_clip_sheet

    alarm = test["error"] > threshold
    misses = test[~alarm & test["is_anomalous"]].sort_values("error", kind="stable")
    false_alarms = test[alarm & ~test["is_anomalous"]].sort_values(
        "error", kind="stable", ascending=False
    )
    for name, rows in (("misses", misses), ("false_alarms", false_alarms)):
        shown = rows.head(num_pictures)
        captions = [
            f"{error / threshold:.2f} x {clip}"
            for clip, error in shown[["clip", "error"]].itertuples(index=False)
        ]
        draw_clip_sheet([clips / clip for clip in shown["clip"]], captions, folder / f"{name}.png")


if __name__ == "__main__":
    run_stage(classifier, anomaly)
