"""What a picture is."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) BGR, as OpenCV has it, or (H, W) grey."""
