"""Views lie in their region, the region in its frame, and nothing but torch's seed matters."""

import pytest
import torch
from tiny_settings import shipped

from vigil.learn.dino.training.frames import FrameBatch
from vigil.learn.dino.training.views import ViewCutter
from vigil.settings.train_dino import TrainDino, Views

PLAIN = {
    "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "grey_probability": 0.0,
    "blur_probability": 0.0, "flip_probability": 0.0,
}  # fmt: skip


def views_of(**changes: object) -> Views:
    named = {f"views.{key}": value for key, value in {"small_px": 8, **changes}.items()}
    return shipped(TrainDino, **named).views


def places(num: int, size_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> FrameBatch:
    """Frames whose red is x and whose green is y; blue marks what is not a frame."""
    width, height = canvas_wh
    canvas = torch.zeros(num, height, width, 3, dtype=torch.uint8)
    canvas[..., 2] = 255
    canvas[:, : size_wh[1], : size_wh[0], 0] = torch.arange(size_wh[0], dtype=torch.uint8)
    canvas[:, : size_wh[1], : size_wh[0], 1] = torch.arange(size_wh[1], dtype=torch.uint8)[:, None]
    canvas[:, : size_wh[1], : size_wh[0], 2] = 0
    return FrameBatch(canvas, torch.tensor([size_wh] * num, dtype=torch.float32))


def test_views_of_a_frame_have_their_sizes_and_never_leave_it():
    torch.manual_seed(0)
    cutter = ViewCutter(views_of(**PLAIN, min_region=0.5, max_region=1.0, num_small=3), 16)
    large, small = cutter(places(64, (100, 80), (130, 110)))
    assert large.shape == (128, 3, 16, 16)
    assert small.shape == (192, 3, 8, 8)
    for views in (large, small):
        inner = views[:, 2, 1:-1, 1:-1]
        assert inner.max() <= 1e-3, "what lies beside the frame is not seen"


def test_the_areas_are_those_of_the_settings_and_small_views_lie_in_the_region():
    torch.manual_seed(0)
    shape = {"min_region": 0.5, "max_region": 0.5, "min_large": 0.4, "min_small": 0.1}
    cutter = ViewCutter(views_of(**PLAIN, **shape, max_small=0.3, num_small=2), 16)
    large, small = cutter(places(256, (200, 160), (200, 160)))

    def sides(views: torch.Tensor) -> torch.Tensor:
        """The side of each view in px of the frame, by how fast red changes across it."""
        steps = views[:, 0, :, 2:-2].diff(dim=2).mean(dim=(1, 2))
        return steps * views.shape[-1]

    region = 0.5 * 160
    areas = (sides(large) / region) ** 2
    assert areas.min() > 0.4 - 0.03
    assert areas.max() < 1.03
    assert areas.std() > 0.1
    areas = (sides(small) / region) ** 2
    assert areas.min() > 0.1 - 0.03
    assert areas.max() < 0.3 + 0.03
    # All views of one frame lie in one square: their red spans no more than its side.
    both = torch.cat(
        [
            large[:, 0].flatten(1).unflatten(0, (2, -1)).permute(1, 0, 2).flatten(1),
            small[:, 0].flatten(1).unflatten(0, (2, -1)).permute(1, 0, 2).flatten(1),
        ],
        1,
    )
    assert (both.amax(dim=1) - both.amin(dim=1)).max() <= region + 1


def test_a_mirrored_view_is_the_view_mirrored():
    batch = places(32, (100, 80), (100, 80))
    torch.manual_seed(4)
    plain, _ = ViewCutter(views_of(**PLAIN), 16)(batch)
    torch.manual_seed(4)
    mirrored, _ = ViewCutter(views_of(**{**PLAIN, "flip_probability": 1.0}), 16)(batch)
    torch.testing.assert_close(mirrored, plain.flip(3), atol=1e-2, rtol=1e-3)


def test_colours_change_within_their_range_and_grey_has_none():
    batch = places(32, (100, 80), (100, 80))
    torch.manual_seed(0)
    grey, _ = ViewCutter(views_of(**{**PLAIN, "grey_probability": 1.0}), 16)(batch)
    torch.testing.assert_close(grey[:, 0], grey[:, 1])
    torch.manual_seed(0)
    changed, small = ViewCutter(views_of(), 16)(batch)
    for views in (changed, small):
        assert views.min() >= 0
        assert views.max() <= 255
    torch.manual_seed(0)
    again, _ = ViewCutter(views_of(), 16)(batch)
    assert torch.equal(again, changed)
    assert not torch.equal(ViewCutter(views_of(), 16)(batch)[0], changed)


def test_no_small_views_are_none():
    torch.manual_seed(0)
    _, small = ViewCutter(views_of(num_small=0), 16)(places(2, (40, 40), (40, 40)))
    assert len(small) == 0


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_blur_takes_away_edges(blur: float):
    noise = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8)
    batch = FrameBatch(noise, torch.full((8, 2), 64.0))
    torch.manual_seed(0)
    shape = {"min_region": 1.0, "max_region": 1.0, "min_large": 0.99}
    views, _ = ViewCutter(views_of(**{**PLAIN, **shape, "blur_probability": blur}), 64)(batch)
    edges = views.diff(dim=3).abs().mean().item()
    assert edges < 15 if blur else edges > 40
