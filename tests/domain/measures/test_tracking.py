"""MOTA, IDF1 and HOTA: cases known by hand, and TrackEval's own code as an oracle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trackeval.metrics import CLEAR, HOTA, Identity

from vigil.domain.measures.tracking import (
    HOTA_IOUS,
    Frame,
    add_counts,
    count_tracking,
    join_videos,
    measure_hota,
    pair_frames,
)

WIDTH = 10.0


def boxes(*rows: tuple[int, int, float]) -> pd.DataFrame:
    """Track, frame and place of boxes 10 px wide."""
    table = pd.DataFrame(list(rows), columns=["track_id", "frame_index", "x1"])
    table = table.astype({"track_id": np.int64, "frame_index": np.int64, "x1": np.float64})
    return table.assign(y1=0.0, x2=table["x1"] + WIDTH, y2=WIDTH)


def still(track_id: int, frames: range, x1: float = 0.0) -> list[tuple[int, int, float]]:
    return [(track_id, frame, x1) for frame in frames]


def test_the_truth_itself_is_perfect():
    true = boxes(*still(1, range(5)), *still(2, range(3, 9), 50))
    frames = pair_frames(true, true)
    counts, hota = count_tracking(frames), measure_hota(frames)
    assert (counts.mota, counts.idf1, hota.hota, hota.localisation) == (1, 1, 1, 1)


def test_a_change_of_number_halfway_costs_what_each_measure_says():
    """One object of 8 frames under two numbers, 4 frames each."""
    true, predicted = boxes(*still(1, range(8))), boxes(*still(7, range(4)), *still(9, range(4, 8)))
    frames = pair_frames(true, predicted)
    counts = count_tracking(frames)
    assert counts.num_switches == 1
    assert counts.mota == pytest.approx(1 - 1 / 8)
    assert counts.idf1 == pytest.approx(4 / 8)
    hota = measure_hota(frames)
    assert hota.detection == 1
    assert hota.association == pytest.approx(4 / 8)


def test_false_and_missed_boxes():
    true, predicted = (
        boxes(*still(1, range(4))),
        boxes(*still(1, range(2)), *still(2, range(4), 80)),
    )
    counts = count_tracking(pair_frames(true, predicted))
    assert counts.mota == pytest.approx(1 - (2 + 4) / 4)
    assert counts.num_matched == 2


def test_nothing_found_and_nothing_there():
    for true, predicted in ((still(1, range(3)), []), ([], still(1, range(3))), ([], [])):
        frames = pair_frames(boxes(*true), boxes(*predicted))
        counts = count_tracking(frames)
        assert counts.num_matched == counts.num_same == 0
        assert measure_hota(frames).hota == 0


def test_videos_are_counted_together_without_mixing_their_numbers():
    """The same number in another video is another object."""
    frames = pair_frames(boxes(*still(1, range(4))), boxes(*still(1, range(4))))
    both = list(join_videos([frames, frames]))
    assert measure_hota(both).hota == 1
    assert add_counts([count_tracking(frames)] * 2) == count_tracking(both)


def as_trackeval(frames: list[Frame]) -> dict:
    true_ids = [frame.true_ids for frame in frames]
    predicted_ids = [frame.predicted_ids for frame in frames]
    return {
        "num_timesteps": len(frames),
        "gt_ids": true_ids,
        "tracker_ids": predicted_ids,
        "similarity_scores": [frame.iou for frame in frames],
        "num_gt_ids": len({int(i) for ids in true_ids for i in ids}),
        "num_tracker_ids": len({int(i) for ids in predicted_ids for i in ids}),
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, predicted_ids)),
    }


places = st.integers(0, 12).map(float)
tables = st.dictionaries(
    st.tuples(st.integers(1, 4), st.integers(0, 9)), places, min_size=1, max_size=30
).map(lambda rows: boxes(*[(track, frame, x1) for (track, frame), x1 in rows.items()]))


@given(true=tables, predicted=tables)
@settings(max_examples=150)
def test_trackeval_counts_the_same(true, predicted):
    frames = pair_frames(true, predicted)
    data = as_trackeval(frames)
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    hota = HOTA().eval_sequence(data)
    counts, measures = count_tracking(frames), measure_hota(frames)
    assert counts.num_matched == clear["CLR_TP"]
    assert counts.num_switches == clear["IDSW"]
    assert counts.num_fragments == clear["Frag"]
    assert counts.mota == pytest.approx(clear["MOTA"])
    assert counts.num_same == identity["IDTP"]
    assert counts.idf1 == pytest.approx(identity["IDF1"])
    assert len(hota["HOTA"]) == len(HOTA_IOUS)
    assert measures.hota == pytest.approx(hota["HOTA"].mean())
    assert measures.detection == pytest.approx(hota["DetA"].mean())
    assert measures.association == pytest.approx(hota["AssA"].mean())
    assert measures.localisation == pytest.approx(hota["LocA"].mean())
