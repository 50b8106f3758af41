"""Draws box plots of the scores of clips, and contact sheets of wrongly classified clips."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.nearest import NUM_NEAREST
from vigil.pixels.drawing.figures import BOX_NOTE, PALETTE, as_label, figure, use_log_scale
from vigil.pixels.drawing.on_pictures import PALETTE_BGR, draw_boxes, tile, write_picture
from vigil.pixels.drawing.text import Colour
from vigil.pixels.fitting import centre_on_black, fit_within, resize
from vigil.pixels.flow.motion import Motion
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.sheets.arrows import (
    ARROW_S,
    COLOUR_BGR,
    SHORT_SIDE_PX,
    draw_motion,
    measure_motions,
)
from vigil.pixels.windows import WHOLE, Positions, Window, read_windows
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.folders import below

NUM_FRAMES = 6
SIZE_WH, LARGE_WH = (144, 108), (216, 162)
AROUND_S = (-0.4, -0.2, 0.0, 0.2, 0.4)
NEAR_S, EDGE_S = 0.1, 1e-4
STRONGEST, SECOND, ALLOWED = PALETTE_BGR[3], PALETTE_BGR[5], PALETTE_BGR[2]
NUM_BOXES = 2
DOTS = PALETTE[0]
TITLE = "Alarms, one a row: frames around the peak, the time of the strongest evidence"
NOTE = (
    "below each row: FALSE if the clip is allowed; its score over its threshold, by which channel; "
    "the time of its peak; its name"
)
LEGEND = {
    "strongest evidence, with its score over its threshold": STRONGEST,
    "second strongest": SECOND,
    "evidence in an allowed clip": ALLOWED,
    # An arrow begins where the motion was measured, and is as long as the way in this time.
    f"arrows: motion in the next {ARROW_S:g} s at the speed just measured": COLOUR_BGR,
}
HEADS = (
    *(f"peak {around_s:+g} s" if around_s else "peak" for around_s in AROUND_S),
    *("nearest allowed clip", "second nearest"),
)
BEFORE_S = 1.0
"""Motion is measured from this long before on, so that the trembling of a camera is known."""


class _Moment(NamedTuple):
    """A frame, the factor from the video's coordinates to its own, and the motion up to it."""

    frame: Picture
    scale: float
    motion: Motion | None


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
        shown: `clip`, `ratio` of the largest score to its threshold, and the `channel` of it.
        clips: the folder of the videos.
        windows: `clip`, `video`, `start_s` and `stop_s` of every window.
        file: the sheet's file.
        picture_fps: the frame rate of folders of numbered pictures.

    Raises:
        InputError: a clip has no windows, or a video cannot be read.
    """
    pictures: list[Picture] = []
    captions: list[str] = []
    spans = _spans(windows, shown["clip"], clips)
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
    indices: Positions = np.linspace(0, num_frames - 1, NUM_FRAMES).astype(np.int64)
    return indices


def draw_alarm_sheet(
    alarms: pd.DataFrame,
    evidence: pd.DataFrame,
    nearest: pd.DataFrame,
    clips: Path,
    windows: pd.DataFrame,
    file: Path,
    *,
    picture_fps: Fraction,
) -> None:
    """Writes a picture with one row for each alarm: frames around its peak, with its evidence.

    A box with its ratio is drawn on the frames within `NEAR_S` of the time of its evidence. Arrows
    show the motion, without the trembling of the camera. To the right are the nearest allowed
    clips, each at the time of its evidence. An alarm without listed evidence has a row that says
    so.

    Args:
        alarms: `clip`, `ratio`, `channel` and `is_anomalous` of each alarm.
        evidence: the evidence in the videos of the alarms, with `ratio`.
        nearest: the allowed evidence nearest to that of each clip.
        clips, windows, picture_fps: see `draw_clip_sheet`.

    Raises:
        InputError: a clip has no windows, or a video cannot be read.
    """
    pictures: list[Picture] = []
    captions: list[str] = []
    spans = _spans(windows, alarms["clip"], clips)
    for clip, ratio, channel, is_right in alarms[
        ["clip", "ratio", "channel", "is_anomalous"]
    ].itertuples(index=False):
        video, start_s, stop_s = spans.loc[clip]
        rows = evidence[(evidence["video"] == video) & (evidence["channel"] == channel)]
        rows = rows[(rows["from_s"] >= start_s - EDGE_S) & (rows["time_s"] < stop_s)]
        window = Window(float(start_s), float(stop_s))
        (path,) = below(clips, [video])
        shown, where = _draw_peak(path, rows, window, picture_fps)
        pictures += shown
        kind = "" if is_right else "FALSE: "
        caption = f"{kind}{ratio:.2f} by {channel}{where}: {clip}"
        captions.extend([caption, *[""] * (len(AROUND_S) - 1)])
        own = nearest[(nearest["clip"] == clip) & (nearest["channel"] == channel)]
        for allowed, caption in _draw_nearest(clips, own, picture_fps):
            pictures.append(allowed)
            captions.append(caption)
    if not pictures:
        pictures, captions = [np.zeros((LARGE_WH[1], LARGE_WH[0]), np.uint8)], ["none"]
    sheet = tile(
        pictures,
        captions,
        num_columns=len(AROUND_S) + NUM_NEAREST,
        title=TITLE,
        note=NOTE,
        legend=LEGEND,
        heads=HEADS if len(alarms) else (),
    )
    write_picture(sheet, file)


def _draw_peak(
    path: Path, rows: pd.DataFrame, window: Window, picture_fps: Fraction
) -> tuple[list[Picture], str]:
    """Frames around the strongest of these pieces of evidence, and where they are, in words."""
    if rows.empty:  # frames from the start of the window, since no time is known
        times_s = window.start_s + np.array(AROUND_S) - AROUND_S[0]
        where = " without listed evidence, from its start"
    else:
        at = int(np.argmax(rows["ratio"]))
        peak_s, feature = float(rows["time_s"].iloc[at]), str(rows["feature"].iloc[at])
        times_s = peak_s + np.array(AROUND_S)
        where = f"{f': {feature}' if feature else ''} at {peak_s:.2f} s"
    pictures = []
    moments = _moments_at(path, times_s, window, picture_fps)
    for time_s, moment in zip(times_s, moments, strict=True):
        is_near = (rows["time_s"] - time_s).abs() <= NEAR_S
        # The strongest is drawn last, over the other one.
        near = rows[is_near].sort_values("ratio", ascending=False, kind="stable")
        near = near.head(NUM_BOXES)[::-1]
        labels = [f"{value:.2f}" for value in near["ratio"]]
        colours = (SECOND, STRONGEST)[NUM_BOXES - len(near) :]
        pictures.append(_draw_moment(moment, near[CORNERS].to_numpy(), labels, colours))
    return pictures, where


def _draw_moment(
    moment: _Moment,
    boxes_xyxy: npt.NDArray[np.float64],
    labels: Sequence[str],
    colours: Sequence[Colour],
) -> Picture:
    """The frame with arrows and boxes, which are drawn after it is resized, so none vanishes."""
    fitted, scale = fit_within(moment.frame, LARGE_WH)
    if moment.motion is not None:
        fitted = draw_motion(fitted, moment.motion)
    boxes = boxes_xyxy * (scale * moment.scale)
    return centre_on_black(draw_boxes(fitted, boxes, labels, colours), LARGE_WH)


def _draw_nearest(
    clips: Path, nearest: pd.DataFrame, picture_fps: Fraction
) -> list[tuple[Picture, str]]:
    """A frame of each of the nearest allowed clips, with its evidence, and a caption."""
    drawn: list[tuple[Picture, str]] = []
    for video, time_s, *box in (
        nearest.sort_values("rank", kind="stable")
        .head(NUM_NEAREST)[["video", "time_s", *CORNERS]]
        .itertuples(index=False)
    ):
        (path,) = below(clips, [video])
        (moment,) = _moments_at(path, np.array([time_s]), WHOLE, picture_fps)
        picture = _draw_moment(moment, np.array([box]), ["allowed"], [ALLOWED])
        drawn.append((picture, f"{time_s:.2f} s: {video}"))
    nothing: Picture = np.zeros((LARGE_WH[1], LARGE_WH[0]), np.uint8)
    missing = NUM_NEAREST - len(drawn)
    return drawn + [(nothing, "no other allowed clip")] * missing


def _spans(windows: pd.DataFrame, wanted: "pd.Series[str]", clips: Path) -> pd.DataFrame:
    """The `video`, `start_s` and `stop_s` of each clip.

    Raises:
        InputError: a wanted clip has no windows.
    """
    spans = windows.groupby("clip").agg({"video": "first", "start_s": "min", "stop_s": "max"})
    if missing := set(wanted) - set(spans.index):
        raise InputError(
            f"{clips}: expected windows of each clip that has a score, found none of "
            f"{listed(missing)}"
        )
    return spans


def _moments_at(
    path: Path, times_s: npt.NDArray[np.float64], window: Window, picture_fps: Fraction
) -> list[_Moment]:
    """The frames of a window that are shown nearest to some times, with the motion up to them."""
    shown: list[Positions] = []
    scales: list[float] = []

    def choose(num_frames: int, fps: Fraction) -> Positions:
        places = np.rint((times_s - window.start_s) * float(fps)).astype(np.int64)
        places = np.clip(places, 0, num_frames - 1)
        first = max(0, int(places.min()) - round(BEFORE_S * float(fps)))
        shown.append(places - first)
        return np.arange(first, int(places.max()) + 1)

    def shrink(picture: Picture) -> Picture:
        scale = min(1.0, SHORT_SIDE_PX / min(picture.shape[:2]))
        scales.append(scale)
        return resize(picture, (round(picture.shape[1] * scale), round(picture.shape[0] * scale)))

    found, fps = read_windows(path, [window], choose, shrink, picture_fps=picture_fps)
    frames = list(found[0])
    motions = measure_motions(frames, [float(at / fps) for at in range(len(frames))])
    return [_Moment(frames[at], scales[-1], motions[at]) for at in shown[-1].tolist()]


def draw_error_boxes(
    errors: Mapping[str, npt.NDArray[np.float64]], threshold: float, path: Path, title: str
) -> None:
    """Draws a box plot and a dot for each error of each group, and the threshold as a line.

    Boxes show the quartiles. Whiskers reach to 1.5 times the length of the box (Tukey).
    """
    all_errors = np.concatenate(list(errors.values()))
    positive = all_errors[all_errors > 0]
    height_inch = max(2.8, 1.6 + 0.4 * len(errors))
    with figure(
        path,
        title=title,
        x_label="largest score divided by its threshold",
        y_label="",
        size_inch=(7, height_inch),
        note=f"{BOX_NOTE}up to 1.5 boxes long",
    ) as axes:
        values = list(errors.values())
        names = [as_label(name) for name in errors]
        axes.boxplot(values, orientation="horizontal", tick_labels=names, showfliers=False)
        for row, group in enumerate(values, start=1):
            # Small vertical offsets keep equal errors apart.
            spread = np.linspace(-0.15, 0.15, len(group)) if len(group) > 1 else np.zeros(1)
            label = "a clip" if row == 1 else None
            rows = row + spread
            axes.plot(group, rows, ".", color=DOTS, alpha=0.5, markersize=4, label=label)
        axes.axvline(threshold, color="black", linestyle="--", label="threshold")
        if len(positive) and positive.max() > 20 * np.median(positive):
            use_log_scale(axes)
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
