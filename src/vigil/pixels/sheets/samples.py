"""Draws sheets of the crops of samples."""

from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.samples.index import BACKGROUND, PERSON, read_crops
from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.pictures.picture import Picture

NUM_SHOWN = 10


def draw_samples(index: pd.DataFrame, samples: Path, folder: Path) -> None:
    """Draws a sheet for each class: samples spread over the index, one in each row.

    Time runs to the right.
    """
    for label in (PERSON, BACKGROUND):
        rows = index[index["label"] == label]
        num_shown = min(NUM_SHOWN, len(rows))
        chosen = rows.iloc[np.linspace(0, len(rows) - 1, num_shown).astype(int)]
        pictures: list[Picture] = []
        captions: list[str] = []
        for sample in chosen.itertuples():
            crops = read_crops(samples, str(sample.video), int(sample.row))
            pictures.extend(np.asarray(crops))
            size = f"{sample.width_px:.0f}x{sample.height_px:.0f}"
            captions.extend([size, *[""] * (len(crops) - 1)])
        title = f"Samples of {label}: a row each, time to the right, width x height in px"
        sheet = tile(pictures, captions, num_columns=len(crops), title=title)
        write_picture(sheet, folder / f"{label}.png")
