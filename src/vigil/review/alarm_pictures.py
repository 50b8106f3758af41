"""Draws a picture of every alarm that the test clips raise: `vigil draw-alarms`."""

import re
from fractions import Fraction
from pathlib import Path

from vigil.domain.clips.found import add_ratios, read_found
from vigil.domain.clips.nearest import read_nearest
from vigil.domain.clips.scores import channel_ratios, read_scores, read_thresholds, round_digits
from vigil.domain.clips.windows import MIXED, join_labels, read_labels, read_windows
from vigil.domain.sides import TEST
from vigil.pixels.sheets.alarm import draw_alarm_sheet
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.plumbing.progress import progress
from vigil.plumbing.records import write_csv
from vigil.settings.dataset import Dataset

DATA, MODELS = Path("data"), Path("models")
TABLE = "alarms.csv"
UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
COLUMNS = ["clip", "class", "is_anomalous", "channel", "ratio", "picture"]


def draw_alarms(out: Path) -> str:
    """Writes a picture of each alarm into a new folder, and a table of them, `alarms.csv`.

    False alarms come first, then the strongest. Everything is read from the stored predictions.

    Args:
        out: the folder, which takes the place of an earlier one.

    Returns:
        A text about the folder.

    Raises:
        InputError: predictions are missing, or do not belong together; or the folder holds
            something else.
    """
    if out.exists() and not (out / TABLE).is_file():
        raise InputError(
            f"--out {out}: expected no file or folder, or an earlier folder of `vigil "
            "draw-alarms`, found something else"
        )
    dataset = check_sections(read_params(), project_sections())[Dataset.section]
    assert isinstance(dataset, Dataset)
    predictions = DATA / "predictions" / "alarm"
    thresholds = read_thresholds(MODELS / "threshold.json")
    clips = read_scores(predictions / "scores.csv")
    ratios = channel_ratios(clips, thresholds)
    clips = clips.assign(ratio=ratios.max(axis=1), channel=ratios.idxmax(axis=1))
    alarms = clips[(clips["split"] == TEST) & (clips["ratio"] > 1)]
    is_mixed = alarms["class"] == MIXED  # neither right nor false, as in the metrics
    num_mixed = int(is_mixed.sum())
    alarms = alarms[~is_mixed].sort_values(
        ["is_anomalous", "ratio"], ascending=[True, False], kind="stable", ignore_index=True
    )
    names = [
        f"{number:04d}_{UNSAFE.sub('_', clip)[-80:]}.jpg"
        for number, clip in enumerate(alarms["clip"], start=1)
    ]
    alarms = alarms.assign(picture=names)
    evidence = add_ratios(read_found(predictions / "found.csv"), thresholds)
    nearest = read_nearest(predictions / "nearest.csv")
    cut = DATA / "clips"
    windows = join_labels(read_windows(cut / "windows.csv"), read_labels(cut / "labels.csv"))
    fps = Fraction(str(dataset.picture_fps))
    with whole(out) as folder:
        folder.mkdir(parents=True)
        for at in progress(range(len(alarms)), "draw alarms", "alarm"):
            one, file = alarms.iloc[[at]], folder / names[at]
            draw_alarm_sheet(
                one, evidence, nearest, Path(dataset.clips), windows, file, picture_fps=fps
            )
        table = alarms.assign(ratio=round_digits(alarms["ratio"].to_numpy()))
        write_csv(table[COLUMNS], folder / TABLE)
    num_false = int((~alarms["is_anomalous"]).sum())
    beside = f"; {num_mixed} of partly anomalous windows are not drawn" if num_mixed else ""
    return f"{out}: {len(alarms)} alarms, {num_false} of them false{beside}"
