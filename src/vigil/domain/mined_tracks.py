"""Finds hard examples in the tracks of a watched video: refused people, and tracks of nobody."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS, Boxes, pairwise_iou
from vigil.domain.hard_examples import FALSE_ALARM, MISS, TYPES
from vigil.domain.mining import BOX_COLUMNS, LOOSE_IOU
from vigil.domain.tracks import Track

ON_OBJECT_IOU = 0.5
LEAST_SHARE = 0.5
"""The least share of frames on which a track is on an object, or a sample on a refused track."""


@dataclass(frozen=True)
class HardTracks:
    """What models got wrong in the tracks of one video.

    A refused person is the track of a person that the classifier refuses. A track of nobody is
    nowhere near an object.

    Attributes:
        on_people: `probability`, `frame_index` and `object` (the id of the annotated track) of each
            box of a refused person that is on this person.
        on_nobody: `frame_index`, `label`, corners and `score` of each detected box of a track of
            nobody.
    """

    on_people: pd.DataFrame
    on_nobody: pd.DataFrame


def find_hard_tracks(
    tracks: pd.DataFrame,
    probabilities: "pd.Series[float]",
    objects: Sequence[Track],
    person_label: str,
    least_probability: float,
) -> HardTracks:
    """Compares the tracks of a watched video with the annotations of the same video.

    Args:
        tracks: `TRACK_COLUMNS`, all tracks.
        probabilities: of a person, by the number of the track; below 0: not judged.
        objects: the annotated tracks.
        person_label: the label of people among them.
        least_probability: a track with a lower probability is refused.
    """
    largest, nearest = _nearest(tracks, objects)
    people = [one.id for one in objects if one.label == person_label]
    is_on_person = (largest >= ON_OBJECT_IOU) & np.isin(nearest, people)
    by_track = tracks.assign(overlap=largest, is_on_person=is_on_person).groupby("track_id")
    probability = probabilities.reindex(by_track.size().index)
    is_refused = probability.between(0, least_probability, inclusive="left")
    is_person = by_track["is_on_person"].mean() >= LEAST_SHARE
    is_nobody = by_track["overlap"].max() <= LOOSE_IOU
    ids = tracks["track_id"]
    rows = tracks.assign(object=nearest, probability=probability.reindex(ids).to_numpy())
    is_of_refused = ids.isin(probability.index[is_refused & is_person])
    is_of_nobody = ids.isin(probability.index[is_nobody]) & (tracks["is_observed"] == 1)
    return HardTracks(
        rows.loc[is_of_refused & is_on_person, ["probability", "frame_index", "object"]],
        rows.loc[is_of_nobody, ["frame_index", "label", *CORNERS, "score"]],
    )


def refused_samples(hard: HardTracks, samples: pd.DataFrame) -> pd.DataFrame:
    """The samples of refused people, with the lowest probability of a track on each.

    Args:
        samples: `track`, `first_frame` and `num_frames` of the video's samples, by id.

    Returns:
        The columns of `TYPES`, in the order of the samples.
    """
    found = []
    for name, track, first, length in samples[["track", "first_frame", "num_frames"]].itertuples():
        frames = hard.on_people["frame_index"]
        is_here = (hard.on_people["object"] == track) & frames.between(first, first + length - 1)
        here = hard.on_people[is_here]
        if here["frame_index"].nunique() >= LEAST_SHARE * length:
            found.append((str(name), MISS, float(here["probability"].min())))
    return pd.DataFrame(found, columns=list(TYPES)).astype(TYPES)


def followed_nobody(hard: HardTracks, images: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """The boxes of tracks of nobody that are in a picture of the video: `BOX_COLUMNS`.

    Args:
        images: `frame_index` of the video's pictures, by name.
        listed: `BOX_COLUMNS` of false alarms and misses that are known; a box that overlaps a false
            alarm among them counts as the same.
    """
    name_of = dict(zip(images["frame_index"], images.index, strict=True))
    boxes = hard.on_nobody.assign(name=hard.on_nobody["frame_index"].map(name_of), kind=FALSE_ALARM)
    boxes = boxes.loc[boxes["name"].notna(), BOX_COLUMNS]
    known = {name: rows for name, rows in listed.groupby("name") if name in set(boxes["name"])}
    is_new = [
        row["name"] not in known or not _is_listed(row, known[row["name"]])
        for _, row in boxes.iterrows()
    ]
    return boxes[np.array(is_new, bool)].reset_index(drop=True)


def _is_listed(box: pd.Series, listed: pd.DataFrame) -> bool:
    alarms = listed.loc[listed["kind"] == FALSE_ALARM, CORNERS].to_numpy(np.float64)
    overlaps = pairwise_iou(box[CORNERS].to_numpy(np.float64)[None], alarms)
    return bool((overlaps > LOOSE_IOU).any())


def _nearest(
    tracks: pd.DataFrame, objects: Sequence[Track]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """The largest IoU of each box with an object of its frame, and the id of this object."""
    at: dict[int, list[tuple[str, npt.NDArray[np.float64]]]] = {}
    for track in objects:
        for frame, box in zip(track.frames.tolist(), track.boxes_xyxy, strict=True):
            at.setdefault(frame, []).append((track.id, box))
    largest, nearest = np.zeros(len(tracks)), np.full(len(tracks), "", object)
    corners: Boxes = tracks[CORNERS].to_numpy(np.float64)
    for frame, rows in tracks.reset_index(drop=True).groupby("frame_index").indices.items():
        if not (here := at.get(int(frame))):
            continue
        overlaps = pairwise_iou(corners[rows], np.array([box for _, box in here]))
        best = overlaps.argmax(axis=1)
        largest[rows] = overlaps.max(axis=1)
        nearest[rows] = np.array([name for name, _ in here], object)[best]
    return largest, nearest
