"""The two tables of windows, and what joins them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.clips.windows import (
    KEYS,
    LABEL_DTYPES,
    LABELS_NAME,
    WINDOW_DTYPES,
    WINDOWS_NAME,
    label_windows,
    read_labels,
    read_windows,
    write_windows,
)
from vigil.domain.sides import SIDES, TEST, TRAIN, VAL, write_sides
from vigil.plumbing.errors import InputError


def table_of(rows: list[tuple[str, float, float]]) -> pd.DataFrame:
    """Rows are a video and the two ends of a window."""
    table = pd.DataFrame(rows, columns=["video", "start_s", "stop_s"])
    table = table.astype({"start_s": float, "stop_s": float})
    table["digest"] = "of " + table["video"]
    table["clip"] = table["video"] + "@" + table["start_s"].astype(str)
    table["class"], table["source"] = table["video"].str[:1], table["video"].str[-1:]
    table["is_anomalous"] = table["video"].str.startswith("r")
    return table.astype({**WINDOW_DTYPES, **LABEL_DTYPES})


TIMES = st.floats(0, 1e5, allow_subnormal=False)
NAMES = st.sampled_from(["walk/a.avi", "NA", "0012", "run/=b", "é 東", "-c"])


@given(rows=st.lists(st.tuples(NAMES, TIMES, TIMES | st.just(np.inf)), min_size=1, max_size=20))
def test_what_is_written_is_read_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, rows
) -> None:
    """Tables are joined by the start of a window: a lost bit would prevent the match."""
    table = table_of(rows)
    folder = tmp_path_factory.mktemp("windows")
    write_windows(table, folder)
    windows, labels = read_windows(folder / WINDOWS_NAME), read_labels(folder / LABELS_NAME)
    pd.testing.assert_frame_equal(windows, table[list(WINDOW_DTYPES)], check_exact=True)
    pd.testing.assert_frame_equal(labels, table[list(LABEL_DTYPES)], check_exact=True)


def test_windows_know_nothing_of_labels(tmp_path: Path) -> None:
    """Another choice of anomalous classes must not change `windows.csv`."""
    table = table_of([("walk/a", 0, np.inf), ("run/b", 0, np.inf)])
    write_windows(table, tmp_path)
    before = (tmp_path / WINDOWS_NAME).read_bytes()
    table = table.assign(is_anomalous=~table["is_anomalous"], source="x", clip=["1", "2"])
    write_windows(table.assign(**{"class": "y"}), tmp_path)
    assert (tmp_path / WINDOWS_NAME).read_bytes() == before


@pytest.mark.parametrize("read", [read_windows, read_labels])
def test_what_is_no_such_table_is_refused(tmp_path: Path, read) -> None:
    with pytest.raises(InputError, match="expected a table, found no such file"):
        read(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text("video,start_s\na,0\n")
    with pytest.raises(InputError, match=r"a\.csv: expected the columns video, start_s, "):
        read(tmp_path / "a.csv")


class TestLabel:
    TABLE = table_of(
        [("walk/b", 0, 1), ("walk/b", 1, 2), ("run/c", 0, 1), ("walk/a", 0, 1), ("walk/a", 0.5, 2)]
    )

    def sides(self, tmp_path: Path, **changes: str) -> Path:
        sides = {"walk/b": TRAIN, "run/c": TEST, "walk/a": VAL} | changes
        write_sides(pd.Series({name: side for name, side in sides.items() if side}), tmp_path / "s")
        return tmp_path / "s"

    def test_windows_keep_their_order_and_get_what_is_known_of_them(self, tmp_path: Path) -> None:
        shuffled = self.TABLE.sample(frac=1, random_state=1)
        labels = self.TABLE[list(LABEL_DTYPES)]
        joined = label_windows(shuffled[list(WINDOW_DTYPES)], labels, self.sides(tmp_path))
        columns = [*KEYS, "clip", "class", "source", "is_anomalous"]
        pd.testing.assert_frame_equal(joined[columns], shuffled[columns].reset_index(drop=True))
        side_of = {"walk/b": TRAIN, "run/c": TEST, "walk/a": VAL}
        assert joined["split"].tolist() == [side_of[video] for video in shuffled["video"]]
        assert joined["is_anomalous"].dtype == bool

    def test_labels_of_further_windows_do_not_matter(self, tmp_path: Path) -> None:
        joined = label_windows(self.TABLE.iloc[:2], self.TABLE, self.sides(tmp_path))
        assert joined["video"].tolist() == ["walk/b", "walk/b"]

    def test_a_window_without_labels_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"expected labels for the window .* for walk/a$"):
            label_windows(self.TABLE, self.TABLE.iloc[:4], self.sides(tmp_path))

    def test_a_video_on_no_side_is_refused(self, tmp_path: Path) -> None:
        sides = self.sides(tmp_path, **{"run/c": "", "walk/a": "dropped"})
        with pytest.raises(InputError, match=r"a side of the split .* for run/c, walk/a$"):
            label_windows(self.TABLE, self.TABLE, sides)

    @pytest.mark.parametrize("side", SIDES)
    def test_a_missing_list_is_refused(self, tmp_path: Path, side: str) -> None:
        folder = self.sides(tmp_path)
        (folder / f"{side}.json").unlink()
        with pytest.raises(InputError, match=rf"{side}\.json: expected a JSON file"):
            label_windows(self.TABLE, self.TABLE, folder)
