"""What the alarm is worth on cameras that it never saw, where each has clips of either kind.

The pipeline never trains on a source that holds an anomalous clip. Here every source does. So half
of the sources are drawn for the test, by five seeds; of the others, the normal clips of two thirds
are learnt from, those of the last third set the thresholds. The channel `local_disorder` was chosen
with the labels of the cameras in `CHOSEN_ON`, which are among those of the tests. So the campaign
also prints its AUROC on the other cameras alone.

    python campaigns/unseen_cameras.py ../shared/real/fights fight '^(s\\d+)_'

Prints the AUROC of each seed: of each channel, of the largest ratio, of the mean flow beside, and
of a classifier that learns from both kinds of clips of all other sources (of the whole picture's
motion, by logistic regression).
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vigil.domain.clips.embeddings import Embedding
from vigil.domain.clips.found import strongest_in_windows
from vigil.domain.clips.scorers import SCORERS, FitOptions
from vigil.pixels.embedding import embed_windows
from vigil.pixels.importing.clips import import_class_folders
from vigil.pixels.motion_embedding import MotionEmbedder
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.embed_clips import EmbedClips
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.import_clips import ImportClips

NUM_SEEDS = 5
CHOSEN_ON = ("s09", "s16", "s25", "s26", "s29", "s30", "s35", "s37", "s40", "s42")
"""The cameras of `fights` whose labels were used to choose `local_disorder` and its values."""
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def ratios(own: Embedding, scorer: str, train: Bools, val: Bools, settings: FitAlarm) -> Floats:
    """(W,) scores of windows in terms of the largest of those that set the threshold."""
    options = FitOptions(settings.seed, settings.num_neighbours, settings.num_components)
    every = own.pieces.vectors.astype(np.float64)
    rows = np.flatnonzero(train[own.windows])
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), settings.num_vectors)).astype(int)]
    learnt = SCORERS[scorer].fit(every[rows], options)
    scores = strongest_in_windows(own, SCORERS[scorer].score(learnt, every))
    return np.asarray(scores / scores[val].max())


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
    is_anomalous = table["is_anomalous"].to_numpy()
    sources = table["source"].to_numpy()
    whole = found["motion_histogram"].pieces.vectors.astype(np.float64)
    results: dict[str, list[float]] = {}
    for seed in range(NUM_SEEDS):
        drawn = np.random.default_rng(seed).permutation(np.unique(sources))
        test = np.isin(sources, drawn[: len(drawn) // 2])
        rest = drawn[len(drawn) // 2 :]
        val = np.isin(sources, rest[: max(2, len(rest) // 3)]) & ~is_anomalous
        train = ~test & ~is_anomalous & ~val
        own = {
            name: ratios(found[name], fit.scorers.of(name)[0], train, val, fit) for name in found
        }
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000))
        model.fit(whole[~test], is_anomalous[~test])
        scores = {
            **own,
            "the default channels together": np.maximum.reduce([own[name] for name in defaults]),
            "mean flow": whole.mean(axis=1),
            "a classifier of both kinds": model.decision_function(whole),
        }
        for name, score in scores.items():
            auroc = float(roc_auc_score(is_anomalous[test], score[test]))
            results.setdefault(name, []).append(auroc)
    disorder = strongest_in_windows(
        found["local_disorder"], found["local_disorder"].pieces.vectors[:, 0].astype(np.float64)
    )
    was_seen = np.isin(sources, CHOSEN_ON)
    for title, rows in (("on which it was chosen", was_seen), ("of the others", ~was_seen)):
        if np.unique(is_anomalous[rows]).size == 2:
            auroc = roc_auc_score(is_anomalous[rows], disorder[rows])
            flow = roc_auc_score(is_anomalous[rows], whole.mean(axis=1)[rows])
            print(f"cameras {title}: local_disorder {auroc:.3f}, mean flow {flow:.3f}")
    for name, values in results.items():
        told = " ".join(f"{value:.3f}" for value in values)
        print(f"{name}: mean {np.mean(values):.3f} of {told}")


if __name__ == "__main__":
    main()
