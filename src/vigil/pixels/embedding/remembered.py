"""Measures the evidence in windows, with a cache: a new video is measured alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from vigil.domain.clips.evidence.embeddings import Embedding, load_pieces, save_pieces
from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.windows import Window
from vigil.plumbing.engine import each, grouped
from vigil.plumbing.engine_worker import Machine
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo
from vigil.plumbing.progress import progress


class VideoRequest(NamedTuple):
    """A video to measure: its windows in the order of the table, and the channels."""

    path: Path
    windows: Sequence[Window]
    channels: Sequence[str]


EDGE_S = 1e-6
STEP_S = 0.1
"""About the time between two measurements, by which a window that is long enough may differ."""
Waiting = tuple[VideoRequest, Mapping[str, Mapping[str, Any]]]
"""A video to measure, and the facts of each channel of its evidence."""


class Embedder(Protocol):
    """Measures the evidence in windows of videos, in one or more channels.

    Attributes:
        machine: the facts of the machine on which the last bits of vectors depend.
        describe_machine: returns these facts of the machine that calls it.
        at_once: the number of videos that a worker of the engine gets at a time.
        num_threads: the threads of torch for these videos; 0: they need no torch.
        facts: by channel, all other facts on which its evidence depends, except the clip and the
            code.
        needs_s: by channel, the length of a window that is measured whole; a shorter one is
            measured over its frames alone, or refused.
    """

    machine: Any
    describe_machine: Machine
    at_once: int
    num_threads: int
    facts: dict[str, dict[str, Any]]
    needs_s: dict[str, float]

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
    waiting = [one for one in zip(requests, facts, strict=True) if one[0].channels]
    groups = grouped(waiting, embedder.at_once, threads=embedder.num_threads)
    names = [listed((request.path for request, _ in group), 3) for group in groups]
    options: dict[str, Any] = {"machine": embedder.describe_machine}
    options["threads"] = embedder.num_threads
    for _ in each(partial(_embed, embedder, memo), groups, names, "embed", "clips", **options):
        pass
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


def describe(name: str, embedding: Embedding, needs_s: float) -> str:
    """The sizes of a channel's evidence in words, and how many windows are too short for it.

    Args:
        needs_s: the length of a window that the channel measures whole.
    """
    num, width = embedding.pieces.vectors.shape
    text = f"{name}: {num} vectors of {width} numbers in {len(embedding.index)} windows"
    times = pd.DataFrame(embedding.pieces.spans_s).groupby(embedding.windows)
    lengths_s = times[1].max() - times[0].min()
    num_short = int((lengths_s < needs_s - STEP_S - EDGE_S).sum())
    if num_short:
        text += (
            f"; {num_short} windows have frames over less than {needs_s:g} s, and only these are "
            "measured"
        )
    return text


def _embed(embedder: Embedder, memo: Memo, group: Sequence[Waiting]) -> None:
    """Measures the evidence in videos, and keeps that of each video as soon as it is measured."""
    measured = embedder.embed(request for request, _ in group)
    for (request, facts), evidence in zip(
        group, progress(measured, "embed", "clip", len(group)), strict=True
    ):
        for name in request.channels:
            memo.recall(facts[name], partial(_save, evidence[name]))


def _save(windows: Sequence[Pieces], folder: Path) -> None:
    folder.mkdir()
    save_pieces(windows, folder)


def _never(path: Path, folder: Path) -> None:
    raise InputError(f"{path}: what was remembered of it is gone; run the stage again")
