"""Measures the evidence in windows, with a cache: a new video is measured alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from vigil.domain.clips.embeddings import Embedding, load_pieces, save_pieces
from vigil.domain.clips.evidence import Pieces
from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo
from vigil.plumbing.progress import progress


class VideoRequest(NamedTuple):
    """A video to measure: its windows in the order of the table, and the channels."""

    path: Path
    windows: Sequence[Window]
    channels: Sequence[str]


class Embedder(Protocol):
    """Measures the evidence in windows of videos, in one or more channels.

    Attributes:
        machine: the facts of the machine on which the last bits of vectors depend.
        facts: by channel, all other facts on which its evidence depends, except the clip and the
            code.
    """

    machine: Any
    facts: dict[str, dict[str, Any]]

    def embed(self, videos: Iterable[VideoRequest]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence in each video, by channel and window, in order."""


def embed_windows(
    table: pd.DataFrame, clips: Path, embedder: Embedder, codes: Mapping[str, str]
) -> dict[str, Embedding]:
    """The evidence in each window, by channel, cached by the content of the video.

    Args:
        table: `video`, `start_s`, `stop_s` and `digest` of each window, grouped by video.
        clips: the folder of the videos.
        codes: the fingerprint of the code of each channel.

    Raises:
        InputError: there is no window, a video cannot be read or is outside of the folder, or a
            window is too short.
    """
    if table.empty:
        raise InputError("expected windows to embed, found none")
    memo = Memo("embeddings")
    requests: list[VideoRequest] = []
    facts: list[dict[str, dict[str, Any]]] = []
    order: list[pd.DataFrame] = []
    for (video, digest), rows in table.groupby(["video", "digest"], sort=False):
        windows = [Window(*times) for times in rows[["start_s", "stop_s"]].itertuples(index=False)]
        order.append(rows)
        shared = {"clip": digest, "windows": [list(map(str, one)) for one in windows]}
        facts.append(
            {
                name: {**shared, "code": codes[name], "machine": embedder.machine, **channel}
                for name, channel in embedder.facts.items()
            }
        )
        missing = [name for name, key in facts[-1].items() if not memo.holds(key)]
        requests.append(VideoRequest(below(clips, [str(video)])[0], windows, missing))
    waiting = [at for at, request in enumerate(requests) if request.channels]
    measured = embedder.embed(requests[at] for at in waiting)
    for at, evidence in zip(
        waiting, progress(measured, "embed", "clip", len(waiting)), strict=True
    ):
        for name in requests[at].channels:
            memo.recall(facts[at][name], partial(_save, evidence[name]))
    index = pd.concat(order)[["video", "start_s", "stop_s"]].reset_index(drop=True)
    embeddings = {}
    for name, channel in embedder.facts.items():
        parts = [
            load_pieces(memo.recall(keys[name], partial(_never, request.path)))
            for keys, request in zip(facts, requests, strict=True)
        ]
        counts = np.concatenate([counts for _, counts in parts])
        pieces = [piece for piece, _ in parts]
        embeddings[name] = Embedding.join(index, pieces, counts, channel)
    memo.prune()
    return embeddings


def _save(windows: Sequence[Pieces], folder: Path) -> None:
    folder.mkdir()
    save_pieces(windows, folder)


def _never(path: Path, folder: Path) -> None:
    raise InputError(f"{path}: what was remembered of it is gone; run the stage again")
