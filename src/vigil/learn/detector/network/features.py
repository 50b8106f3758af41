"""The feature maps that the heads of `grid` and `anchor` use: a trunk, and a neck."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.detector.network.necks import ConcatNeck, PyramidNeck
from vigil.learn.pictures.trunk import ROUNDING_DOWN, STRIDES, build_trunk, count_channels
from vigil.plumbing.errors import FieldError, shorten


class Features(nn.Module):
    """Maps of some strides, all with `num_channels` channels."""

    def __init__(
        self,
        trunk: str,
        *,
        strides: Sequence[int],
        deepest_stride: int,
        neck: str,
        neck_width: int,
        num_frozen_blocks: int,
        pretrained: bool,
    ) -> None:
        """Raises FieldError for an unknown trunk, invalid strides, or too many frozen blocks."""
        super().__init__()
        _check(strides, deepest_stride, neck, neck_width)
        self.trunk = build_trunk(
            trunk,
            deepest_stride=deepest_stride,
            num_frozen_blocks=num_frozen_blocks,
            pretrained=pretrained,
        )
        merged = [s for s in STRIDES if strides[0] <= s <= deepest_stride]
        channels = {s: num for s, num in count_channels(self.trunk).items() if s in merged}
        self._stride = strides[0]
        self._multiple_px = deepest_stride if trunk.startswith(ROUNDING_DOWN) else 1
        self.neck: nn.Module | None = None
        if neck_width and neck == "concat":
            self.neck = ConcatNeck(channels, neck_width)
        elif neck_width:
            self.neck = PyramidNeck(channels, neck_width, strides, has_way_back=neck == "pafpn")
        self.num_channels = neck_width or channels[strides[0]]

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(B, C, H, W) to (B, num_channels, ceil(H / stride), ceil(W / stride)) by stride."""
        height, width = pictures.shape[-2:]
        missing = (0, -width % self._multiple_px, 0, -height % self._multiple_px)
        maps = self.trunk(functional.pad(pictures, missing))
        merged: list[Tensor] = self.neck(maps) if self.neck else [maps[self._stride]]
        return merged


def _check(strides: Sequence[int], deepest_stride: int, neck: str, neck_width: int) -> None:
    known = [stride for stride in STRIDES if stride in strides]
    if not strides or list(strides) != known:
        raise FieldError(
            "features.strides", f"expected some of {list(STRIDES)}, ascending, got {list(strides)}"
        )
    if deepest_stride < strides[-1] or deepest_stride not in STRIDES:
        raise FieldError(
            "features.deepest_stride",
            f"expected at least the stride {strides[-1]}, got {shorten(deepest_stride)}",
        )
    if len(strides) > 1 and neck == "concat":
        raise FieldError(
            "features.neck",
            f"expected fpn or pafpn for the strides {list(strides)}, got concat, which makes one "
            "map",
        )
    if deepest_stride > strides[0] and not neck_width:
        raise FieldError(
            "features.neck_width",
            f"expected more than 0 to merge the strides {strides[0]} to {deepest_stride}, got "
            f"{shorten(neck_width)}",
        )
