"""The evidence of windows, measured once: a new video measures itself alone."""

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


class Asked(NamedTuple):
    """A video, and what is asked of it: windows in the order of the table, and channels."""

    path: Path
    windows: Sequence[Window]
    channels: Sequence[str]


class Embedder(Protocol):
    """Measures the evidence of windows of videos, in one or more channels.

    Attributes:
        machine: what the last bits of its vectors depend on.
        facts: by channel, all that its evidence depends on besides the clip, the code and the
            machine.
    """

    machine: Any
    facts: dict[str, dict[str, Any]]

    def embed(self, videos: Iterable[Asked]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence of each video, by channel and window, in order."""


def embed_windows(
    table: pd.DataFrame, clips: Path, embedder: Embedder, codes: Mapping[str, str]
) -> dict[str, Embedding]:
    """The evidence of each window, by channel, remembered by the content of its video.

    Args:
        table: `video`, `start_s`, `stop_s` and `digest` of each window, those of a video together.
        clips: the folder that the videos lie in.
        codes: by channel, the fingerprint of what measures it.

    Raises:
        InputError: no window, a video that cannot be read or lies elsewhere, or a window that is
            too short.
    """
    if table.empty:
        raise InputError("expected windows to embed, found none")
    memo = Memo("embeddings")
    asked: list[Asked] = []
    facts: list[dict[str, dict[str, Any]]] = []
    order: list[pd.DataFrame] = []
    for (video, digest), rows in table.groupby(["video", "digest"], sort=False):
        windows = [Window(*times) for times in rows[["start_s", "stop_s"]].itertuples(index=False)]
        order.append(rows)
        told = {"clip": digest, "windows": [list(map(str, one)) for one in windows]}
        facts.append(
            {
                name: {**told, "code": codes[name], "machine": embedder.machine, **own}
                for name, own in embedder.facts.items()
            }
        )
        missing = [name for name, own in facts[-1].items() if not memo.holds(own)]
        asked.append(Asked(below(clips, [str(video)])[0], windows, missing))
    waiting = [at for at, one in enumerate(asked) if one.channels]
    made = embedder.embed(asked[at] for at in waiting)
    for at, found in zip(waiting, progress(made, "embed", "clip", len(waiting)), strict=True):
        for name in asked[at].channels:
            memo.recall(facts[at][name], partial(_save, found[name]))
    index = pd.concat(order)[["video", "start_s", "stop_s"]].reset_index(drop=True)
    result = {}
    for name, told in embedder.facts.items():
        parts = [
            load_pieces(memo.recall(own[name], partial(_never, one.path)))
            for own, one in zip(facts, asked, strict=True)
        ]
        counts = np.concatenate([counts for _, counts in parts])
        pieces = [piece for piece, _ in parts]
        result[name] = Embedding.join(index, pieces, counts, told)
    memo.prune()
    return result


def _save(windows: Sequence[Pieces], folder: Path) -> None:
    folder.mkdir()
    save_pieces(windows, folder)


def _never(path: Path, folder: Path) -> None:
    raise InputError(f"{path}: what was remembered of it is gone; run the stage again")
