"""What the default alarm is worth, frame by frame, on synthetic walkways with small walkers.

Three views of a fixed camera. The training videos show normal walking, the test videos also faster
bodies, carts, wheelchairs and people off the path. The videos go through the import, the drawn
split, the channels, the scorers and the thresholds with the parameters of `params.yaml`.

    python campaigns/walkway.py [view number ...] [weights of MobileNetV2 on ImageNet]

With weights, the channel `appearance` judges cells of the picture, too, by a mixture: `trunk`, with
the other parameters of `APPEARANCE_OPTIONS`.

Prints for each view the AUROC of frames and of windows: of each channel and of the largest ratio,
with and without the map of usual speeds.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score
from walkway_scene import FPS, VIEWS, write_walkway

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.found import gather_found, strongest_in_windows
from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.domain.clips.windows import MIXED
from vigil.domain.measures.frames import score_frames
from vigil.domain.splits.alarm import assign_clips
from vigil.learn.alarm.appearance import AppearanceEmbedder
from vigil.learn.alarm.training.assembly import Embedded
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.pixels.embedding.remembered import Embedder, embed_windows
from vigil.pixels.importing.clips.windows import Imported, import_frame_labelled, list_videos
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.embed_clips import EmbedClips
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.import_clips import ImportClips
from vigil.settings.split import Split

NUM_TRAIN, NUM_TEST = 16, 12
KINDS = (("biker",), ("skater",), ("biker", "biker"), ("cart",), ("off",), ("skater", "biker"),
         ("runner",), ("chair", "skater"), ("biker", "off"), ("skater",))  # fmt: skip
"""The anomalies of each test video, in turn; `off` walks off the path."""
APPEARANCE_OPTIONS = {"backbone": "trunk", "num_space_cells": 14}
Floats = npt.NDArray[np.float64]


def embed(folder: Path, weights: str) -> tuple[Embedded, Imported]:
    """Imports, splits and measures a folder of videos, as the stages do.

    Args:
        weights: of `appearance`; empty: without this channel.
    """
    params = read_params()
    labels = folder / "anomalies.csv"
    videos = list_videos(folder, labels).videos
    imported = import_frame_labelled(
        folder,
        labels,
        videos,
        parse_section(ImportClips, params, "import_clips"),
        group_pattern="",
        picture_fps=Fraction(FPS),
    )
    table = imported.windows
    clips = table.drop_duplicates("clip").set_index("clip")
    sides = assign_clips(clips, parse_section(Split, params, "split"))
    if weights:
        params["embed_clips"]["appearance"] |= {**APPEARANCE_OPTIONS, "weights": weights}
    settings = parse_section(EmbedClips, params, "embed_clips")
    embedders: list[Embedder] = [MotionEmbedder(settings, Fraction(FPS))]
    if weights:
        embedders.append(AppearanceEmbedder(settings, Fraction(FPS)))
    found = dict[str, Embedding]()
    for embedder in embedders:
        found |= embed_windows(table, folder, embedder, dict.fromkeys(embedder.facts, "campaign"))
    return Embedded(table.assign(split=sides[table["clip"]].to_numpy()), found, folder), imported


def score(data: Embedded, fit: FitAlarm) -> dict[str, Floats]:
    """The scores of the pieces of each channel by the scorer that raises the alarm."""
    options = FitOptions(fit.seed, fit.num_neighbours, fit.num_components)
    scores = {}
    for name, embedding in data.channels.items():
        vectors = embedding.pieces.vectors.astype(np.float64)
        scorer = SCORERS[fit.scorers.of(name)[0]]
        rows = data.pieces(name, "train", fit.num_vectors)
        scores[name] = scorer.score(scorer.fit(vectors[rows], options), vectors)
    return scores


def tell(data: Embedded, imported: Imported, scores: dict[str, Floats], title: str) -> None:
    """Prints the AUROC of frames and windows, of each channel and of the largest ratio."""
    table, channels = data.table, data.channels
    is_test = ((table["split"] == "test") & (table["class"] != MIXED)).to_numpy()
    is_val = ((table["split"] == "val") & ~table["is_anomalous"]).to_numpy()
    windows = pd.DataFrame(
        {name: strongest_in_windows(channels[name], scores[name]) for name in channels}
    )
    thresholds = windows[is_val].max()
    found = gather_found(channels, scores, (table["split"] == "test").to_numpy())
    found["ratio"] = found["score"] / thresholds[found["channel"]].to_numpy()
    frames = imported.frames[imported.frames["video"].isin(found["video"])]
    by_video = [
        pd.DataFrame(score_frames(rows["time_s"].to_numpy(), found[found["video"] == video]))
        for video, rows in frames.groupby("video", sort=False)
    ]
    ratios = pd.concat(by_video, ignore_index=True)
    own = (windows / thresholds)[is_test]
    for name, one, other in [
        *((name, ratios[name], own[name]) for name in channels),
        ("both", ratios.max(axis=1), own.max(axis=1)),
    ]:
        of_frames = roc_auc_score(frames["is_anomalous"], one)
        of_windows = roc_auc_score(table["is_anomalous"][is_test], other)
        print(f"{title}, {name}: frames {of_frames:.3f}, windows {of_windows:.3f}", flush=True)


def main() -> None:
    """Prints the numbers of the chosen views, or of all."""
    params = read_params()
    params["fit_alarm"]["scorers"]["appearance"] = ["gaussian_mixture"]
    fit = parse_section(FitAlarm, params, "fit_alarm")
    views = [one for one in sys.argv[1:] if one.isdecimal()]
    weights = next((one for one in sys.argv[1:] if not one.isdecimal()), "")
    for number, (name, view) in enumerate(VIEWS.items()):
        if views and str(number) not in views:
            continue
        with tempfile.TemporaryDirectory() as folder:
            write_walkway(
                Path(folder), view, number + 1, num_train=NUM_TRAIN, num_test=NUM_TEST, kinds=KINDS
            )
            data, imported = embed(Path(folder), weights)
        tell(data, imported, score(data, fit), f"{name}, no map")
        mapped, _ = data.by_place(fit.model_copy(update={"speed_map": True}))
        tell(mapped, imported, score(mapped, fit), f"{name}, map")


if __name__ == "__main__":
    main()
