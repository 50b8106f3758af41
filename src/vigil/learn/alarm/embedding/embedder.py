"""Clips to vectors by a network: decoding ahead, in batches, in the arithmetic asked for."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from vigil.learn.alarm.embedding.backbone import InputFacts
from vigil.learn.alarm.embedding.registry import build_backbone
from vigil.learn.networks.machine import (
    choose_device,
    describe_machine,
    has_bfloat16,
    prepare_torch,
    seed_torch,
)
from vigil.learn.networks.weights import state_digest
from vigil.pixels.video.clips import Positions, ShortClips, read_frames, sample_uniformly
from vigil.pixels.video.picture import Picture
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import file_digest

Precision = Literal["auto", "32-true", "bf16-true"]
Vectors = npt.NDArray[np.float32]
LIBRARIES = ("torchvision", "pytorchvideo", "transformers")
NUM_DECODERS = 2


class NetworkEmbedder:
    """A network by name, with its weights, on this machine's device.

    `facts` tell all that its vectors depend on besides the clip, the code and the `machine`, the
    SHA-256 of its weights among them.
    """

    def __init__(
        self,
        *,
        seed: int,
        backbone: str,
        weights: str,
        num_frames: int,
        slowfast_alpha: int,
        num_windows: int,
        short_clips: ShortClips,
        batch_size: int,
        precision: Precision,
        channels_last: bool,
    ) -> None:
        """Raises InputError: see `build_backbone` and `choose_device`."""
        prepare_torch()
        self._device = choose_device()
        self.machine = describe_machine()
        if precision == "auto":
            precision = "bf16-true" if has_bfloat16(self._device) else "32-true"
        seed_torch(seed)
        model = build_backbone(
            backbone, weights=weights, num_frames=num_frames, alpha=slowfast_alpha
        )
        self.facts: dict[str, Any] = {
            "backbone": backbone,
            "weights": weights,
            "seed": seed,
            "weights_sha256": state_digest(model),
            "num_windows": num_windows,
            "short_clips": short_clips,
            "precision": precision,
            "channels_last": channels_last,
            "num_frames": model.inputs.num_frames,
            "slowfast_alpha": slowfast_alpha,
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        if Path(weights).is_file():
            self.facts["weights_file_sha256"] = file_digest(Path(weights))
        if precision == "bf16-true":
            model.use_bf16()
        if channels_last:
            model.use_channels_last()
        self.model = model.to(self._device)
        self._num_windows, self._short_clips = num_windows, short_clips
        self._num_clips = max(1, batch_size // num_windows)  # at a time
        self._num_rows = min(self._num_clips * num_windows, batch_size)

    @classmethod
    def again(cls, facts: Mapping[str, Any]) -> "NetworkEmbedder":
        """The same network in 32 bits from what is told of it, to be tuned or to use tuned weights.

        Raises:
            InputError: its weights are other ones now, or not enough is told.
        """
        names = ("seed", "backbone", "weights", "num_frames", "slowfast_alpha", "num_windows")
        if missing := {*names, "short_clips", "weights_sha256"} - set(facts):
            raise InputError(
                f"what embedded the clips: expected {listed(missing)} to be told, found none"
            )
        told = {name: facts[name] for name in (*names, "short_clips")}
        made = cls(**told, batch_size=8, precision="32-true", channels_last=False)
        if made.facts["weights_sha256"] != facts["weights_sha256"]:
            raise InputError(
                f"embed_clips.weights: expected {facts['weights']} to be as when clips were "
                "embedded, found other weights"
            )
        return made

    def read(self, path: Path) -> npt.NDArray[np.uint8]:
        """(num_windows, T, S, S, 3) RGB: what the network sees of a clip."""
        return read_windows(path, self.model.inputs, self._num_windows, self._short_clips)

    def embed(self, paths: Sequence[Path]) -> Iterator[Vectors]:
        """Yields (num_windows, D) for each clip, in order.

        Raises:
            InputError: a clip that cannot be read, or is too short.
        """
        num_clips = self._num_clips
        with ThreadPoolExecutor(NUM_DECODERS) as pool:
            waiting: deque[Future[npt.NDArray[np.uint8]]] = deque()
            upcoming = iter(paths)

            def fill() -> None:
                while len(waiting) < 2 * num_clips and (path := next(upcoming, None)):
                    waiting.append(pool.submit(self.read, path))

            fill()
            while waiting:
                clips = [waiting.popleft().result() for _ in range(min(num_clips, len(waiting)))]
                fill()
                vectors = self._embed_windows(np.concatenate(clips))
                yield from vectors.reshape(len(clips), self._num_windows, -1)

    @torch.inference_mode()
    def _embed_windows(self, frames: npt.NDArray[np.uint8]) -> Vectors:
        """(B, T, S, S, 3) to (B, D)."""
        parts = torch.from_numpy(frames).split(self._num_rows)
        vectors = torch.cat([self._embed_batch(part) for part in parts])
        return np.asarray(vectors.numpy(), np.float32)

    def _embed_batch(self, frames: torch.Tensor) -> torch.Tensor:
        """Embeds a batch, filled up with its last window to the size of all others.

        For one of another size libraries pick other kernels, which round in another order: what is
        embedded after a kill, or of one more clip, would end in other bytes.
        """
        num_spare = self._num_rows - len(frames)
        full = torch.cat([frames, frames[-1:].expand(num_spare, *frames.shape[1:])])
        vectors: torch.Tensor = self.model(full.to(self._device))[: len(frames)]
        return vectors.cpu()


def read_windows(
    path: Path, inputs: InputFacts, num_windows: int, short_clips: ShortClips
) -> npt.NDArray[np.uint8]:
    """(num_windows, T, S, S, 3) RGB: a clip's frames as a network wants them.

    Raises:
        InputError: a clip that cannot be read, or is too short.
    """

    def choose(num_frames: int, fps: Fraction) -> Positions:
        return sample_uniformly(num_frames, inputs.num_frames, num_windows, short_clips, path)

    def fit(picture: Picture) -> Picture:
        return inputs.size(picture)[..., ::-1]

    return read_frames(path, choose, fit)[0]
