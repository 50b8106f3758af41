"""How far clips lie from the usual, as box plots, and contact sheets of those judged wrongly."""

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
    """Writes a picture of one row for each clip: frames spread over it, fitted to one size.

    Without clips it is an empty sheet that says so.

    Args:
        shown: `clip`, `ratio`, of the largest score to its threshold, and its `channel`.
        clips: the folder of the videos.
        windows: `clip`, `video`, `start_s` and `stop_s` of every window.
        picture_fps: of folders of numbered pictures.

    Raises:
        InputError: a clip without windows, or a video that cannot be read.
    """
    pictures: list[Picture] = []
    captions: list[str] = []
    spans = windows.groupby("clip").agg({"video": "first", "start_s": "min", "stop_s": "max"})
    if missing := set(shown["clip"]) - set(spans.index):
        raise InputError(
            f"{clips}: expected windows of each clip that has a score, found none of "
            f"{listed(missing)}"
        )
    for clip, ratio, channel in shown[["clip", "ratio", "channel"]].itertuples(index=False):
        video, start_s, stop_s = spans.loc[clip]
        (path,) = below(clips, [video])
        window = Window(float(start_s), float(stop_s))
        fit = partial(centre_on_black, size_wh=SIZE_WH)
        frames, _ = read_windows(path, [window], _choose, fit, picture_fps=picture_fps)
        pictures.extend(frames[0])
        captions.extend(
            [f"{ratio:.2f} of the threshold by {channel}: {clip}", *[""] * (NUM_FRAMES - 1)]
        )
    if not pictures:
        pictures, captions = [np.zeros((SIZE_WH[1], SIZE_WH[0]), np.uint8)], ["none"]
    title = f"{title}: a clip a row, time to the right"
    write_picture(tile(pictures, captions, num_columns=NUM_FRAMES, title=title), file)


def _choose(num_frames: int, fps: Fraction) -> Positions:
    places: Positions = np.linspace(0, num_frames - 1, NUM_FRAMES).astype(np.int64)
    return places


def draw_error_boxes(
    errors: Mapping[str, npt.NDArray[np.float64]], threshold: float, path: Path, title: str
) -> None:
    """A box and a dot for each error of each group, over the threshold as a line.

    Boxes are quartiles, whiskers reach to 1.5 times the box (Tukey).
    """
    every = np.concatenate(list(errors.values()))
    positive = every[every > 0]
    height_inch = max(2.6, 1.4 + 0.4 * len(errors))
    with figure(
        path,
        title=title,
        x_label="largest score of a channel, in terms of its threshold",
        y_label="",
        size_inch=(6, height_inch),
    ) as axes:
        values = list(errors.values())
        names = [as_label(name) for name in errors]
        axes.boxplot(values, orientation="horizontal", tick_labels=names, showfliers=False)
        for place, own in enumerate(values, start=1):
            spread = np.linspace(-0.15, 0.15, len(own)) if len(own) > 1 else np.zeros(1)
            axes.plot(own, place + spread, ".", alpha=0.5, markersize=4)
        axes.axvline(threshold, color="black", linestyle="--", label="threshold")
        if len(positive) and positive.max() > 20 * np.median(positive):
            axes.set_xscale("log")
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
