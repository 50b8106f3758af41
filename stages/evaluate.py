"""Measures trained models on held-out data: numbers, curves and pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from vigil.domain.splits.sides import TEST, TRAIN, VAL, read_side
from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Count, Fraction, Section, Seed
from vigil.plumbing.records import write_csv, write_json
from vigil.plumbing.stages import run_stage

if TYPE_CHECKING:
    from vigil.domain.pictures.annotated import DetectionSet
    from vigil.learn.classifier.network.data import CropDataset
    from vigil.pixels.images import ImageSource


NUM_DIGITS = 3  # of a threshold that people compare; the one in use has more
PICTURE_WH = (320, 240)  # of each half of a compared picture
CROP_SIDE_PX = 100  # of a crop on a sheet, so that its caption fits below


class Classifier(Section):
    threshold: Fraction
    num_calibration_bins: Annotated[int, Field(ge=2, le=100)]
    height_step_px: Count
    num_pictures: Annotated[int, Field(ge=0, le=100)]


class Detector(Section):
    score_threshold: Literal["auto"] | Fraction
    suppression: Literal["hard", "soft"]
    suppression_iou: Fraction
    soft_sigma: Annotated[float, Field(ge=0.001, le=1000)]
    min_score: Annotated[float, Field(ge=0, lt=1)]
    max_boxes: Annotated[int, Field(ge=1, le=1000)]
    height_step_px: Count
    seed: Seed
    num_pictures: Annotated[int, Field(ge=0, le=100)]


class Anomaly(Section):
    seed: Seed
    num_bootstrap: Annotated[int, Field(ge=1, le=10_000)]
    num_neighbours: Count
    num_pictures: Annotated[int, Field(ge=0, le=100)]


class Params(Section):
    classifier: Classifier
    detector: Detector
    anomaly: Anomaly


def classifier(
    *,
    samples: Path,
    test: Path,
    weights: Path,
    card: Path,
    metrics: Path,
    plots: Path,
    predictions: Path,
    params: Classifier,
) -> None:
    from vigil.domain.measures.classifier import accuracy_by, measure_binary
    from vigil.domain.samples.index import LABELS
    from vigil.learn.classifier.network.data import CropDataset, batches
    from vigil.learn.classifier.network.probabilities import predict_probabilities
    from vigil.learn.classifier.network.registry import load_classifier
    from vigil.learn.networks.machine import choose_device, prepare_torch

    prepare_torch()
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
    with whole(predictions) as folder:
        folder.mkdir()
        columns = ["video", "track", "first_frame", "label", "probability"]
        write_csv(table[columns].round({"probability": 6}), folder / "probabilities.csv")
    with whole(plots) as folder:
        folder.mkdir()
        _write_curves(table, targets, correct, predicted, params, folder)
        _draw_predictions(dataset, table, correct, params.num_pictures, folder)
    write_json(numbers, metrics)  # last: where it is, the rest is
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
    from vigil.domain.samples.index import LABELS

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
    from vigil.domain.samples.index import LABELS
    from vigil.pixels.drawing.on_pictures import enlarge, tile, write_picture

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
            pictures.append(enlarge(middle, CROP_SIDE_PX))
            size = f"{row['width_px']:.0f}x{row['height_px']:.0f}"
            captions.append(f"{row['label'][:6]} {row['probability']:.2f} {size}")
        if not pictures:  # say so in place of an empty sheet
            told = "none asked for" if not num_pictures else f"no {name} ones"
            pictures, captions = [np.zeros((CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)], [told]
        write_picture(tile(pictures, captions, num_columns=8), folder / f"{name}.png")


def detector(
    *,
    images: Path,
    detections: Path,
    splits: Path,
    weights: Path,
    card: Path,
    metrics: Path,
    plots: Path,
    predictions: Path,
    params: Detector,
) -> None:
    from vigil.domain.measures.detector import (
        CURVE_DECIMALS,
        average_precision_by_height,
        best_score,
        coco_results,
        measure_at_score,
        measure_detections,
        precision_recall,
        precision_recall_by_class,
        thin,
    )
    from vigil.domain.pictures.annotated import read_detections
    from vigil.learn.detector.network.data import DetectionDataset, batches
    from vigil.learn.detector.network.suppression import Suppression
    from vigil.learn.detector.network.trained import TrainedDetector
    from vigil.learn.networks.machine import choose_device, prepare_torch
    from vigil.pixels.images import ImageSource

    prepare_torch()
    trained = TrainedDetector(weights, card, choose_device())
    suppression = Suppression(
        params.suppression,
        params.suppression_iou,
        params.soft_sigma,
        params.min_score,
        params.max_boxes,
    )
    known = read_detections(detections)

    def find(side: str) -> "tuple[DetectionSet, pd.DataFrame]":
        truth = known.select(read_side(splits / f"{side}.json"))
        pictures = DetectionDataset(images, truth, input_size_wh=trained.input_size_wh)
        loader = batches(pictures, 8, shuffle_seed=None)
        return truth, trained.detect_all(pictures, loader, suppression)

    threshold = params.score_threshold
    if threshold == "auto":
        threshold = best_score(precision_recall(*find(VAL)))
    truth, found = find(TEST)
    curve = precision_recall(truth, found)
    numbers = {
        **measure_detections(truth, found),
        **measure_at_score(truth, found, threshold),
        "score_threshold": round(threshold, CURVE_DECIMALS),
        "num_pictures": len(truth.images),
        "num_objects": int((~truth.is_ignored).sum()),
    }
    with whole(predictions) as folder:
        folder.mkdir()
        write_json(coco_results(known, found), folder / "detections.json", indent=None)
    with whole(plots) as folder:
        folder.mkdir()
        write_csv(thin(curve), folder / "precision_recall.csv")
        by_class = precision_recall_by_class(truth, found)
        write_csv(by_class, folder / "precision_recall_by_class.csv")
        by_height = average_precision_by_height(truth, found, params.height_step_px)
        write_csv(by_height, folder / "map_by_height.csv")
        kept = found[found["score"] >= threshold]
        _compare_pictures(ImageSource(images), truth, kept, params, folder)
    write_json(numbers, metrics)
    print({name: value for name, value in numbers.items() if not isinstance(value, dict)})


def _compare_pictures(
    source: "ImageSource",
    truth: "DetectionSet",
    found: pd.DataFrame,
    params: Detector,
    folder: Path,
) -> None:
    """Sheets of the best, the worst and of random pictures, truth and detections side by side."""
    from vigil.domain.measures.detector import f1_by_picture, match
    from vigil.domain.pictures.annotated import CORNERS
    from vigil.pixels.drawing.on_pictures import as_caption, tile, write_picture
    from vigil.pixels.sheets.detections import compare

    outcome = match(truth, found)
    missed = ~np.isin(np.arange(len(truth.boxes)), outcome["object"]) & ~truth.is_ignored.to_numpy()
    f1 = f1_by_picture(truth, outcome)
    order = f1.dropna().sort_values(kind="stable").index
    rng = np.random.default_rng(params.seed)
    num = min(params.num_pictures, len(order))
    chosen = {
        "best": order[::-1][:num],
        "worst": order[:num],
        "random": rng.choice(order.to_numpy(), num, replace=False),
    }
    several = len(truth.classes) > 1
    for name, pictures in chosen.items():
        sheets, captions = [], []
        for picture in pictures:
            true = truth.boxes["image"] == picture
            own = outcome[outcome["image"] == picture]
            labels = [f"{label} " if several else "" for label in own["label"]]
            sheets.append(
                compare(
                    source.rgb(picture)[..., ::-1],
                    truth.boxes.loc[true, CORNERS].to_numpy(),
                    [label if several else "" for label in truth.boxes.loc[true, "label"]],
                    missed[true.to_numpy()].tolist(),
                    own[CORNERS].to_numpy(),
                    [
                        f"{label}{score:.2f}"
                        for label, score in zip(labels, own["score"], strict=True)
                    ],
                    own["outcome"].tolist(),
                    cell_wh=PICTURE_WH,
                )
            )
            captions.append(f"{as_caption(str(picture))}   F1 {f1[picture]:.2f}")
        if not sheets:  # say so in place of an empty sheet
            sheets, captions = [np.full((60, 160), 255, np.uint8)], ["none to show"]
        write_picture(tile(sheets, captions, num_columns=2), folder / f"{name}.jpg")


def anomaly(
    *,
    clips: Path,
    embeddings: Path,
    threshold: Path,
    weights: Path,
    card: Path,
    metrics: Path,
    plots: Path,
    predictions: Path,
    params: Anomaly,
) -> None:
    from vigil.domain.clips.embeddings import read_embeddings, round_digits, score_clips
    from vigil.domain.clips.thresholds import pick, read_threshold
    from vigil.domain.measures.alarm import (
        accuracy_by_class,
        accuracy_by_split,
        bootstrap_intervals,
        measure_alarm,
    )
    from vigil.learn.alarm.embedding.embedder import NetworkEmbedder
    from vigil.learn.alarm.scoring.data import batches
    from vigil.learn.alarm.scoring.errors import reconstruction_errors
    from vigil.learn.alarm.scoring.stored import load_autoencoder
    from vigil.learn.alarm.scoring.tuned import put_into
    from vigil.learn.networks.machine import choose_device, prepare_torch

    prepare_torch()
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
        vectors = np.concatenate(list(embedder.embed(below(clips, names))))
    value, rule = read_threshold(threshold)
    errors = reconstruction_errors(
        model, batches(vectors, np.arange(len(vectors)), 1024, shuffle_seed=None), choose_device()
    )
    table = score_clips(index, errors, facts["clip_score"])
    test = table[table["split"] == TEST]
    is_anomalous = test["is_anomalous"].to_numpy()
    scores = test["error"].to_numpy()
    baselines = []
    own = (~index["is_anomalous"] & (index["split"] == TRAIN)).to_numpy()
    for name, distances in _baseline_distances(vectors, own, params.num_neighbours).items():
        rows = score_clips(index, distances, facts["clip_score"])
        val = rows[rows["split"] == VAL]
        by_kind = [val.loc[val["is_anomalous"] == kind, "error"].to_numpy() for kind in (0, 1)]
        limit = pick(rule, *by_kind).value
        distances_of_test = rows.loc[rows["split"] == TEST, "error"].to_numpy()
        measured = measure_alarm(is_anomalous, distances_of_test, limit)
        baselines.append(
            {"scorer": name, **measured, "threshold": float(round_digits(limit, NUM_DIGITS))}
        )
    # Tables as lists of rows, intervals as lists: DVC shows the other numbers, a column each.
    numbers = {
        **measure_alarm(is_anomalous, scores, value),
        "threshold": float(round_digits(value, NUM_DIGITS)),
        "accuracy": accuracy_by_split(table, value),
        "accuracy_by_class": accuracy_by_class(test, value).to_dict("records"),
        "intervals_95": bootstrap_intervals(
            is_anomalous,
            scores,
            test["source"].tolist(),
            value,
            num_rounds=params.num_bootstrap,
            seed=params.seed,
        ),
        "num_allowed": int((~is_anomalous).sum()),
        "num_anomalous": int(is_anomalous.sum()),
        "baselines": baselines,
    }
    alarm = table["error"] > value
    with whole(predictions) as folder:
        folder.mkdir()
        verdicts = table.assign(alarm=alarm, is_right=alarm == table["is_anomalous"])
        write_csv(verdicts, folder / "errors.csv")
    with whole(plots) as folder:
        folder.mkdir()
        _write_alarm_curves(table, value, folder)
        _draw_verdicts(test, value, clips, params.num_pictures, folder)
    write_json(numbers, metrics)
    print({name: told for name, told in numbers.items() if not isinstance(told, (dict, list))})


def _baseline_distances(
    vectors: npt.NDArray[np.float32], train: npt.NDArray[np.bool_], num_neighbours: int
) -> dict[str, npt.NDArray[np.float64]]:
    from vigil.domain.clips.scorers import mahalanobis_distances, neighbour_distances

    every = vectors.astype(np.float64)
    return {
        "mahalanobis": mahalanobis_distances(every[train], every),
        "nearest_neighbours": neighbour_distances(every[train], every, num_neighbours),
    }


def _write_alarm_curves(table: pd.DataFrame, threshold: float, folder: Path) -> None:
    from vigil.domain.measures.alarm import precision_recall_curve, roc_curve, sweep_thresholds
    from vigil.pixels.sheets.clip_figures import draw_error_boxes

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
    from vigil.pixels.sheets.clips import draw_clip_sheet

    alarm = test["error"] > threshold
    misses = test[~alarm & test["is_anomalous"]].sort_values("error", kind="stable")
    false_alarms = test[alarm & ~test["is_anomalous"]].sort_values(
        "error", kind="stable", ascending=False
    )
    for name, rows in (("misses", misses), ("false_alarms", false_alarms)):
        shown = rows.head(num_pictures)
        captions = [
            f"{error / threshold if threshold > 0 else np.inf:.2f} x {clip}"
            for clip, error in shown[["clip", "error"]].itertuples(index=False)
        ]
        draw_clip_sheet(below(clips, shown["clip"]), captions, folder / f"{name}.jpg")


if __name__ == "__main__":
    run_stage(classifier, detector, anomaly)
