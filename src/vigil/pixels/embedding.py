"""Vectors of windows, made once: a new video embeds itself alone."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo
from vigil.plumbing.progress import progress

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns windows of videos into vectors.

    Attributes:
        machine: what the last bits of its vectors depend on.
        facts: all that its vectors depend on besides the clip, the code and the machine.
    """

    machine: Any
    facts: dict[str, Any]

    def embed(self, videos: Iterable[tuple[Path, Sequence[Window]]]) -> Iterator[Vectors]:
        """Yields (W, D) for the W windows of each video, in order."""


def embed_windows(table: pd.DataFrame, clips: Path, embedder: Embedder, code: str) -> Vectors:
    """(N, D): the vector of each window, remembered by the content of its video.

    Args:
        table: `video`, `start_s`, `stop_s` and `digest` of each window, those of a video together.
        clips: the folder that the videos lie in.
        code: the fingerprint of what embeds.

    Raises:
        InputError: no window, a video that cannot be read or lies elsewhere, or a window that is
            too short.
    """
    if table.empty:
        raise InputError("expected windows to embed, found none")
    memo = Memo("embeddings")
    common = {"code": code, "machine": embedder.machine, **embedder.facts}
    videos: list[tuple[Path, list[Window]]] = []
    facts: list[dict[str, Any]] = []
    for (video, digest), rows in table.groupby(["video", "digest"], sort=False):
        windows = [Window(*times) for times in rows[["start_s", "stop_s"]].itertuples(index=False)]
        videos.append((below(clips, [str(video)])[0], windows))
        facts.append(
            {"clip": digest, "windows": [list(map(str, one)) for one in windows], **common}
        )
    missing = [at for at, own in enumerate(facts) if not memo.holds(own)]
    made = embedder.embed(videos[at] for at in missing)
    for at, vectors in zip(missing, progress(made, "embed", "clip", len(missing)), strict=True):
        memo.recall(facts[at], partial(_save, vectors))
    files = [
        memo.recall(own, partial(_never, path))
        for own, (path, _) in zip(facts, videos, strict=True)
    ]
    result: Vectors = np.concatenate([np.load(file / "vectors.npy") for file in files])
    memo.prune()
    return result


def _save(vectors: Vectors, folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "vectors.npy", vectors)


def _never(path: Path, folder: Path) -> None:
    raise InputError(f"{path}: what was remembered of it is gone; run the stage again")
