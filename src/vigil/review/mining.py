"""Lists hard examples of the trained models: `vigil mine-hard-examples`.

Only the training side is read. Examples of the validation and test sides never get into a list, and
a training refuses a list with names that are not on its training side.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import NAME, read_results
from vigil.domain.detector_score import read_score
from vigil.domain.hard_examples import FALSE_ALARM, MISS, write_hard_examples
from vigil.domain.mined_tracks import followed_nobody, refused_samples
from vigil.domain.mining import BOX_COLUMNS, hard_pictures, hard_samples, worst_first
from vigil.domain.pictures.annotated import AnnotatedPictures, read_annotated
from vigil.domain.samples.predictions import read_predictions
from vigil.domain.sides import SIDES, TEST, TRAIN, VAL, read_side
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError, counted
from vigil.plumbing.params import read_params
from vigil.plumbing.records import write_csv
from vigil.review.watched_tracks import RECORD, WatchedTraining
from vigil.settings.dataset import Dataset
from vigil.settings.generate_samples import GenerateSamples
from vigil.settings.watch import Watch

DATA, MODELS = Path("data"), Path("models")
WATCHED = DATA / "watch"
BOXES_FILE, SCORE_FILE = "detector_boxes.csv", "detector_score.json"


def mine(out: Path, watched: Path | None) -> str:
    """Writes `classifier.csv` and `detector.csv` from the stored predictions of both models.

    `detector_boxes.csv` has the boxes of the detector's false alarms and misses, for people. The
    limits are those of watching: `judging.least_probability` and `tracking.first_score`. Tracks of
    watched videos that are training data add to the lists.

    Args:
        out: the folder to write to.
        watched: the folder of watched sources; None: that of the pipeline, which may be missing.

    Returns:
        A text with a line for each list.

    Raises:
        InputError: predictions, splits or results of watching are missing, or do not belong
            together; or `watched` has no watched source.
    """
    if watched and not any(watched.glob(f"*/{RECORD}")):
        raise InputError(f"--watched {watched}: expected a folder of watched sources, found none")
    sections = check_sections(read_params(), project_sections())
    watch, dataset, cutting = (sections[one.section] for one in (Watch, Dataset, GenerateSamples))
    assert isinstance(watch, Watch)
    assert isinstance(dataset, Dataset)
    assert isinstance(cutting, GenerateSamples)
    least_probability = watch.judging.least_probability
    table = _predictions()
    predictions = table[table["split"] == TRAIN]
    known = read_annotated(DATA / "detection" / "instances.json")
    sides = {side: read_side(DATA / "splits" / "detector" / f"{side}.json") for side in SIDES}
    truth, detections = _of_pictures(known, sides[TRAIN])
    score = watch.tracking.in_scores(read_score(MODELS / SCORE_FILE)).first_score
    samples = hard_samples(predictions, least_probability)
    boxes = hard_pictures(truth, detections, score)
    place = WatchedTraining(
        watched or WATCHED, Path(dataset.root) / "videos", DATA / "annotations", MODELS
    )
    videos = {*predictions["video"], *truth.images["video"]} & {*dataset.videos}
    # A track that runs through blocks of other sides says something about those.
    others = known.select([*sides[VAL], *sides[TEST]])
    cut_samples = {*table.loc[table["split"] != TRAIN, "video"]}
    cut_pictures = {*others.images["video"]}
    num_read = num_cut = 0
    for video, hard in place.hard_tracks(videos, cutting.person_label, least_probability):
        if video not in cut_samples:
            refused = refused_samples(hard, predictions[predictions["video"] == video])
            samples = pd.concat([samples, refused], ignore_index=True)
        if video not in cut_pictures:
            images = truth.images[truth.images["video"] == video]
            boxes = pd.concat([boxes, followed_nobody(hard, images, boxes)], ignore_index=True)
        is_cut = video in cut_samples | cut_pictures
        num_read, num_cut = num_read + 1 - is_cut, num_cut + is_cut
    samples = worst_first(samples, predictions.index).drop_duplicates("name", ignore_index=True)
    boxes = worst_first(boxes, truth.images.index)
    cut = f"; left out, as their time is cut into several sides: {num_cut}" if num_cut else ""
    return f"{_write(samples, boxes, out)}\nwatched training videos: {num_read}{cut}"


def _write(samples: pd.DataFrame, boxes: pd.DataFrame, out: Path) -> str:
    """Writes all lists, and returns a text about them."""
    pictures = boxes.drop_duplicates("name", ignore_index=True)
    write_hard_examples(samples, out / "classifier.csv")
    write_hard_examples(pictures, out / "detector.csv")
    rounded = dict.fromkeys(CORNERS, 3) | {"score": 6}
    write_csv(boxes[BOX_COLUMNS].round(rounded), out / BOXES_FILE)
    return (
        f"{out / 'classifier.csv'}: {_counted(samples)}\n"
        f"{out / 'detector.csv'}: {counted(len(pictures), 'picture')} with {_counted(boxes)}"
    )


def _of_pictures(
    known: AnnotatedPictures, ids: Sequence[str]
) -> tuple[AnnotatedPictures, pd.DataFrame]:
    """Some of the pictures, and the detector's boxes in them."""
    truth = known.select(ids)
    detections = read_results(known, DATA / "predictions" / "detector" / NAME)
    return truth, detections[detections["image"].isin(truth.images.index)]


def _predictions() -> pd.DataFrame:
    """The classifier's predictions for the samples, by their ids."""
    folder = DATA / "predictions" / "classifier"
    table = read_predictions(folder)
    table = table.set_index(table["video"] + "/" + table["row"].astype(str))
    ids = read_side(DATA / "splits" / "classifier" / f"{TRAIN}.json")
    if set(ids) != set(table.index[table["split"] == TRAIN]):
        raise InputError(
            f"{folder}: expected predictions for the present training side, got those for another "
            "one; run dvc repro"
        )
    return table


def _counted(table: pd.DataFrame) -> str:
    counts = table["kind"].value_counts()
    false_alarms = counted(int(counts.get(FALSE_ALARM, 0)), "false alarm")
    return f"{false_alarms}, {counted(int(counts.get(MISS, 0)), 'miss', 'misses')}"
