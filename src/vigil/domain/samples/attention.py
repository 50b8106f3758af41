"""Maps of attention of the classifier on the test samples, beside its predictions."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import InputError, shorten

NAME = "attention.npy"
Attention = npt.NDArray[np.float16]


def write_attention(attention: npt.NDArray[np.float32], folder: Path) -> None:
    """Writes maps (N, heads, h, w) in the order of the test samples, as 16-bit floats."""
    np.save(folder / NAME, np.ascontiguousarray(attention, np.float16))


def read_attention(folder: Path, num_samples: int) -> Attention:
    """Reads what `write_attention` wrote.

    Raises:
        InputError: no such file, or not the maps of this number of samples.
    """
    path = folder / NAME
    try:
        attention: Attention = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: expected maps of attention, found no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: expected maps of attention, got: {shorten(str(error))}"
        ) from None
    if attention.dtype != np.float16 or attention.ndim != 4 or len(attention) != num_samples:
        raise InputError(
            f"{path}: expected ({num_samples}, heads, h, w) float16, got {attention.shape} "
            f"{attention.dtype}"
        )
    if not (np.isfinite(attention).all() and (attention >= 0).all() and attention.size):
        raise InputError(f"{path}: expected finite, positive attention, got others")
    return attention
