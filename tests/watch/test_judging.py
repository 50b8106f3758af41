"""The classifier judges the tracks of people, and of no other class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from vigil.domain.tracking.tracker import TrackedBox
from vigil.pixels.video.source import Frame
from vigil.plumbing.errors import InputError
from vigil.settings.watch import Judging
from vigil.watch.judging import TrackJudge

JUDGING = Judging(
    least_probability=0.5, max_aspect_ratio=5.0, min_side_px=5.0, person_label="human"
)


class Brightness:
    """Takes a bright sequence of crops for a person, and counts the sequences."""

    input_shape = (3, 8, 1)

    def __init__(self) -> None:
        self.num_judged = 0

    def __call__(self, crops: npt.NDArray[np.uint8], /) -> npt.NDArray[np.float64]:
        self.num_judged += len(crops)
        probabilities: npt.NDArray[np.float64] = crops.mean(axis=(1, 2, 3)) / 255
        return probabilities


def run(
    classes: Sequence[str], labels: dict[int, str], settings: Judging = JUDGING, num_frames: int = 7
) -> TrackJudge:
    """Judges a track of each label: the first on the left half of the picture, which is bright."""
    judge = TrackJudge(Brightness(), settings, 10.0, classes)
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20] = 255
    for index in range(num_frames):
        judge.add_frame(Frame(index, index / 10, picture))
        for number, (track_id, label) in enumerate(labels.items()):
            box = (20.0 * number + 2, 2.0, 20.0 * number + 18, 18.0)
            judge.add_box(TrackedBox(track_id, index, index / 10, box, 0.9, label))
        judge.judge()
    return judge


def test_of_several_classes_only_people_are_judged() -> None:
    judge = run(["car", "human"], {1: "human", 2: "car"})
    assert judge.judgements[1].probability == 1.0
    assert judge.judgements[1].num_sequences == 2
    assert judge.judgements[2].probability is None
    assert set(judge.forget(10.0)) == {1, 2}
    assert not judge.judgements


def test_all_tracks_of_a_detector_of_one_class_are_judged_by_any_name() -> None:
    judge = run(["pedestrian"], {1: "pedestrian", 2: "pedestrian"})
    assert [one.probability for one in judge.judgements.values()] == [1.0, 0.0]


def test_several_classes_without_the_one_for_people_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"^watch\.judging\.person_label: expected one of the detector's classes "
        r"\(bike, car\), or '' to judge none, got 'human'$",
    ):
        run(["car", "bike"], {})


def test_without_a_name_none_of_several_classes_is_judged() -> None:
    judge = run(["car", "bike"], {1: "car"}, JUDGING.model_copy(update={"person_label": ""}))
    assert judge.judgements[1].probability is None
