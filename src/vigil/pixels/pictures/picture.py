"""The type of a picture."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) BGR, OpenCV's order of channels, or (H, W) grey."""
