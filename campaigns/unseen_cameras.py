"""What the alarm is worth on cameras that it never saw, where each has clips of either kind.

The pipeline never trains on a source that holds an anomalous clip. Here every source does. So half
of the sources are drawn for the test, by five seeds; of the others, the normal clips of two thirds
are learnt from, those of the last third set the thresholds. The channel `local_disorder` was chosen
with the labels of the cameras in `CHOSEN_ON`, which are among those of the tests. So the campaign
also prints its AUROC on the other cameras alone.

    python campaigns/unseen_cameras.py ../shared/real/fights fight '^(s\\d+)_'

With the published weights of YOLOX-Nano as a fourth argument, people are tracked in all clips, and
the channel `objects` is measured, too.

    python campaigns/unseen_cameras.py ../shared/real/fights fight '^(s\\d+)_' yolox_nano.onnx

Prints the mean AUROC of the seeds with its 95 % interval over resampled sources, and each seed: of
each channel, of the largest ratio, of the mean flow beside, and of two classifiers that learn from
both kinds of clips of all other sources. By logistic regression, one sees the motion of the whole
picture, the other the mean and the largest numbers of the vectors of all channels.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.found import strongest_in_windows
from vigil.domain.clips.learnt.by_feature import fit_by_feature, score_by_feature
from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.domain.measures.intervals import source_intervals
from vigil.learn.detector.trained import TrainedDetector
from vigil.pixels.channels.behaviour import UNITS, WIDTHS, columns_of
from vigil.pixels.channels.moments import read_moments
from vigil.pixels.channels.objects import measure_objects
from vigil.pixels.clip_tracking import track_video, tracked_facts
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.pixels.embedding.remembered import embed_windows
from vigil.pixels.importing.clips.windows import import_class_folders
from vigil.plumbing.memo import file_digest
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.embed_clips import EmbedClips
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.import_clips import ImportClips
from vigil.settings.track_clips import TrackClips

NUM_SEEDS, NUM_ROUNDS = 5, 300
SCORE = 0.4
"""A score of YOLOX-Nano with a good F1; it is not fitted to these clips."""
CHOSEN_ON = ("s09", "s16", "s25", "s26", "s29", "s30", "s35", "s37", "s40", "s42")
"""The cameras of `fights` whose labels were used to choose `local_disorder` and its values."""
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def ratios(own: Embedding, scorer: str, train: Bools, val: Bools, settings: FitAlarm) -> Floats:
    """(W,) scores of windows in terms of the largest of those that set the threshold."""
    options = FitOptions(settings.seed, settings.num_neighbours, settings.num_components)
    every = own.pieces.vectors.astype(np.float64)
    rows = np.flatnonzero(train[own.windows])
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), settings.num_vectors)).astype(int)]
    learnt = SCORERS[scorer].fit(every[rows], options)
    scores = strongest_in_windows(own, SCORERS[scorer].score(learnt, every))
    return np.asarray(scores / scores[val].max())


def objects_of(table: pd.DataFrame, folder: Path, weights: Path, params: Any) -> Embedding:
    """The evidence of `objects` in each window, from people that YOLOX-Nano finds."""
    settings = parse_section(TrackClips, params, "track_clips")
    embed = parse_section(EmbedClips, params, "embed_clips")
    detector = TrainedDetector.from_published("yolox_nano", weights, ["person"])
    tracked = tracked_facts(settings, SCORE, file_digest(weights))
    moments = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, video in enumerate(table["video"].unique()):
            own = Path(scratch, str(number))
            track_video(
                folder / video,
                own,
                detector=detector,
                tracked=tracked,
                batch_size=settings.batch_size,
                picture_fps=Fraction(25),
            )
            moments[video] = read_moments(own)[0].get("", [])
    return measure_objects(table, moments, tracked, embed.objects, embed.short_clips)


def ratios_of_objects(
    own: Embedding, table: pd.DataFrame, scorer: str, train: Bools, val: Bools, settings: FitAlarm
) -> Floats:
    """As `ratios`; without evidence, a window has `NO_EVIDENCE`."""
    options = FitOptions(settings.seed, settings.num_neighbours, settings.num_components)
    every, columns = own.pieces.vectors.astype(np.float64), columns_of(list(WIDTHS))
    rows = np.flatnonzero(train[own.windows])
    of = table.iloc[own.windows[rows]]
    names = of["video"].to_numpy(), of["source"].to_numpy()
    quantile = settings.feature_quantile
    learnt = fit_by_feature(
        scorer, every[rows], columns, UNITS, *names, options=options, quantile=quantile
    )
    features = score_by_feature(scorer, learnt, every, columns, UNITS)
    scores = strongest_in_windows(own, features.max(axis=1))
    return np.where(scores == NO_EVIDENCE, NO_EVIDENCE, scores / scores[val].max())


def pooled(own: Embedding) -> Floats:
    """(W, 2 D) the mean and the largest numbers of the vectors of each window."""
    vectors = pd.DataFrame(own.pieces.vectors.astype(np.float64))
    by_window = vectors.groupby(own.windows)
    every = pd.concat([by_window.mean(), by_window.max()], axis=1)
    return np.asarray(every.reindex(range(len(own.index)), fill_value=0.0))


def classify(vectors: Floats, is_anomalous: Bools, test: Bools) -> Floats:
    """(W,) the scores of a classifier that learns from all windows but those of the test."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000))
    model.fit(vectors[~test], is_anomalous[~test])
    return np.asarray(model.decision_function(vectors))


def mean_auroc(is_anomalous: Bools, seeds: list[tuple[Bools, Floats]], counts: Counts) -> float:
    """The mean over the seeds. Args: counts: (W,) how often each window counts."""
    return float(
        np.mean(
            [
                roc_auc_score(is_anomalous[test], scores[test], sample_weight=counts[test])
                for test, scores in seeds
            ]
        )
    )


def main() -> None:
    """Prints a line for each way to score."""
    folder, anomalous, pattern = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    params = read_params()
    defaults = params["embed_clips"]["channels"]
    params["embed_clips"]["channels"] = [
        "local_speed",
        "local_disorder",
        "motion_cells",
        "motion_histogram",
    ]
    fit = parse_section(FitAlarm, params, "fit_alarm")
    table = import_class_folders(
        folder,
        parse_section(ImportClips, params, "import_clips"),
        anomalous_classes=[anomalous],
        group_pattern=pattern,
        picture_fps=Fraction(25),
    ).windows
    embedder = MotionEmbedder(parse_section(EmbedClips, params, "embed_clips"), Fraction(25))
    found = embed_windows(table, folder, embedder, dict.fromkeys(embedder.facts, "campaign"))
    weights = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    objects = None if weights is None else objects_of(table, folder, weights, params)
    is_anomalous = table["is_anomalous"].to_numpy()
    if objects is not None:
        nobody = (objects.index["num_pieces"] == 0).to_numpy()
        for kind, rows in (("anomalous", is_anomalous), ("normal", ~is_anomalous)):
            told = f"{nobody[rows].sum()} of {rows.sum()} {kind} windows"
            print(f"{told} have no evidence of objects")
    sources = table["source"].to_numpy()
    whole = found["motion_histogram"].pieces.vectors.astype(np.float64)
    every = np.concatenate([pooled(embedding) for embedding in found.values()], axis=1)
    results: dict[str, list[tuple[Bools, Floats]]] = {}
    for seed in range(NUM_SEEDS):
        drawn = np.random.default_rng(seed).permutation(np.unique(sources))
        test = np.isin(sources, drawn[: len(drawn) // 2])
        rest = drawn[len(drawn) // 2 :]
        val = np.isin(sources, rest[: max(2, len(rest) // 3)]) & ~is_anomalous
        train = ~test & ~is_anomalous & ~val
        own = {
            name: ratios(found[name], fit.scorers.of(name)[0], train, val, fit) for name in found
        }
        scores = {
            **own,
            "the default channels together": np.maximum.reduce([own[name] for name in defaults]),
            "mean flow": whole.mean(axis=1),
            "a classifier of both kinds": classify(whole, is_anomalous, test),
            "a classifier of both kinds, all channels": classify(every, is_anomalous, test),
        }
        if objects is not None:
            for scorer in fit.scorers.objects:
                ours = ratios_of_objects(objects, table, scorer, train, val, fit)
                scores[f"objects by {scorer}"] = ours
                together = np.maximum(scores["the default channels together"], ours)
                scores[f"the default channels and objects by {scorer}"] = together
                for left in defaults:
                    kept = [own[name] for name in defaults if name != left]
                    name = f"the default channels without {left}"
                    scores[name] = np.maximum.reduce(kept)
                    scores[f"{name}, and objects by {scorer}"] = np.maximum.reduce([*kept, ours])
        for name, score in scores.items():
            results.setdefault(name, []).append((test, score))
    disorder = strongest_in_windows(
        found["local_disorder"], found["local_disorder"].pieces.vectors[:, 0].astype(np.float64)
    )
    was_seen = np.isin(sources, CHOSEN_ON)
    for title, rows in (("on which it was chosen", was_seen), ("of the others", ~was_seen)):
        if np.unique(is_anomalous[rows]).size == 2:
            auroc = roc_auc_score(is_anomalous[rows], disorder[rows])
            flow = roc_auc_score(is_anomalous[rows], whole.mean(axis=1)[rows])
            print(f"cameras {title}: local_disorder {auroc:.3f}, mean flow {flow:.3f}")

    def measure(counts: Counts) -> dict[str, float]:
        return {name: mean_auroc(is_anomalous, seeds, counts) for name, seeds in results.items()}

    intervals = source_intervals(sources.tolist(), measure, num_rounds=NUM_ROUNDS, seed=0)
    one = np.ones(len(table), np.int64)
    for name, seeds in results.items():
        values = [mean_auroc(is_anomalous, [seed], one) for seed in seeds]
        told = " ".join(f"{value:.3f}" for value in values)
        low, high = intervals[name] or (np.nan, np.nan)
        print(f"{name}: mean {np.mean(values):.3f} ({low:.3f} to {high:.3f}) of {told}")


if __name__ == "__main__":
    main()
