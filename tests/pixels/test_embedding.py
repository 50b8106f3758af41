"""Vectors are made once: what is asked of an embedder, and what it is not asked again."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.embedding.remembered import VideoRequest, embed_windows
from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError

INF = float("inf")


class Recorder:
    """Measures a video's name and its windows in two channels, and notes what it was asked for."""

    at_once, num_threads, describe_machine = 1, 0, None

    def __init__(self, failing: str = "", **facts: Any) -> None:
        self.machine = facts.pop("machine", "cpu")
        own = {name: facts.pop(name, 0) for name in ("one", "other")}
        self.facts = {name: {"channel": name, "told": told, **facts} for name, told in own.items()}
        self.needs_s = dict.fromkeys(own, 0.0)
        self.failing = failing
        self.asked: list[VideoRequest] = []

    def embed(self, videos: Iterable[VideoRequest]) -> Iterator[dict[str, list[Pieces]]]:
        for asked in videos:
            if asked.path.name == self.failing:
                raise InputError(f"{asked.path}: broken")
            self.asked.append(asked)
            yield {
                name: [pieces_of(asked.path.name, window) for window in asked.windows]
                for name in asked.channels
            }


def pieces_of(name: str, window: Window) -> Pieces:
    """One piece in a window, two in one that begins later."""
    num = 1 if window.start_s == 0 else 2
    vectors = np.array([vector_of(name, window)] * num, np.float32)
    spans = np.tile([window.start_s, window.start_s + 1], (num, 1))
    return Pieces(vectors, np.zeros((num, 4)), spans, np.ones((num, 2)))


def vector_of(name: str, window: Window) -> list[float]:
    return [float(ord(name[0])), window.start_s, min(window.stop_s, 1e6)]


def table_of(*rows: tuple[str, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["video", "start_s", "stop_s"])
    return table.astype({"start_s": float, "stop_s": float}).assign(digest="of " + table["video"])


TABLE = table_of(("b", 0, 1), ("b", 0.5, 1.5), ("a", 0, INF), ("c", 0, 2), ("c", 2, 4), ("c", 4, 6))


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))


def run(table: pd.DataFrame, embedder: Recorder, code: str = "1", other: str = "1") -> list[str]:
    """Checks every vector, and gives the videos that the embedder was asked for."""
    found = embed_windows(table, Path("clips"), embedder, {"one": code, "other": other})
    assert list(found) == ["one", "other"]
    for own in found.values():
        pd.testing.assert_frame_equal(
            own.index[["video", "start_s", "stop_s"]],
            table[["video", "start_s", "stop_s"]].reset_index(drop=True),
        )
        rows = own.index[["video", "start_s", "stop_s"]].itertuples(index=False)
        expected = [vector_of(video, Window(start, stop)) for video, start, stop in rows]
        assert np.array_equal(own.pieces.vectors, np.array(expected, np.float32)[own.windows])
    return [asked.path.name for asked in embedder.asked]


def test_each_video_is_embedded_once_with_all_its_windows() -> None:
    first = Recorder()
    assert run(TABLE, first) == ["b", "a", "c"]
    windows = [asked.windows for asked in first.asked]
    assert windows[:2] == [[Window(0, 1), Window(0.5, 1.5)], [Window(0, INF)]]
    assert run(TABLE, Recorder()) == []


def test_one_more_video_embeds_itself_alone() -> None:
    run(TABLE, Recorder())
    more = pd.concat([TABLE.iloc[:2], table_of(("d", 0, 1)), TABLE.iloc[2:]])
    assert run(more, Recorder()) == ["d"]
    assert run(TABLE.iloc[2:3], Recorder()) == []  # and one less none


def test_another_order_of_videos_embeds_nothing_again() -> None:
    run(TABLE, Recorder())
    assert run(pd.concat([TABLE.iloc[2:], TABLE.iloc[:2]]), Recorder()) == []


def test_a_video_of_another_content_or_of_other_windows_embeds_itself_alone() -> None:
    run(TABLE, Recorder())
    changed = TABLE.assign(digest=TABLE["digest"].replace("of a", "of another"))
    assert run(changed, Recorder()) == ["a"]
    moved = TABLE.assign(start_s=TABLE["start_s"].replace(4.0, 4.5))
    assert run(moved, Recorder()) == ["c"]


@pytest.mark.parametrize(
    ("embedder", "code"),
    [(Recorder(seed=1), "1"), (Recorder(machine="other cpu"), "1"), (Recorder(), "2")],
)
def test_whatever_vectors_depend_on_embeds_all_again(embedder: Recorder, code: str) -> None:
    run(TABLE, Recorder())
    assert run(TABLE, embedder, code) == ["b", "a", "c"]


def test_a_renamed_video_is_the_same() -> None:
    run(TABLE, Recorder())
    renamed = TABLE.replace({"video": {"b": "bb"}})
    assert run(renamed, Recorder()) == []


def test_what_was_done_before_a_failure_is_not_done_again() -> None:
    with pytest.raises(InputError, match="c: broken"):
        run(TABLE, Recorder(failing="c"))
    assert run(TABLE, Recorder()) == ["c"]


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b", ""])
def test_a_video_outside_of_the_folder_is_refused(name: str) -> None:
    embedder = Recorder()
    with pytest.raises(InputError, match="clips: expected names below it"):
        embed_windows(table_of((name, 0, 1)), Path("clips"), embedder, {"one": "1", "other": "1"})
    assert not embedder.asked


def test_too_few_vectors_of_an_embedder_are_no_vectors() -> None:
    class Lazy(Recorder):
        def embed(self, videos: Iterable[VideoRequest]) -> Iterator[dict[str, list[Pieces]]]:
            yield from list(super().embed(videos))[:-1]

    with pytest.raises(ValueError, match="shorter"):
        embed_windows(TABLE, Path("clips"), Lazy(), {"one": "1", "other": "1"})


@pytest.mark.parametrize(
    ("embedder", "codes"), [(Recorder(other=1), ("1", "1")), (Recorder(), ("1", "2"))]
)
def test_what_changes_one_channel_measures_that_one_alone(
    embedder: Recorder, codes: tuple[str, str]
) -> None:
    run(TABLE, Recorder())
    assert run(TABLE, embedder, *codes) == ["b", "a", "c"]
    assert all(asked.channels == ["other"] for asked in embedder.asked)
