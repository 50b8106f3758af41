"""Applies the display matrix of a file, which tells players to turn and mirror its frames."""

import struct

import numpy as np

from vigil.pixels.pictures.picture import Picture


def orient(picture: Picture, matrix: bytes | bytearray) -> Picture:
    """Applies a display matrix (ISO/IEC 14496-12, 8.3.2), rounded to quarter turns and mirrors.

    The matrix maps the point (p, q) to (ap + cq, bp + dq). The picture is then moved so that no
    coordinate is negative.

    Args:
        picture: (H, W, 3).
        matrix: a, b, u, c, d, v, x, y, w as 32-bit integers in the machine's byte order.

    Returns:
        (H, W, 3), or (W, H, 3) after a turn by one or three quarters.
    """
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    is_transposed = abs(b) + abs(c) > abs(a) + abs(d)
    # The entries that map to x and to y. A negative entry mirrors the picture along its axis.
    to_x, to_y = (c, b) if is_transposed else (a, d)
    turned = picture.transpose(1, 0, 2) if is_transposed else picture
    turned = turned[:, ::-1] if to_x < 0 else turned
    turned = turned[::-1] if to_y < 0 else turned
    return np.ascontiguousarray(turned)
