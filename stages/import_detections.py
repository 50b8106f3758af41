"""Checks boxes of any known format, writes them as one COCO file, and draws some of them."""

from pathlib import Path

from vigil.domain.pictures.annotated import write_annotated
from vigil.pixels.importing.boxes.pictures import import_pictures
from vigil.pixels.importing.boxes.report import describe
from vigil.pixels.importing.pictures.summary import summarise
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.pictures import CHANNELS, draw_pictures
from vigil.pixels.video.library_output import library_output
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.dataset import Detection
from vigil.settings.import_detections import ImportDetections


def main(
    *,
    annotations: Path,
    images: Path,
    detections: Path,
    report: Path,
    detection: Detection,
    settings: ImportDetections,
) -> None:
    imported = import_pictures(annotations, images, detection, settings)
    content = describe(imported.known, imported.measures, imported.findings, settings.num_listed)
    with whole(detections) as folder, whole(report) as figures:
        folder.mkdir()
        write_annotated(imported.known, folder / "instances.json")
        write_json(content, folder / "report.json")
        figures.mkdir()
        means = imported.measures[list(CHANNELS)].to_numpy()
        source = ImageSource(images)
        with library_output():  # hides warnings about damaged pictures, which the report lists
            draw_pictures(
                imported.known, means, source, figures, num_pictures=settings.num_pictures
            )
    print(summarise(content, "box", "boxes"))


if __name__ == "__main__":
    run_stage(main)
