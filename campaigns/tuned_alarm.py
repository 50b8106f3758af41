"""What `vigil tune-alarm` chooses, and what labels say about the same settings.

Clips of class folders are needed, with labels that the choice does not see. Half of the sources are
drawn for training, by five seeds, and the others for validation; the choice sees the allowed clips
alone. Beside each AUROC against pseudo-anomalies stands the AUROC against the anomalous clips of
the validation sources. Nothing is chosen by it.

    python campaigns/tuned_alarm.py ../shared/real/fights fight '^(s\\d+)_' chosen_on \
        embed_clips.local_disorder.size=0.1,0.15,0.2

`chosen_on`: only the cameras of `CHOSEN_ON` in `unseen_cameras.py`, whose labels were used before,
and none that tests the alarm. `all`: all sources, for clips that no test uses, as those of another
seed of the demo.

Prints the choice of each draw; then, as means over the draws, the AUROC by kind of the present
settings, and a line for each combination of values.
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

from vigil.domain.clips.windows import write_windows
from vigil.domain.sides import TRAIN, VAL
from vigil.learn.alarm.tuning.allowed import read_allowed
from vigil.learn.alarm.tuning.candidates import Candidate, build_candidates, format_changes
from vigil.learn.alarm.tuning.command import CLIPS, SPLITS, tune_alarm
from vigil.learn.alarm.tuning.judging import MEAN, TOGETHER
from vigil.learn.alarm.tuning.measuring import as_one_table, measure, variant_of
from vigil.learn.alarm.tuning.scoring import ChannelScorer
from vigil.pixels.importing.clips.windows import import_class_folders
from vigil.plumbing.params import parse_section, read_params
from vigil.plumbing.records import write_json
from vigil.settings.import_clips import ImportClips

NUM_DRAWS = 5
MOST_CLIPS = 8
"""Of a source, clips that are changed: one of the cameras has half of all clips."""
FPS = Fraction(25)
Aurocs = dict[str, float]


def draw_sides(windows: pd.DataFrame, seed: int) -> set[str]:
    """Writes the tables and lists of two sides. Returns the sources that are not for training."""
    allowed = windows[~windows["is_anomalous"]]
    drawn = np.random.default_rng(seed).permutation(sorted(set(allowed["source"])))
    for path in (CLIPS, SPLITS):
        path.mkdir(parents=True, exist_ok=True)
    write_windows(windows, CLIPS)
    half = len(drawn) // 2
    for side, names in ((TRAIN, drawn[:half]), (VAL, drawn[half:])):
        videos = sorted(set(allowed.loc[allowed["source"].isin(names), "video"]))
        write_json(videos, SPLITS / f"{side}.json")
    return set(windows["source"]) - set(drawn[:half])


def measure_labels(
    anomalous: pd.DataFrame, clips: Path, candidates: list[Candidate]
) -> list[Aurocs]:
    """The AUROC of anomalous against allowed validation clips, by channel and together."""
    allowed = read_allowed(CLIPS, SPLITS, 0)
    settings = [one.embed for one in candidates]
    sides = [
        (windows, measure(windows, clips, settings, FPS))
        for windows in (allowed.train, allowed.val, anomalous)
    ]
    results = []
    for one in candidates:
        by_channel: Aurocs = {}
        ratios = []
        for channel in one.embed.channels:
            variant = variant_of(channel, one.embed)
            train, val, other = (as_one_table(table, found[variant]) for table, found in sides)
            scorer = ChannelScorer(channel, train, val, one.fit, clips)
            low, high = (
                scorer.score_clips(own, one.predict.clip_score).to_numpy() for own in (val, other)
            )
            truth = np.repeat([0, 1], [len(low), len(high)])
            scores = np.concatenate([low, high])
            by_channel[channel] = float(roc_auc_score(truth, scores))
            ratios.append(scores / low.max())
        by_channel[TOGETHER] = float(roc_auc_score(truth, np.max(ratios, axis=0)))
        results.append(by_channel)
    return results


def main() -> None:
    """Prints the draws, then the means over them."""
    clips, classes, pattern, which, lists = Path(sys.argv[1]), *sys.argv[2:5], sys.argv[5:]
    params = read_params()
    params["dataset"]["clips"] = str(clips.resolve())
    candidates = build_candidates(params, lists)
    windows = import_class_folders(
        clips,
        parse_section(ImportClips, params, "import_clips"),
        anomalous_classes=classes.split(","),
        group_pattern=pattern,
        picture_fps=FPS,
    ).windows
    if which == "chosen_on":
        windows = windows[windows["source"].isin(CHOSEN_ON)].reset_index(drop=True)
    records, labels = [], []
    with tempfile.TemporaryDirectory() as name:
        os.environ.setdefault("VIGIL_STATE_DIR", str(Path(name, "state")))
        os.chdir(name)
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for seed in range(NUM_DRAWS):
            others = draw_sides(windows, seed)
            told = tune_alarm(lists, 0, MOST_CLIPS, Path("results.json"))
            record = json.loads(Path("results.json").read_text())
            records.append(record)
            rows = windows["is_anomalous"] & windows["source"].isin(others)
            anomalous = windows[rows].reset_index(drop=True)
            labels.append(measure_labels(anomalous, clips.resolve(), candidates))
            best, present = labels[-1][record["best"]][TOGETHER], labels[-1][0][TOGETHER]
            print(f"draw {seed}: {told.split(chr(10) * 2)[-1]}")
            print(f"by labels, together: {best:.3f}, present {present:.3f}\n", flush=True)
    by_kind = [record["candidates"][0]["auroc"] for record in records]
    kinds = pd.concat([pd.DataFrame(one).T for one in by_kind]).astype(float)
    print(kinds.groupby(level=0, sort=False).mean().round(3).to_string(), "\n")
    lines = []
    for at, one in enumerate(candidates):
        line: dict[str, object] = {"settings": " ".join(format_changes(one.changes)) or "present"}
        for column in (TOGETHER, *one.embed.channels):
            pseudo = [record["candidates"][at]["auroc"][column][MEAN] for record in records]
            true = [draw[at][column] for draw in labels]
            line[column] = f"{np.mean(pseudo):.3f} {np.mean(true):.3f}"
        lines.append(line)
    print("against pseudo-anomalies, and by labels")
    print(pd.DataFrame(lines).fillna("").to_string(index=False))


if __name__ == "__main__":
    main()
