"""Hard examples are exactly the false alarms and the misses."""

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS
from vigil.domain.mining import hard_pictures, hard_samples
from vigil.domain.pictures.annotated import BOX_DTYPES, IMAGE_DTYPES, AnnotatedPictures


def test_samples_on_the_wrong_side_of_the_limit_are_hard_the_worst_first() -> None:
    rows = [
        *[("v/0", "person", 0.9), ("v/1", "person", 0.4), ("v/2", "person", 0.1)],
        *[("v/3", "background", 0.6), ("v/4", "background", 0.4), ("v/5", "background", 0.9)],
    ]
    table = pd.DataFrame(rows, columns=["id", "label", "probability"]).set_index("id")
    found = hard_samples(table, 0.5)
    assert list(found.itertuples(index=False, name=None)) == [
        ("v/2", "miss", 0.1),
        ("v/5", "false_alarm", 0.9),
        ("v/1", "miss", 0.4),
        ("v/3", "false_alarm", 0.6),
    ]
    assert hard_samples(table, 0.0)["kind"].tolist() == ["false_alarm"] * 3
    assert len(hard_samples(table.iloc[:0], 0.5)) == 0


def pictures(boxes: list[tuple[object, ...]], names: str = "abc") -> AnnotatedPictures:
    images = pd.DataFrame([(n, 100, 100, "", -1, n) for n in names], columns=list(IMAGE_DTYPES))
    images = images.set_index(pd.Index(list(names), name="id"))
    table = pd.DataFrame(boxes, columns=list(BOX_DTYPES)).astype(BOX_DTYPES)
    return AnnotatedPictures(images, table, ("human",))


TRUTH = pictures(
    [
        ("a", "human", 0, 0, 20, 40, False, False),
        ("a", "human", 60, 0, 80, 40, False, False),
        ("b", "human", 0, 0, 20, 40, True, False),
    ]
)


def detections(*rows: tuple[object, ...]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=DETECTION_COLUMNS)
    return table.astype({"score": np.float64, **dict.fromkeys(CORNERS, np.float64)})


def test_pictures_are_hard_by_strong_boxes_of_background_and_by_missed_objects() -> None:
    found = hard_pictures(
        TRUTH,
        detections(
            ("a", "human", 0.9, 0, 0, 20, 40),  # right
            ("a", "human", 0.8, 0, 5, 20, 60),  # loose: it overlaps an object by more than 0.3
            ("a", "human", 0.3, 60, 0, 80, 38),  # too weak: its object is missed
            ("a", "human", 0.7, 30, 50, 50, 90),  # of background
            ("b", "human", 0.9, 0, 0, 20, 40),  # on a crowd
            ("c", "human", 0.95, 0, 0, 20, 40),  # in a picture without objects
            ("c", "human", 0.2, 50, 0, 70, 40),  # weak
        ),
        0.4,
    )
    told = found[["name", "kind", "score", "x1"]].itertuples(index=False, name=None)
    assert list(told) == [
        ("c", "false_alarm", 0.95, 0.0),
        ("a", "false_alarm", 0.7, 30.0),
        ("a", "miss", 0.3, 60.0),
    ]


def test_nothing_found_and_nothing_there() -> None:
    missed = hard_pictures(TRUTH, detections(), 0.4)
    assert missed[["name", "kind", "score"]].to_numpy().tolist() == [["a", "miss", 0.0]] * 2
    assert len(hard_pictures(pictures([]), detections(), 0.4)) == 0
