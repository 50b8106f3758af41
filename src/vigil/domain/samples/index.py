"""The index of samples: sequences of crops of people and of background."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below
from vigil.plumbing.records import read_csv, write_csv

PERSON = "person"
BACKGROUND = "background"
LABELS = (BACKGROUND, PERSON)
"""The two classes; a sample's target is the position of its label here."""

INDEX_NAME = "index.csv"
INDEX_DTYPES = {
    "video": str,
    "row": np.int64,
    "label": str,
    "track": str,
    "first_frame": np.int64,
    "num_frames": np.int64,
    "width_px": np.float64,
    "height_px": np.float64,
}


def write_index(index: pd.DataFrame, folder: Path) -> None:
    """Writes the index of all samples in a folder."""
    write_csv(index[list(INDEX_DTYPES)], folder / INDEX_NAME)


def read_index(folder: Path) -> pd.DataFrame:
    """Reads the index of the samples in a folder, with an `id` ("<video>/<row>") as its index.

    Raises:
        InputError: no such file, or not an index.
    """
    index = read_csv(folder / INDEX_NAME, INDEX_DTYPES)
    return index.set_index(index["video"] + "/" + index["row"].astype(str)).rename_axis("id")


def array_path(folder: Path, video: str) -> Path:
    """The path of a video's samples: an array (N, T, S, S) uint8 in the order of `row`.

    Raises:
        InputError: a name that points outside the folder.
    """
    return below(folder, [f"{video}.npy"])[0]


def read_crops(folder: Path, video: str, row: int) -> npt.NDArray[np.uint8]:
    """The crops of one sample: (T, S, S) uint8, grey.

    Raises:
        InputError: a name that points outside the folder, or no such sample in a file of samples.
    """
    path = array_path(folder, video)
    try:
        crops: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")[row]
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path}: expected sample {row}, got: {error}") from None
    if crops.ndim != 3 or crops.dtype != np.uint8:
        raise InputError(f"{path}: expected (T, S, S) uint8, got {crops.shape} {crops.dtype}")
    return crops
