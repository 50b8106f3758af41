"""Draws maps of attention over pictures: as heat, and with one colour for each head."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.attention import Bools, Maps, largest_share
from vigil.pixels.drawing.on_pictures import PALETTE_BGR, tile
from vigil.pixels.drawing.text import Colour
from vigil.pixels.pictures.picture import Picture

OPACITY = 0.65
LEAST_OPACITY = 0.25
"""Of heat without attention, so that the picture stays visible there."""
SHADE = 0.35
"""The brightness of patches that no head keeps, so that colours stand out."""
NUM_COLOURS = 24
"""As many as heads of the largest networks."""
LEAST_LIGHTNESS, LEAST_CHROMA = 40.0, 40.0
"""Of colours of heads: darker and greyer ones would look like the picture below them."""


def enlarge(values: npt.NDArray[np.generic], size_hw: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Enlarges (h, w) or (h, w, C) values to a size without interpolation: patches stay visible."""
    height, width = size_hw
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.asarray(values[rows][:, columns])


def lay_heat(picture: Picture, attention: Maps, highest: float) -> Picture:
    """Lays a map (h, w) over a (H, W, 3) BGR picture, from dark (0) to bright (`highest`)."""
    size_hw = (picture.shape[0], picture.shape[1])
    levels = np.clip(np.asarray(attention, np.float64) / highest, 0, 1)
    heat = cv2.applyColorMap((levels * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
    colours = enlarge(heat.reshape(*levels.shape, 3), size_hw)
    opacity = enlarge(LEAST_OPACITY + (OPACITY - LEAST_OPACITY) * levels, size_hw)
    return _mix(picture, np.asarray(colours, np.uint8), np.asarray(opacity)[..., None])


def heat_legend() -> dict[str, Colour]:
    """The colours that `lay_heat` gives to mid-grey, by what they mean."""
    grey = np.full((1, 1, 3), 128, np.uint8)
    texts = {"no attention": 0.0, "half of the map's largest": 0.5, "the map's largest": 1.0}
    laid = {text: lay_heat(grey, np.array([[level]]), 1.0) for text, level in texts.items()}
    return {text: tuple(pixel[0, 0].tolist()) for text, pixel in laid.items()}


def lay_heads(picture: Picture, kept: Bools) -> Picture:
    """Colours the patches that each head keeps; a patch of several heads has their mean colour.

    Args:
        picture: (H, W, 3) BGR.
        kept: (heads, h, w).
    """
    colours = np.array([colour_of_head(head) for head in range(len(kept))], np.float64)
    counts = kept.sum(axis=0)
    # (h, w, 3): the sum of the colours of the heads that keep a patch, over their number.
    mixed = np.einsum("nhw,nc->hwc", kept, colours) / np.maximum(counts, 1)[..., None]
    share = np.where(counts > 0, OPACITY, 1 - SHADE)
    size_hw = (picture.shape[0], picture.shape[1])
    colours_px = np.asarray(enlarge(mixed, size_hw), np.float64)
    return _mix(picture, colours_px, np.asarray(enlarge(share, size_hw))[..., None])


def colour_of_head(head: int) -> Colour:
    """The BGR colour of a head, the same in all pictures; the first `NUM_COLOURS` heads differ."""
    return _head_colours()[head % NUM_COLOURS]


@cache
def _head_colours() -> tuple[Colour, ...]:
    """The palette for few colours, and then the colours that are farthest from all before them.

    Distances are those of CIELAB, where equal distances look about equally large.
    """
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    axes = np.meshgrid(levels, levels, levels, indexing="ij")
    grid: npt.NDArray[np.uint8] = np.stack(axes, axis=-1).reshape(-1, 3)
    lab = _lab(grid)
    bright = (lab[:, 0] >= LEAST_LIGHTNESS) & (np.hypot(lab[:, 1], lab[:, 2]) >= LEAST_CHROMA)
    grid, lab = grid[bright], lab[bright]
    chosen = [np.array(colour, np.uint8) for colour in PALETTE_BGR]
    while len(chosen) < NUM_COLOURS:
        # (K, colours): from each colour of the grid to each chosen one; the nearest one counts.
        distances = np.linalg.norm(lab[:, None] - _lab(np.array(chosen))[None], axis=2)
        chosen.append(grid[distances.min(axis=1).argmax()])
    return tuple((int(blue), int(green), int(red)) for blue, green, red in chosen)


def _lab(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, 3) BGR to CIELAB."""
    scaled = colours[None].astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2LAB)[0], np.float32)


def draw_attention(
    picture: Picture, maps: Maps, *, keep_fraction: float, title: str, max_heads: int = 16
) -> Picture:
    """A sheet: the picture, the mean of the heads, the kept patches, and the map of each head.

    Args:
        picture: (H, W, 3) BGR.
        maps: (heads, h, w).
        keep_fraction: see `largest_share`.
        max_heads: the number of heads that have a map of their own.
    """
    mean = maps.mean(axis=0)
    kept = largest_share(maps, keep_fraction)
    pictures = [picture, lay_heat(picture, mean, float(mean.max())), lay_heads(picture, kept)]
    captions = ["picture", "mean of the heads", f"{keep_fraction:.0%} of each head's attention"]
    for head, attention in enumerate(maps[:max_heads]):
        pictures.append(lay_heat(picture, attention, max(float(attention.max()), 1e-12)))
        captions.append(f"head {head + 1}")
    legend = {
        f"head {head + 1}" if head == 0 else f"{head + 1}": colour_of_head(head)
        for head in range(min(len(maps), NUM_COLOURS))
    }
    return tile(pictures, captions, num_columns=3, title=title, legend=legend)


def side_by_side(picture: Picture, maps: Maps, *, keep_fraction: float, highest: float) -> Picture:
    """A frame of a video: the picture, the mean of the heads, and the kept patches, (H, 3 W, 3).

    Args:
        highest: the attention of the brightest colour, the same for all frames.
    """
    heat = lay_heat(picture, maps.mean(axis=0), highest)
    heads = lay_heads(picture, largest_share(maps, keep_fraction))
    joined: Picture = np.concatenate([picture, heat, heads], axis=1)
    return joined


def _mix(picture: Picture, colours: npt.NDArray, opacity: npt.NDArray) -> Picture:
    mixed = picture * (1 - opacity) + colours * opacity
    return np.asarray(mixed.round().astype(np.uint8))
