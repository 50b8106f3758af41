"""Evidence of allowed clips kept beside an alarm: which is kept, and what a page gets of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.clips.allowed import (
    Allowed,
    choose_spread,
    picture_name,
    read_allowed,
    write_allowed,
)
from vigil.plumbing.errors import InputError


def allowed(alarm: str = "ab") -> Allowed:
    """Two channels; the videos a and b in the first, c alone in the second."""
    table = pd.DataFrame(
        {
            "channel": ["cells", "cells", "cells", "speed", "speed"],
            "video": ["a.mp4", "a.mp4", "b.mp4", "c.mp4", "c.mp4"],
            "time_s": [0.5, 1.0, 1.5, 2.0, 2.5],
            **{name: np.arange(5.0) + at for at, name in enumerate(("x1", "y1", "x2", "y2"))},
        }
    )
    cells = np.array([[0, 0], [1, 0], [5, 5]], np.float32)
    vectors = {"cells": cells, "speed": np.array([[1], [9]], np.float32)}
    return Allowed(alarm, table, vectors, [bytes([number]) for number in range(5)])


def test_the_nearest_are_of_different_videos_of_the_channel() -> None:
    rows, distances = allowed().nearest("cells", np.array([1, 0.5], np.float32))
    assert rows.tolist() == [1, 2], "the second piece of a is nearer than the first"
    assert distances == pytest.approx([0.5, np.hypot(4, 4.5)])
    rows, distances = allowed().nearest("speed", np.array([7], np.float32))
    assert (rows.tolist(), distances.tolist()) == ([4], [2.0]), "there is one video"


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 8))
def test_no_vector_is_far_from_a_chosen_one(seed: int, num: int, width: int) -> None:
    """At most as far as the chosen ones are from each other; so twice the best possible."""
    vectors = np.random.default_rng(seed).normal(size=(40, width)).astype(np.float32)
    rows = choose_spread(vectors, num)
    assert len(rows) == num
    assert (np.diff(rows) > 0).all()
    points = vectors.astype(np.float64)
    gaps = np.linalg.norm(points[:, None] - points[rows], axis=2)
    apart = np.linalg.norm(points[rows][:, None] - points[rows], axis=2)
    if num > 1:
        assert gaps.min(axis=1).max() <= apart[~np.eye(num, dtype=bool)].min() + 1e-9
    assert choose_spread(vectors, num).tolist() == rows.tolist()


def test_equal_vectors_are_chosen_once_and_few_all() -> None:
    vectors = np.array([[1], [2], [1], [2], [1]], np.float32)
    assert sorted(vectors[choose_spread(vectors, 4)].ravel().tolist()) == [1, 2]
    assert choose_spread(np.empty((0, 3), np.float32), 4).tolist() == []
    assert choose_spread(np.eye(3, dtype=np.float32), 5).tolist() == [0, 1, 2]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_allowed(allowed(), tmp_path)
    found = read_allowed(tmp_path, "ab")
    pd.testing.assert_frame_equal(found.table, allowed().table)
    assert found.vectors.keys() == allowed().vectors.keys()
    for name, vectors in allowed().vectors.items():
        np.testing.assert_array_equal(found.vectors[name], vectors)
    assert list(found.pictures) == list(allowed().pictures)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "another alarm": (
        lambda f: (f / "alarm.json").write_text('{"weights_sha256": "cd"}'),
        "expected evidence by the present alarm, got that by another one",
    ),
    "no facts": (lambda f: (f / "alarm.json").write_text("[]"), "expected evidence by the present"),
    "no vectors": (lambda f: (f / "cells.npy").unlink(), "cells.npy: expected vectors"),
    "cut vectors": (lambda f: cut(f / "cells.npy"), "cells.npy: expected vectors"),
    "other vectors": (
        lambda f: np.save(f / "cells.npy", np.zeros((2, 2), np.float32)),
        r"cells.npy: expected \(3, D\) float32, got \(2, 2\) float32",
    ),
    "infinite": (
        lambda f: np.save(f / "cells.npy", np.full((3, 2), np.inf, np.float32)),
        "cells.npy: expected finite numbers",
    ),
    "no picture": (lambda f: (f / "pictures" / picture_name(3)).unlink(), "expected its pictures"),
}


@pytest.mark.parametrize(("damage", "message"), BAD.values(), ids=BAD.keys())
def test_damaged_files_are_refused(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    write_allowed(allowed(), tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        read_allowed(tmp_path, "ab")
