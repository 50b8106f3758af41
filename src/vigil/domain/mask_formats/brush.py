"""The run lengths of Label Studio's brush, which are another format than COCO's.

They are a stream of bits: 32 bits for the number of values, 5 bits for the number of bits of a
value, and four times 4 bits for numbers of bits of a length (the last two each less 1). Then follow
blocks. A block is a bit that says whether one value is repeated, 2 bits that choose one of the
four, a length less 1 in so many bits, and one value, or as many values as the length. The values
are the red, green, blue and opacity of each pixel, row by row.

Source: https://github.com/HumanSignal/label-studio-sdk, `converter/brush.py`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vigil.domain.pictures.run_lengths import Mask

NUM_CHANNELS = 4
LENGTH_BITS = np.array([3, 4, 8, 16])
"""The four numbers of bits of a length, as Label Studio itself writes them."""
VALUE_BITS, OPAQUE = 8, 255


def decode_brush(numbers: Sequence[int], size_wh: tuple[int, int]) -> Mask:
    """The mask (H, W) of a brush: where its opacity is not 0.

    Args:
        numbers: the bytes of the stream.

    Raises:
        ValueError: they are not such a stream, or one of another size.
    """
    width, height = size_wh
    stream = bytes(numbers)  # raises ValueError for a number that is not a byte
    reader = _Bits(stream)
    num_values = reader.take(32)
    if num_values != width * height * NUM_CHANNELS:
        raise ValueError(f"{num_values} values for {width}x{height} px of 4 channels")
    word = reader.take(5) + 1
    lengths = [reader.take(4) + 1 for _ in range(4)]
    values = np.zeros(num_values, np.uint8)
    position = 0
    while position < num_values:
        is_repeated = reader.take(1)
        stop = position + 1 + reader.take(lengths[reader.take(2)])
        if stop > num_values:
            raise ValueError("more values than declared")
        if is_repeated:
            values[position:stop] = min(reader.take(word), 255)
        else:
            values[position:stop] = reader.take_many(word, stop - position)
        position = stop
    opacity = values.reshape(height, width, NUM_CHANNELS)[..., -1]
    return opacity > 0


def encode_brush(mask: Mask) -> list[int]:
    """The bytes of the stream of a mask (H, W), whose pixels are white and opaque."""
    flat = np.asarray(mask, bool).ravel()
    bounds = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    values = np.where(flat[bounds[:-1]], OPAQUE, 0)
    lengths = np.diff(bounds) * NUM_CHANNELS
    # A run that is longer than the longest length is split into several.
    most = 1 << int(LENGTH_BITS[-1])
    counts = -(-lengths // most)
    values = np.repeat(values, counts)
    parts = np.full(len(values), most)
    parts[np.cumsum(counts) - 1] = lengths - (counts - 1) * most
    choice = np.searchsorted(1 << LENGTH_BITS, parts)
    widths = LENGTH_BITS[choice]
    # A block as one number: repeated, the choice, the length less 1, the value.
    blocks = (1 << 2 | choice) << widths | (parts - 1)
    blocks = blocks << VALUE_BITS | values
    header = [
        (flat.size * NUM_CHANNELS, 32),
        (VALUE_BITS - 1, 5),
        *((int(bits) - 1, 4) for bits in LENGTH_BITS),
    ]
    numbers = np.concatenate([[number for number, _ in header], blocks])
    sizes = np.concatenate([[size for _, size in header], 3 + widths + VALUE_BITS])
    # (N, 32) bits of each number, the highest first, of which the last `sizes` are written.
    position = np.arange(32)[::-1]
    bits = (numbers[:, None] >> position) & 1
    stream: list[int] = np.packbits(bits[position < sizes[:, None]].astype(np.uint8)).tolist()
    return stream


class _Bits:
    """Reads numbers of any width from bytes, the highest bit first."""

    def __init__(self, stream: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(stream, np.uint8))
        self._text = stream
        self._position = 0

    def take(self, width: int) -> int:
        """The number in the next bits."""
        start, stop = self._position, self._position + width
        if stop > len(self._bits):
            raise ValueError("fewer values than declared")
        self._position = stop
        whole = int.from_bytes(self._text[start // 8 : -(-stop // 8)], "big")
        return (whole >> (-stop % 8)) & ((1 << width) - 1)

    def take_many(self, width: int, number: int) -> npt.NDArray[np.uint8]:
        """(number,): the numbers in the next bits, at most 255 each."""
        start, stop = self._position, self._position + width * number
        if stop > len(self._bits):
            raise ValueError("fewer values than declared")
        self._position = stop
        bits = self._bits[start:stop].reshape(number, width).astype(np.int64)
        return np.minimum(bits @ (1 << np.arange(width)[::-1]), 255).astype(np.uint8)
