"""Frames of windows for fine-tuning: decoded once, and cached."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.pixels.windows import Window
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, tree_digest

MEMO = "window_frames"


class WindowFrames:
    """The input frames of the network for windows, by their rows in the table."""

    def __init__(
        self, embedder: NetworkEmbedder, paths: Sequence[Path], windows: Sequence[Window]
    ) -> None:
        """Args: paths, windows: the video and the window of each row."""
        facts = {name: embedder.facts[name] for name in ("backbone", "network", "short_clips")}
        digests = {path: tree_digest(path) for path in set(paths)}
        code = code_fingerprint(NetworkEmbedder)
        self._facts = [
            {"code": code, "clip": digests[path], "window": list(map(str, window)), **facts}
            for path, window in zip(paths, windows, strict=True)
        ]
        self._embedder, self._paths, self._windows = embedder, paths, windows
        self._memo = Memo(MEMO)

    def __call__(self, rows: Tensor) -> Tensor:
        """The frames (B, T, S, S, 3) of rows (B,)."""
        frames = []
        for row in rows.tolist():

            def decode(file: Path, row: int = row) -> None:
                with file.open("wb") as opened:
                    np.save(opened, self._embedder.read(self._paths[row], [self._windows[row]])[0])

            frames.append(np.load(self._memo.recall(self._facts[row], decode), mmap_mode="r"))
        return torch.from_numpy(np.stack(frames))
