"""Sheets of crops with what was predicted of them."""

from vigil.domain.samples.index import LABELS
from vigil.pixels.drawing.text import measure_text
from vigil.pixels.sheets.classifier import CROP_SIDE_PX, MEAN, SMALL_SIDE_PX


def test_a_caption_fits_below_its_crop() -> None:
    """A longer one is cut, and would lose the probability first."""
    for label in LABELS:
        assert measure_text(f"{label} 0.99, 150x400")[0] <= CROP_SIDE_PX


def test_a_caption_fits_below_a_map_of_attention() -> None:
    for text in (MEAN, *(f"{label} 0.99" for label in LABELS)):
        assert measure_text(text)[0] <= SMALL_SIDE_PX
