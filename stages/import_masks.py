"""Checks masks of any known format, writes them as one COCO file, and draws some of them."""

from pathlib import Path

from vigil.domain.masks.masked import write_masked
from vigil.pixels.importing.masks.pictures import import_masks
from vigil.pixels.importing.masks.report import class_shares, describe
from vigil.pixels.importing.pictures.summary import summarise
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.masks import draw_masks
from vigil.pixels.video.library_output import library_output
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.dataset import MaskData
from vigil.settings.import_masks import ImportMasks


def main(
    *,
    annotations: Path,
    images: Path,
    known: Path,
    report: Path,
    masks: MaskData,
    settings: ImportMasks,
) -> None:
    imported = import_masks(annotations, images, masks, settings)
    content = describe(imported.known, imported.findings, settings.num_listed)
    with whole(known) as folder, whole(report) as figures:
        folder.mkdir()
        write_masked(imported.known, folder / "instances.json")
        write_json(content, folder / "report.json")
        figures.mkdir()
        with library_output():  # hides warnings about damaged pictures, which the report lists
            draw_masks(
                imported.known,
                class_shares(imported.known),
                ImageSource(images),
                figures,
                num_pictures=settings.num_pictures,
            )
    print(summarise(content, "mask", "masks"))


if __name__ == "__main__":
    run_stage(main)
