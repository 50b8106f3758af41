"""Clips to vectors by a network: the same in whatever company."""

from pathlib import Path

import numpy as np
import pytest
from tiny_clips import write_clips

from vigil.learn.alarm.embedding.embedder import NetworkEmbedder


@pytest.mark.parametrize("num_windows", [1, 2])
def test_a_clip_has_the_same_vector_alone_as_among_others(tmp_path: Path, num_windows: int) -> None:
    """As after a kill, or where one clip more is embedded."""
    write_clips(tmp_path, num_sources=3)
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())[:5]
    embedder = NetworkEmbedder(
        seed=0,
        backbone="x3d_xs",
        weights="none",
        num_frames=0,
        slowfast_alpha=4,
        num_windows=num_windows,
        short_clips="repeat_last",
        batch_size=4,
        precision="32-true",
        channels_last=True,
    )
    together = list(embedder.embed(paths))
    backwards = list(embedder.embed(paths[::-1]))[::-1]
    assert len({vectors.tobytes() for vectors in together}) == len(paths)
    for path, one, other in zip(paths, together, backwards, strict=True):
        (alone,) = embedder.embed([path])
        assert alone.shape == (num_windows, 2048)
        assert np.array_equal(one, alone)
        assert np.array_equal(one, other)
