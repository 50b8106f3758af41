"""Evaluates the segmenter on the test pictures: metrics, tables and sheets."""

from pathlib import Path
from typing import Any

from vigil.domain.masks.class_map import ClassMaps
from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.measures.segmenter import SegmentationMeasure
from vigil.domain.segmentations import PredictedMaps
from vigil.evaluation.spacing import choose_shown
from vigil.pixels.overlays import class_colours
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.segmenter import compare, draw_comparisons, draw_confusion
from vigil.plumbing.records import write_csv
from vigil.settings.evaluate_segmenter import EvaluateSegmenter


class SegmenterEvaluation:
    """Computes metrics, tables and sheets from predictions for the test pictures."""

    def __init__(
        self, test: MaskedPictures, predicted: PredictedMaps, settings: EvaluateSegmenter
    ) -> None:
        """Measures every picture once.

        Raises:
            InputError: a picture has no prediction.
        """
        self._test, self._predicted, self._settings = test, predicted, settings
        self._truth = ClassMaps(test)
        self._measure = SegmentationMeasure(test.classes)
        for name in test.images.index:
            self._measure.add(name, self._truth[name], predicted[name])

    def numbers(self) -> dict[str, Any]:
        """The metrics of the whole set; see `SegmentationMeasure.numbers`."""
        return self._measure.numbers()

    def write_tables(self, folder: Path) -> None:
        """Writes the confusion of the classes, IoU by class and IoU by area."""
        write_csv(self._measure.confusion_table(), folder / "confusion.csv")
        write_csv(self._measure.by_class(), folder / "iou_by_class.csv")
        write_csv(self._measure.by_area(), folder / "iou_by_area.csv")

    def draw_sheets(self, source: ImageSource, folder: Path) -> None:
        """Draws the confusion, and the best, the worst and random pictures."""
        draw_confusion(
            self._measure.confusion_table(), self._test.classes, folder / "confusion.png"
        )
        iou = self._measure.by_picture
        chosen = choose_shown(iou, self._test.images, self._settings)
        colours = class_colours(self._test.classes, self._test.background)
        by_number = [colours.get(name) for name in self._test.classes]
        for title, names in chosen.items():
            comparisons = [
                compare(
                    source.rgb(name)[..., ::-1],
                    self._truth[name],
                    self._predicted[name],
                    by_number,
                )
                for name in names
            ]
            draw_comparisons(
                comparisons,
                [f"mean IoU {iou[name]:.2f}   {name}" for name in names],
                self._test.classes,
                self._test.background,
                folder / f"{title}.jpg",
                f"{title.capitalize()} pictures of the test set, from different moments",
            )
