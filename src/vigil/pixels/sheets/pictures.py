"""Draws an overview of a set of annotated pictures: counts, sizes, channels, examples."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.pixels.drawing.figures import BOX_NOTE, as_label, figure, use_log_scale
from vigil.pixels.drawing.on_pictures import draw_boxes, tile, write_picture
from vigil.pixels.fitting import fit_within
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture

MAX_HISTOGRAMS = 6
NUM_BARS = 40
CELL_WH = (320, 240)
NUM_COLUMNS = 4
CHANNELS = ("red", "green", "blue")


def draw_pictures(
    detections: AnnotatedPictures,
    channel_means: npt.NDArray[np.float64],
    source: ImageSource,
    folder: Path,
    *,
    num_pictures: int,
) -> None:
    """Draws counts and sizes of boxes by class, channel means, and pictures with their boxes.

    Boxes to be ignored appear only in the sheet and in the bars of the classes.

    Args:
        channel_means: (pictures, 3) mean red, green and blue of each picture, in [0, 255].
        folder: the folder of the figures.
    """
    # The names of classes are not parsed as formulas, and a font may lack some of their letters.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        draw_numbers(detections, channel_means, folder)
    draw_sheet(detections, source, folder / "sheet.jpg", num_pictures)


def draw_numbers(
    detections: AnnotatedPictures, channel_means: npt.NDArray[np.float64], folder: Path
) -> None:
    """The figures of `draw_pictures`, without the sheet."""
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
    """Draws a histogram for each class if there are few, else box plots of the commonest ones."""
    counts = labels.value_counts().sort_index(kind="stable")
    order = counts.sort_values(ascending=False, kind="stable").index[:NUM_BARS]
    groups = {str(label): values[labels == label] for label in order}
    path, title = folder / f"{name}.png", f"{title} by class"
    if len(counts) > MAX_HISTOGRAMS:
        draw_box_plots(groups, path, title=title, x_label=x_label, is_log=is_log)
        return
    lowest, highest = float(values.min()), float(values.max())
    spacing = np.geomspace if is_log else np.linspace
    bins = list(spacing(lowest, max(highest, lowest * 1.5), 31))
    draw_histogram(
        groups, path, title=title, x_label=x_label, y_label="boxes", bins=bins, is_log=is_log
    )


def draw_box_plots(
    groups: Mapping[str, "pd.Series[float]"],
    path: Path,
    *,
    title: str,
    x_label: str,
    is_log: bool = False,
) -> None:
    """Draws a box plot for each group: the quartiles, with whiskers to the extreme values."""
    size_inch = (5.0, 1.6 + 0.22 * len(groups))
    with figure(
        path,
        title=title,
        x_label=x_label,
        y_label="",
        size_inch=size_inch,
        note=f"{BOX_NOTE}all",
    ) as axes:
        axes.boxplot(
            [values.to_numpy() for values in groups.values()][::-1],
            orientation="horizontal",
            tick_labels=[as_label(name) for name in groups][::-1],
            whis=(0, 100),
            widths=0.7,
        )
        if is_log:
            use_log_scale(axes)


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
    """Draws one histogram for each group over common bins. A single group "" has no legend."""
    with figure(path, title=title, x_label=x_label, y_label=y_label) as axes:
        for label, values in groups.items():
            # A leading underscore would keep a name out of the legend.
            shown = as_label(f" {label}" if label.startswith("_") else label)
            axes.hist(values, bins=bins, label=shown, alpha=0.55)
        if is_log:
            use_log_scale(axes)
        if any(groups):
            axes.legend(loc="upper right")  # "best" is slow, and warns about it
        else:
            axes.locator_params(axis="x", integer=True)


def draw_class_counts(detections: AnnotatedPictures, path: Path) -> None:
    """Draws a bar for each class, the commonest on top; boxes to be ignored have another colour."""
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
    num_left_out = len(counts) - len(shown)
    title = "Boxes by class" + (
        f" ({num_left_out} rarer classes not shown)" if num_left_out else ""
    )
    size_inch = (5.0, 1.4 + 0.22 * len(shown))
    with figure(path, title=title, x_label="boxes", y_label="", size_inch=size_inch) as axes:
        axes.margins(y=0.02)
        places, names = range(len(shown)), [as_label(name) for name in shown.index]
        axes.barh(places, shown["objects"], tick_label=names, label="objects")
        if ignored.any():
            starts = shown["objects"]
            axes.barh(places, shown["to be ignored"], left=starts, label="to be ignored")
            axes.legend(loc="lower right")


def draw_channels(channel_means: npt.NDArray[np.float64], path: Path) -> None:
    """Draws histograms of the mean red, green and blue of pictures."""
    with figure(
        path, title="Channel means by picture", x_label="mean (0 to 255)", y_label="pictures"
    ) as axes:
        for name, values in zip(CHANNELS, channel_means.T, strict=True):
            bins = list(np.linspace(0, 255, 52))
            axes.hist(values, bins=bins, histtype="step", color=name, label=name)
        axes.legend(loc="upper right")


def draw_sheet(
    detections: AnnotatedPictures, source: ImageSource, path: Path, num_pictures: int
) -> None:
    """Draws pictures with boxes, spread evenly over all pictures that have boxes.

    If there is only one class, its name is left out of the captions.
    """
    if not num_pictures:
        write_picture(tile([np.full((60, 160), 255, np.uint8)], ["none asked for"]), path)
        return
    boxes, is_ignored = detections.boxes, detections.is_ignored
    names = boxes["image"].unique()
    rows = np.linspace(0, len(names) - 1, min(num_pictures, len(names))).round().astype(int)
    pictures = []
    for name in names[rows]:
        picture_boxes = boxes[boxes["image"] == name]
        captions = [
            (label if len(detections.classes) > 1 else "") + (" (ignored)" if ignored else "")
            for label, ignored in zip(
                picture_boxes["label"], is_ignored[picture_boxes.index], strict=True
            )
        ]
        pictures.append(fit_cell(source.rgb(name), picture_boxes[CORNERS].to_numpy(), captions))
    title = f"{len(rows)} of {len(names)} pictures with boxes"
    sheet = tile(pictures, list(names[rows]), num_columns=NUM_COLUMNS, title=title)
    write_picture(sheet, path)


def fit_cell(rgb: Picture, boxes_xyxy: npt.NDArray[np.float64], captions: list[str]) -> Picture:
    """Fits an RGB picture into a BGR picture of size CELL_WH, and draws its boxes."""
    cell = np.full((CELL_WH[1], CELL_WH[0], 3), 255, np.uint8)
    fitted, scale = fit_within(rgb[..., ::-1], CELL_WH)
    cell[: fitted.shape[0], : fitted.shape[1]] = draw_boxes(fitted, boxes_xyxy * scale, captions)
    return cell
