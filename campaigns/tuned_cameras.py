"""What `vigil tune-alarm` chooses on real cameras, and what labels say about the same settings.

The cameras are those of `CHOSEN_ON` in `unseen_cameras.py`, on which the channel `local_disorder`
was chosen with labels. Its test cameras are not used. The pipeline does not train on a source with
anomalous clips, and each of these cameras has both kinds. So this campaign draws the sides itself:
the normal clips of half of the cameras are for training, those of the other half for validation.

    python campaigns/tuned_cameras.py ../shared/real/fights fight '^(s\\d+)_' \
        embed_clips.local_disorder.size=0.1,0.15,0.2

Prints, for each of five draws, the best values and their lead over the present ones, then the mean
over the draws for each combination of values: AUROC against pseudo-anomalies, by channel and
together. Beside it stands the AUROC of the fights against the normal clips of the same ten cameras,
by each channel without training. Nothing is chosen by it.
"""

import json
import os
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import roc_auc_score
from unseen_cameras import CHOSEN_ON

from vigil.domain.clips.found import strongest_in_windows
from vigil.domain.clips.windows import write_windows
from vigil.domain.sides import TRAIN, VAL
from vigil.learn.alarm.tuning.candidates import Candidate, build_candidates, format_changes
from vigil.learn.alarm.tuning.command import CLIPS, SPLITS, tune_alarm
from vigil.learn.alarm.tuning.judging import MEAN, TOGETHER
from vigil.learn.alarm.tuning.measuring import measure, variant_of
from vigil.pixels.importing.clips import import_class_folders
from vigil.plumbing.params import parse_section, read_params
from vigil.plumbing.records import write_json
from vigil.settings.import_clips import ImportClips

NUM_DRAWS = 5
MOST_CLIPS = 8
"""Of a camera, clips that are changed: one of the cameras has half of all clips."""
FPS = Fraction(25)
UNTRAINED = ("local_speed", "local_disorder")


def draw_sides(windows: pd.DataFrame, seed: int, folder: Path) -> None:
    """Writes the normal clips, and the lists of a training and a validation side, to a folder."""
    normal = windows[~windows["is_anomalous"]]
    drawn = np.random.default_rng(seed).permutation(sorted(set(normal["source"])))
    for path in (folder / CLIPS, folder / SPLITS):
        path.mkdir(parents=True, exist_ok=True)
    write_windows(normal, folder / CLIPS)
    half = len(drawn) // 2
    for side, names in ((TRAIN, drawn[:half]), (VAL, drawn[half:])):
        videos = sorted(set(normal.loc[normal["source"].isin(names), "video"]))
        write_json(videos, folder / SPLITS / f"{side}.json")


def measure_labels(
    windows: pd.DataFrame, clips: Path, candidates: list[Candidate]
) -> list[dict[str, float]]:
    """The AUROC of anomalous against normal clips, of each channel without training."""
    evidence = measure(windows, clips, [one.embed for one in candidates], FPS)
    is_anomalous = windows["is_anomalous"].to_numpy()
    results = []
    for one in candidates:
        by_channel = {}
        for channel in UNTRAINED:
            own = evidence[variant_of(channel, one.embed)]
            scores = strongest_in_windows(own, own.pieces.vectors[:, 0].astype(np.float64))
            by_channel[channel] = float(roc_auc_score(is_anomalous, scores))
        results.append(by_channel)
    return results


def main() -> None:
    """Prints the draws, then a line for each combination of values."""
    clips, anomalous, pattern, lists = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    params = read_params()
    params["dataset"]["clips"] = str(clips.resolve())
    candidates = build_candidates(params, lists)
    windows = import_class_folders(
        clips,
        parse_section(ImportClips, params, "import_clips"),
        anomalous_classes=[anomalous],
        group_pattern=pattern,
        picture_fps=FPS,
    ).windows
    windows = windows[windows["source"].isin(CHOSEN_ON)].reset_index(drop=True)
    records = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.setdefault("VIGIL_STATE_DIR", str(folder / "state"))
        os.chdir(folder)
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for seed in range(NUM_DRAWS):
            draw_sides(windows, seed, folder)
            told = tune_alarm(lists, 0, MOST_CLIPS, folder / "results.json")
            print(f"draw {seed}: {told.split(chr(10) * 2)[-1]}\n", flush=True)
            records.append(json.loads((folder / "results.json").read_text()))
        labels = measure_labels(windows, Path(params["dataset"]["clips"]), candidates)
    rows = []
    for at, one in enumerate(candidates):
        aurocs = [record["candidates"][at]["auroc"] for record in records]
        row: dict[str, object] = {"settings": " ".join(format_changes(one.changes)) or "present"}
        for column in (TOGETHER, *one.embed.channels):
            row[column] = np.mean([auroc[column][MEAN] for auroc in aurocs]).round(3)
        for channel, auroc in labels[at].items():
            row[f"{channel}, labels"] = round(auroc, 3)
        rows.append(row)
    kinds = {
        column: {
            kind: round(
                float(np.mean([r["candidates"][0]["auroc"][column].get(kind) for r in records
                               if r["candidates"][0]["auroc"][column].get(kind) is not None])), 3
            )
            for kind in records[0]["candidates"][0]["auroc"][column]
        }
        for column in records[0]["candidates"][0]["auroc"]
    }  # fmt: skip
    print("the present settings, by kind:")
    print(pd.DataFrame(kinds).T.to_string())
    print()
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
