"""The allowed evidence nearest to that of test clips, against a plain search."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import Pieces
from vigil.domain.clips.nearest import NUM_NEAREST, find_nearest, read_nearest, write_nearest
from vigil.plumbing.errors import InputError

SIDES = ["train", "train", "train", "val", "test", "test"]


def embedded(seed: int) -> tuple[Embedding, pd.DataFrame, np.ndarray]:
    """Six videos of one window and three pieces each; the third training window is anomalous."""
    rng = np.random.default_rng(seed)
    videos = [f"v{number}" for number in range(len(SIDES))]
    windows = pd.DataFrame(
        {
            "video": videos,
            "start_s": 0.0,
            "clip": videos,
            "split": SIDES,
            "is_anomalous": [False, False, True, False, True, False],
        }
    )
    num = 3 * len(videos)
    vectors = rng.normal(size=(num, 4)).astype(np.float32)
    places = np.tile([0.0, 0, 5, 5], (num, 1)) + np.arange(num)[:, None]
    spans = np.stack([np.arange(num), np.arange(num) + 0.5], axis=1)
    index = windows[["video", "start_s"]].assign(stop_s=9.0)
    counts = np.full(len(videos), 3)
    embedding = Embedding.join(index, [Pieces(vectors, places, spans, places[:, 2:])], counts, {})
    return embedding, windows, rng.normal(size=num)


@given(st.integers(0, 2**32 - 1))
def test_each_allowed_training_video_is_named_once_nearest_first(seed: int) -> None:
    embedding, windows, scores = embedded(seed)
    table = find_nearest({"cells": embedding}, {"cells": scores}, windows)
    assert table["clip"].tolist() == ["v4", "v4", "v5", "v5"]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    vectors = embedding.pieces.vectors
    for clip, rows in table.groupby("clip"):
        own = 3 * int(str(clip)[1:]) + np.arange(3)
        peak = vectors[own[np.argmax(scores[own])]]
        gaps = np.linalg.norm(vectors[:6].astype(np.float64) - peak, axis=1).reshape(2, 3)
        best = sorted((gap.min(), 3 * video + int(gap.argmin())) for video, gap in enumerate(gaps))
        assert rows["distance"].to_numpy() == pytest.approx([gap for gap, _ in best], rel=1e-4)
        assert rows["x1"].tolist() == [at for _, at in best]
        assert rows["time_s"].tolist() == [at + 0.5 for _, at in best]
        assert rows["video"].tolist() == [f"v{at // 3}" for _, at in best]


def test_fewer_videos_give_fewer_rows_and_what_is_written_is_read(tmp_path: Path) -> None:
    embedding, windows, scores = embedded(0)
    windows.loc[1, "split"] = "val"
    table = find_nearest({"cells": embedding}, {"cells": scores}, windows)
    assert len(table) == 2 < 2 * NUM_NEAREST
    write_nearest(table, tmp_path / "nearest.csv")
    pd.testing.assert_frame_equal(read_nearest(tmp_path / "nearest.csv"), table)
    text = (tmp_path / "nearest.csv").read_text()
    (tmp_path / "nearest.csv").write_text(text.replace("0.5", "inf"))
    with pytest.raises(InputError, match="finite"):
        read_nearest(tmp_path / "nearest.csv")
