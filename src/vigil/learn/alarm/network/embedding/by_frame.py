"""Networks that see the frames of a window one by one: a vector of the window, or of each cell.

Such a vector describes what a frame shows, not how it moves.
"""

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts
from vigil.pixels.fitting import FrameSize
from vigil.plumbing.errors import FieldError


class FramesBackbone(Backbone):
    """A network of pictures as a network of windows.

    A subclass defines `maps`. It may define `whole`, if a picture has a vector of its own.

    Attributes:
        num_cells: equal parts of a frame along each side. With 1, a window has one vector: the mean
            of its frames' vectors.
    """

    def __init__(self, network: nn.Module, inputs: InputFacts, num_cells: int) -> None:
        super().__init__(network, inputs)
        self.num_cells = num_cells

    def maps(self, frames: Tensor) -> Tensor:
        """The maps (N, D, h, w) of normalised frames (N, 3, S, S)."""
        raise NotImplementedError

    def whole(self, frames: Tensor) -> Tensor:
        """The vectors (N, D) of normalised frames (N, 3, S, S)."""
        return self.maps(frames).mean(dim=(2, 3))

    def features(self, clips: Tensor) -> Tensor:
        """The vectors of normalised frames (B, 3, T, S, S).

        Returns:
            (B, D); with cells, (B, T * num_cells**2, D), in the order frame, row, column.
        """
        batch, _, num_frames = clips.shape[:3]
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous()  # (B T, 3, S, S)
        if self.num_cells == 1:
            vectors = self.whole(frames)
            return vectors.reshape(batch, num_frames, -1).mean(dim=1)
        cells = adaptive_avg_pool2d(self.maps(frames), self.num_cells)  # (B T, D, n, n)
        vectors = cells.flatten(2).transpose(1, 2)  # (B T, n n, D)
        return vectors.reshape(batch, num_frames * self.num_cells**2, -1)


def square(side_px: int, num_cells: int) -> FrameSize:
    """How frames become squares: cropped; with cells, squeezed, so that no part is left out."""
    return FrameSize(side_px if num_cells == 1 else (side_px, side_px), side_px)


def check_cells(num_cells: int, side_px: int, cell_px: int) -> None:
    """Refuses cells that are not made of whole cells of a frame's map.

    Args:
        side_px: of the frame.
        cell_px: the side of a cell of the map, in px of the frame.

    Raises:
        FieldError: the side of the map is no multiple of the number of cells.
    """
    side = side_px // cell_px
    if side % num_cells:
        divisors = ", ".join(str(number) for number in range(1, side + 1) if not side % number)
        raise FieldError(
            "num_space_cells",
            f"expected one of {divisors}, since the map of the network has {side} cells "
            f"along each side of a frame of {side_px} px, got {num_cells}",
        )
