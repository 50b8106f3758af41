"""What one looks at first in a set of pictures and boxes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.detections import CORNERS, DetectionSet
from vigil.pixels.drawing import draw_boxes, tile, write_picture
from vigil.pixels.figures import figure
from vigil.pixels.images import ImageSource
from vigil.pixels.picture import Picture

NUM_CLASSES_APART = 6
NUM_BARS = 40
CELL_WH = (320, 240)
NUM_COLUMNS = 4
CHANNELS = ("red", "green", "blue")


def draw_detections(
    detections: DetectionSet,
    channel_means: npt.NDArray[np.float64],
    source: ImageSource,
    folder: Path,
    *,
    num_pictures: int,
) -> None:
    """Draws the boxes' numbers and sizes by class, the channels, and pictures with boxes.

    What is to be ignored is in the sheet and in the bars of the classes alone.

    Args:
        channel_means: (pictures, 3) mean red, green and blue of each, in [0, 255].
    """
    boxes = detections.boxes[~detections.is_ignored]
    draw_class_counts(detections, folder / "class_counts.png")
    per_picture = boxes["image"].value_counts().reindex(detections.images.index, fill_value=0)
    draw_histogram(
        {"": per_picture},
        folder / "objects_per_picture.png",
        title="Objects per picture",
        x_label="objects",
        y_label="pictures",
        bins=[number - 0.5 for number in range(int(per_picture.max()) + 2)],
    )
    width, height = boxes["x2"] - boxes["x1"], boxes["y2"] - boxes["y1"]
    draw_by_class(boxes["label"], width, folder, "width", "Box width", "width (px)")
    draw_by_class(boxes["label"], height, folder, "height", "Box height", "height (px)")
    draw_by_class(
        boxes["label"],
        height / width,
        folder,
        "aspect_ratio",
        "Height over width",
        "height / width",
    )
    draw_by_class(
        boxes["label"], width * height, folder, "area", "Box area", "area (px²)", is_log=True
    )
    draw_channels(channel_means, folder / "channels.png")
    draw_sheet(detections, source, folder / "sheet.jpg", num_pictures)


def draw_by_class(
    labels: "pd.Series[str]",
    values: "pd.Series[float]",
    folder: Path,
    name: str,
    title: str,
    x_label: str,
    *,
    is_log: bool = False,
) -> None:
    """A histogram for each of the commonest classes, the others together."""
    counts = labels.value_counts()
    order = counts.sort_index(kind="stable").sort_values(ascending=False, kind="stable").index
    apart, rest = order[:NUM_CLASSES_APART], order[NUM_CLASSES_APART:]
    groups = {str(label): values[labels == label] for label in apart}
    if len(rest):
        groups[f"{len(rest)} other classes"] = values[labels.isin(rest)]
    lowest, highest = float(values.min()), float(values.max())
    space = np.geomspace if is_log else np.linspace
    bins = list(space(lowest, max(highest, lowest * 1.5), 31))
    draw_histogram(
        groups,
        folder / f"{name}.png",
        title=f"{title} by class",
        x_label=x_label,
        y_label="boxes",
        bins=bins,
        is_log=is_log,
    )


def draw_histogram(
    groups: Mapping[str, "pd.Series[float]"],
    path: Path,
    *,
    title: str,
    x_label: str,
    y_label: str,
    bins: Sequence[float],
    is_log: bool = False,
) -> None:
    """One histogram for each group over common bins; a group called "" stands alone."""
    with figure(path, title=title, x_label=x_label, y_label=y_label) as axes:
        for label, values in groups.items():
            axes.hist(values, bins=bins, label=label, alpha=0.55)
        if is_log:
            axes.set_xscale("log")
        if any(groups):
            axes.legend()
        else:
            axes.locator_params(axis="x", integer=True)


def draw_class_counts(detections: DetectionSet, path: Path) -> None:
    """A bar for each class, the commonest above, and what of it is to be ignored."""
    labels, ignored = detections.boxes["label"], detections.is_ignored
    counts = pd.DataFrame(
        {
            "objects": labels[~ignored].value_counts(),
            "to be ignored": labels[ignored].value_counts(),
        },
        index=list(detections.classes),
    ).fillna(0)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index[:NUM_BARS]
    shown = counts.loc[order[::-1]]
    left_out = len(counts) - len(shown)
    title = "Boxes by class" + (f" ({left_out} rarer classes not shown)" if left_out else "")
    size_inch = (5.0, 1.4 + 0.22 * len(shown))
    with figure(path, title=title, x_label="boxes", y_label="", size_inch=size_inch) as axes:
        axes.barh(list(shown.index), shown["objects"], label="objects")
        if ignored.any():
            starts = shown["objects"]
            axes.barh(list(shown.index), shown["to be ignored"], left=starts, label="to be ignored")
            axes.legend()


def draw_channels(channel_means: npt.NDArray[np.float64], path: Path) -> None:
    """How bright pictures are in red, green and blue."""
    with figure(
        path, title="Channel means by picture", x_label="mean (0 to 255)", y_label="pictures"
    ) as axes:
        for name, values in zip(CHANNELS, channel_means.T, strict=True):
            bins = list(np.linspace(0, 255, 52))
            axes.hist(values, bins=bins, histtype="step", color=name, label=name)
        axes.legend()


def draw_sheet(
    detections: DetectionSet, source: ImageSource, path: Path, num_pictures: int
) -> None:
    """Pictures with boxes, spread evenly over those that have any, each fitted into a cell."""
    if not num_pictures:
        return
    boxes, is_ignored = detections.boxes, detections.is_ignored
    names = boxes["image"].unique()
    rows = np.linspace(0, len(names) - 1, min(num_pictures, len(names))).round().astype(int)
    pictures = []
    for name in names[rows]:
        own = boxes[boxes["image"] == name]
        captions = [
            f"{label} (ignored)" if ignored else label
            for label, ignored in zip(own["label"], is_ignored[own.index], strict=True)
        ]
        pictures.append(fit_cell(source.rgb(name), own[CORNERS].to_numpy(), captions))
    shortened = [name if len(name) < 48 else f"…{name[-46:]}" for name in names[rows]]
    captions = [name.encode("ascii", "replace").decode() for name in shortened]
    write_picture(tile(pictures, captions, num_columns=NUM_COLUMNS), path)


def fit_cell(rgb: Picture, boxes_xyxy: npt.NDArray[np.float64], captions: list[str]) -> Picture:
    """A BGR picture of CELL_WH that holds the given one, scaled to fit, with its boxes."""
    height, width = rgb.shape[:2]
    scale = min(CELL_WH[0] / width, CELL_WH[1] / height)
    size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
    cell = np.full((CELL_WH[1], CELL_WH[0], 3), 255, np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    fitted = cv2.resize(bgr, size_wh, interpolation=method).astype(np.uint8, copy=False)
    cell[: size_wh[1], : size_wh[0]] = draw_boxes(fitted, boxes_xyxy * scale, captions)
    return cell
