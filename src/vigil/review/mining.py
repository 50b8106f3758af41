"""Lists hard examples of the trained models: `vigil mine-hard-examples`.

Only the training side is read. Examples of the validation and test sides never get into a list, and
a training refuses a list with names that are not on its training side.
"""

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
from vigil.domain.sides import TRAIN, read_side
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.params import read_params
from vigil.plumbing.records import write_csv
from vigil.review.watched_tracks import WatchedTraining
from vigil.settings.dataset import Dataset
from vigil.settings.generate_samples import GenerateSamples
from vigil.settings.watch import Watch

DATA, MODELS = Path("data"), Path("models")
BOXES_FILE, SCORE_FILE = "detector_boxes.csv", "detector_score.json"


def mine(out: Path, watched: Path) -> str:
    """Writes `classifier.csv` and `detector.csv` from the stored predictions of both models.

    `detector_boxes.csv` has the boxes of the detector's false alarms and misses, for people. The
    limits are those of watching: `judging.least_probability` and `tracking.first_score`. Tracks of
    watched videos that are training data add to the lists.

    Args:
        out: the folder to write to.
        watched: the folder of watched sources; it may be missing.

    Returns:
        A text with a line for each list.

    Raises:
        InputError: predictions, splits or results of watching are missing, or do not belong
            together.
    """
    sections = check_sections(read_params(), project_sections())
    watch, dataset, cutting = (sections[one.section] for one in (Watch, Dataset, GenerateSamples))
    assert isinstance(watch, Watch)
    assert isinstance(dataset, Dataset)
    assert isinstance(cutting, GenerateSamples)
    least_probability = watch.judging.least_probability
    predictions = _train_predictions()
    truth, detections = _train_detections()
    score = watch.tracking.in_scores(read_score(MODELS / SCORE_FILE)).first_score
    samples = hard_samples(predictions, least_probability)
    boxes = hard_pictures(truth, detections, score)
    place = WatchedTraining(watched, Path(dataset.root) / "videos", DATA / "annotations", MODELS)
    videos = {*predictions["video"], *truth.images["video"]} & {*dataset.videos}
    num_watched = 0
    for video, hard in place.hard_tracks(videos, cutting.person_label, least_probability):
        refused = refused_samples(hard, predictions[predictions["video"] == video])
        images = truth.images[truth.images["video"] == video]
        samples = pd.concat([samples, refused], ignore_index=True)
        boxes = pd.concat([boxes, followed_nobody(hard, images, boxes)], ignore_index=True)
        num_watched += 1
    samples = worst_first(samples, predictions.index).drop_duplicates("name", ignore_index=True)
    boxes = worst_first(boxes, truth.images.index)
    return f"{_write(samples, boxes, out)}\nwatched training videos: {num_watched}"


def _write(samples: pd.DataFrame, boxes: pd.DataFrame, out: Path) -> str:
    """Writes all lists, and returns a text about them."""
    pictures = boxes.drop_duplicates("name", ignore_index=True)
    write_hard_examples(samples, out / "classifier.csv")
    write_hard_examples(pictures, out / "detector.csv")
    rounded = dict.fromkeys(CORNERS, 3) | {"score": 6}
    write_csv(boxes[BOX_COLUMNS].round(rounded), out / BOXES_FILE)
    return (
        f"{out / 'classifier.csv'}: {_counted(samples)}\n"
        f"{out / 'detector.csv'}: {len(pictures)} pictures with {_counted(boxes)}"
    )


def _train_detections() -> tuple[AnnotatedPictures, pd.DataFrame]:
    """The pictures of the training side, and the detector's boxes in them."""
    known = read_annotated(DATA / "detection" / "instances.json")
    truth = known.select(read_side(DATA / "splits" / "detector" / f"{TRAIN}.json"))
    detections = read_results(known, DATA / "predictions" / "detector" / NAME)
    return truth, detections[detections["image"].isin(truth.images.index)]


def _train_predictions() -> pd.DataFrame:
    """The classifier's predictions for the samples of the training side, by their ids."""
    folder = DATA / "predictions" / "classifier"
    table = read_predictions(folder)
    table = table.set_index(table["video"] + "/" + table["row"].astype(str))
    ids = read_side(DATA / "splits" / "classifier" / f"{TRAIN}.json")
    if set(ids) != set(table.index[table["split"] == TRAIN]):
        raise InputError(
            f"{folder}: expected predictions for the present training side, got those for another "
            "one; run dvc repro"
        )
    return table.loc[ids]


def _counted(table: pd.DataFrame) -> str:
    counts = table["kind"].value_counts()
    return f"{counts.get(FALSE_ALARM, 0)} false alarms, {counts.get(MISS, 0)} misses"
