"""Draws box plots of the scores of clips, and contact sheets of wrongly classified clips."""

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.pixels.drawing.figures import as_label, figure
from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.fitting import centre_on_black
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import Positions, Window, read_windows
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.folders import below

NUM_FRAMES = 6
SIZE_WH = (144, 108)


def draw_clip_sheet(
    shown: pd.DataFrame,
    clips: Path,
    windows: pd.DataFrame,
    file: Path,
    *,
    picture_fps: Fraction,
    title: str,
) -> None:
    """Writes a contact sheet with one row for each clip: frames spread evenly over the clip.

    Without clips, the sheet is empty and says so.

    Args:
        shown: `clip`, and `ratio` of the score to the threshold.
        clips: the folder of the videos.
        windows: `clip`, `video`, `start_s` and `stop_s` of every window.
        file: the sheet's file.
        picture_fps: the frame rate of folders of numbered pictures.

    Raises:
        InputError: a clip has no windows, or a video cannot be read.
    """
    pictures: list[Picture] = []
    captions: list[str] = []
    spans = windows.groupby("clip").agg({"video": "first", "start_s": "min", "stop_s": "max"})
    if missing := set(shown["clip"]) - set(spans.index):
        raise InputError(
            f"{clips}: expected windows of each clip that has a score, found none of "
            f"{listed(missing)}"
        )
    for clip, ratio in shown[["clip", "ratio"]].itertuples(index=False):
        video, start_s, stop_s = spans.loc[clip]
        (path,) = below(clips, [video])
        window = Window(float(start_s), float(stop_s))
        fit = partial(centre_on_black, size_wh=SIZE_WH)
        frames, _ = read_windows(path, [window], _choose, fit, picture_fps=picture_fps)
        pictures.extend(frames[0])
        captions.extend([f"{ratio:.2f} of the threshold: {clip}", *[""] * (NUM_FRAMES - 1)])
    if not pictures:
        pictures, captions = [np.zeros((SIZE_WH[1], SIZE_WH[0]), np.uint8)], ["none"]
    title = f"{title}: a clip a row, time to the right"
    write_picture(tile(pictures, captions, num_columns=NUM_FRAMES, title=title), file)


def _choose(num_frames: int, fps: Fraction) -> Positions:
    indices: Positions = np.linspace(0, num_frames - 1, NUM_FRAMES).astype(np.int64)
    return indices


def draw_error_boxes(
    errors: Mapping[str, npt.NDArray[np.float64]], threshold: float, path: Path, title: str
) -> None:
    """Draws a box plot and a dot for each error of each group, and the threshold as a line.

    Boxes show the quartiles. Whiskers reach to 1.5 times the length of the box (Tukey).
    """
    all_errors = np.concatenate(list(errors.values()))
    positive = all_errors[all_errors > 0]
    height_inch = max(2.6, 1.4 + 0.4 * len(errors))
    with figure(
        path, title=title, x_label="reconstruction error", y_label="", size_inch=(6, height_inch)
    ) as axes:
        values = list(errors.values())
        names = [as_label(name) for name in errors]
        axes.boxplot(values, orientation="horizontal", tick_labels=names, showfliers=False)
        for row, group in enumerate(values, start=1):
            # Small vertical offsets keep equal errors apart.
            spread = np.linspace(-0.15, 0.15, len(group)) if len(group) > 1 else np.zeros(1)
            axes.plot(group, row + spread, ".", alpha=0.5, markersize=4)
        axes.axvline(threshold, color="black", linestyle="--", label="threshold")
        if len(positive) and positive.max() > 20 * np.median(positive):
            axes.set_xscale("log")
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
