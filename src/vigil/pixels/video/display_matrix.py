"""How a file asks players to turn and mirror its frames."""

import struct

import numpy as np

from vigil.pixels.pictures.picture import Picture


def shown(picture: Picture, matrix: bytes | bytearray) -> Picture:
    """Applies a display matrix (ISO/IEC 14496-12, 8.3.2), rounded to quarter turns and mirrors.

    It takes the point (p, q) to (ap + cq, bp + dq), moved to where no coordinate is negative.

    Args:
        picture: (H, W, 3).
        matrix: nine whole numbers of 32 bits, as the machine has them: a, b, u, c, d, v, x, y, w.

    Returns:
        (H, W, 3), or (W, H, 3) where it is turned by one quarter or three.
    """
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    is_lying = abs(b) + abs(c) > abs(a) + abs(d)
    to_x, to_y = (c, b) if is_lying else (a, d)
    turned = picture.transpose(1, 0, 2) if is_lying else picture
    turned = turned[:, ::-1] if to_x < 0 else turned
    turned = turned[::-1] if to_y < 0 else turned
    return np.ascontiguousarray(turned)
