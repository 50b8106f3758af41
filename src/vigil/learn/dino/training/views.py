"""Cuts views out of frames, with changed colours: the multi-crop of self-distillation.

Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", 2020,
cut views out of whole photographs. A surveillance frame shows a whole place, and its objects are
small. So a square region of the frame is chosen first, and all views are cut out of this region.
"""

import torch
from torch import Tensor
from torch.nn import functional

from vigil.learn.dino.training.frames import FrameBatch
from vigil.settings.train_dino import Views

GREY_WEIGHTS = (0.299, 0.587, 0.114)
BLUR = (0.25, 0.5, 0.25)
NUM_BLURS = 2
"""The kernel is applied this many times: a standard deviation of 1 px."""


class ViewCutter:
    """Cuts random views. All random numbers come from torch's generator."""

    def __init__(self, settings: Views, large_px: int) -> None:
        """Args: large_px: side of the large views."""
        self._settings, self._large_px = settings, large_px

    def __call__(self, frames: FrameBatch) -> tuple[Tensor, Tensor]:
        """Cuts two large views and several small ones out of one region of each frame.

        Returns:
            (2 B, 3, L, L) and (num_small B, 3, S, S) in [0, 255]: the first views of all frames,
            then the second ones, and so on.
        """
        settings = self._settings
        pictures = frames.pictures.permute(0, 3, 1, 2).float()
        regions = self._draw_regions(frames.sizes_wh)
        large = [
            self._cut(pictures, regions, settings.min_large, 1.0, self._large_px) for _ in range(2)
        ]
        small = [
            self._cut(pictures, regions, settings.min_small, settings.max_small, settings.small_px)
            for _ in range(settings.num_small)
        ]
        side = settings.small_px
        return torch.cat(large), torch.cat(small) if small else pictures.new_empty(0, 3, side, side)

    def _draw_regions(self, sizes_wh: Tensor) -> Tensor:
        """(B, 3) px: left, top and side of a square region in each frame.

        Sides are uniform on a logarithmic axis.
        """
        settings, batch = self._settings, len(sizes_wh)
        draw = torch.rand(batch, 3, device=sizes_wh.device)
        ratio = settings.max_region / settings.min_region
        sides = settings.min_region * ratio ** draw[:, 2] * sizes_wh.min(dim=1).values
        corners = draw[:, :2] * (sizes_wh - sides[:, None])
        return torch.cat([corners, sides[:, None]], dim=1)

    def _cut(
        self, pictures: Tensor, regions: Tensor, min_area: float, max_area: float, side_px: int
    ) -> Tensor:
        """(B, 3, side_px, side_px): a random square of each region, resized, with other colours."""
        batch, device = len(pictures), pictures.device
        draw = torch.rand(batch, 3, device=device)
        sides = (min_area + draw[:, 2] * (max_area - min_area)).sqrt() * regions[:, 2]
        corners = regions[:, :2] + draw[:, :2] * (regions[:, 2] - sides)[:, None]
        is_mirrored = torch.rand(batch, device=device) < self._settings.flip_probability
        # In the coordinates of affine_grid, a canvas reaches from -1 to 1, so a px is 2 / side.
        height, width = pictures.shape[-2:]
        canvas_wh = torch.tensor([width, height], device=device)
        affine = torch.zeros(batch, 2, 3, device=device)
        affine[:, 0, 0] = sides / width * torch.where(is_mirrored, -1.0, 1.0)
        affine[:, 1, 1] = sides / height
        affine[:, :, 2] = (2 * corners + sides[:, None]) / canvas_wh - 1
        grid = functional.affine_grid(affine, [batch, 3, side_px, side_px], align_corners=False)
        views = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return self._recolour(views)

    def _recolour(self, views: Tensor) -> Tensor:
        """Changes brightness, contrast, saturation and sharpness of (B, 3, S, S) in [0, 255]."""
        settings, batch, device = self._settings, len(views), views.device

        def draw(low: float, high: float) -> Tensor:
            """(B, 1, 1, 1): one uniform random number for each view."""
            return torch.empty(batch, 1, 1, 1, device=device).uniform_(low, high)

        weights = torch.tensor(GREY_WEIGHTS, device=device).view(1, 3, 1, 1)
        shift = draw(-settings.brightness, settings.brightness) * 255
        gain = draw(1 - settings.contrast, 1 + settings.contrast)
        middle = views.mean(dim=(1, 2, 3), keepdim=True)
        views = (views - middle) * gain + middle + shift
        grey = (views * weights).sum(dim=1, keepdim=True)
        amount = draw(1 - settings.saturation, 1 + settings.saturation)
        amount = amount.masked_fill(draw(0, 1) < settings.grey_probability, 0.0)
        views = (grey + (views - grey) * amount).clamp(0, 255)
        return torch.where(draw(0, 1) < settings.blur_probability, _blur(views), views)


def _blur(views: Tensor) -> Tensor:
    """Blurs (B, 3, S, S) along both axes."""
    line = torch.tensor(BLUR, device=views.device)
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    for _ in range(NUM_BLURS):
        padded = functional.pad(views, (1, 1, 1, 1), mode="replicate")
        views = functional.conv2d(padded, kernel, groups=3)
    return views
