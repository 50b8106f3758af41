"""Draws an overview of a set of pictures with masks: areas, classes by picture, examples."""

import warnings
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.masks.class_map import ClassMaps
from vigil.domain.masks.masked import MaskedPictures
from vigil.pixels.class_maps import fit_classes
from vigil.pixels.drawing.figures import BOX_NOTE, as_label, figure, use_log_scale
from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.fitting import fit_within
from vigil.pixels.overlays import GREY, IGNORED_NAME, class_colours, overlay
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture

CELL_WH = (320, 240)
NUM_COLUMNS = 4
MOST_CLASSES = 40
MOST_PICTURES = 400


def draw_masks(
    known: MaskedPictures,
    shares: pd.DataFrame,
    source: ImageSource,
    folder: Path,
    *,
    num_pictures: int,
) -> None:
    """Draws areas by class, the classes in each picture, and pictures with their masks.

    Args:
        shares: (pictures, classes), as `class_shares` returns them.
        folder: the folder of the figures.
    """
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        _draw_areas(known, folder / "area_by_class.png")
        _draw_shares(shares, folder / "classes_by_picture.png")
    draw_sheet(known, source, folder / "sheet.jpg", num_pictures)


def _draw_areas(known: MaskedPictures, path: Path) -> None:
    """Box plots of the areas of masks, for the commonest classes."""
    objects = known.objects[~known.is_ignored]
    counts = objects["label"].value_counts().sort_index(kind="stable")
    order = counts.sort_values(ascending=False, kind="stable").index[:MOST_CLASSES]
    areas = [objects.loc[objects["label"] == label, "area"].to_numpy() for label in order]
    names = [f"{as_label(str(label))} ({counts[label]})" for label in order]
    size_inch = (5.0, 1.6 + 0.22 * len(order))
    with figure(
        path,
        title="Mask area by class",
        x_label="area (px²)",
        y_label="",
        size_inch=size_inch,
        note=f"{BOX_NOTE}all",
    ) as axes:
        axes.boxplot(
            areas[::-1],
            orientation="horizontal",
            tick_labels=names[::-1],
            whis=(0, 100),
            widths=0.7,
        )
        use_log_scale(axes)


def _draw_shares(shares: pd.DataFrame, path: Path) -> None:
    """A row for each class and a column for each picture: the share of the picture."""
    table = shares.to_numpy(np.float64).T[:MOST_CLASSES]
    if table.shape[1] > MOST_PICTURES:  # the mean of as many neighbours as fit
        parts = np.array_split(np.arange(table.shape[1]), MOST_PICTURES)
        table = np.stack([table[:, part].mean(axis=1) for part in parts], axis=1)
    size_inch = (6.0, 1.4 + 0.22 * len(table))
    with figure(
        path,
        title="Classes by picture",
        x_label=f"{len(shares)} pictures, in the order of their names",
        y_label="",
        size_inch=size_inch,
    ) as axes:
        names = [as_label(str(name)) for name in shares.columns[: len(table)]]
        extent = (0.0, float(len(shares)), len(table) - 0.5, -0.5)
        image = axes.imshow(
            np.sqrt(table), aspect="auto", vmin=0, vmax=1, cmap="viridis", extent=extent
        )
        axes.set_yticks(range(len(table)), names)
        # Their places on the bar are 0, 0.2, 0.5 and 1, far enough apart for their texts.
        bar = axes.figure.colorbar(image, ax=axes, ticks=np.sqrt([0, 0.04, 0.25, 1]))
        bar.ax.set_yticklabels(["0", "4 %", "25 %", "100 %"])
        bar.set_label("share of the\npicture (square\nroot scale)")


def draw_sheet(known: MaskedPictures, source: ImageSource, path: Path, num: int) -> None:
    """Draws pictures with their masks, at even distances over all pictures."""
    colours = class_colours(known.classes, known.background)
    by_number = [colours.get(name) for name in known.classes]
    maps = ClassMaps(known)
    names = known.images.index.tolist()
    positions = np.linspace(0, len(names) - 1, min(num, len(names))).round().astype(int)
    cells: list[Picture] = []
    captions: list[str] = []
    for position in dict.fromkeys(positions.tolist()):
        name = names[position]
        cells.append(_cell(source.rgb(name)[..., ::-1], maps[name], by_number))
        captions.append(name)
    if not cells:
        cells, captions = [np.full((60, 160), 255, np.uint8)], ["none to show"]
    legend = {**colours, IGNORED_NAME: GREY}
    title = f"{len(cells)} of {len(names)} pictures with their masks"
    write_picture(tile(cells, captions, num_columns=NUM_COLUMNS, title=title, legend=legend), path)


def _cell(
    picture: Picture, classes: npt.NDArray[np.uint8], colours: list[tuple[int, int, int] | None]
) -> Picture:
    small, _ = fit_within(picture, CELL_WH)
    height, width = small.shape[:2]
    cell = np.full((CELL_WH[1], CELL_WH[0], 3), 255, np.uint8)
    cell[:height, :width] = overlay(small, fit_classes(classes, (width, height)), colours)
    return cell
