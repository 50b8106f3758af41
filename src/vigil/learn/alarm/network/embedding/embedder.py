"""Turns clips into vectors by a network: decodes ahead, and computes in batches."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vigil.domain.clips.evidence.pieces import Pieces, piece_of_window, pieces_of_cells
from vigil.learn.alarm.network.embedding.registry import ByFrame, build_backbone
from vigil.learn.alarm.network.embedding.sampling import sample_uniformly
from vigil.learn.alarm.network.embedding.window_queue import WindowQueue
from vigil.learn.networks.machine import (
    choose_device,
    describe_machine,
    has_bfloat16,
    prepare_torch,
    seed_torch,
)
from vigil.learn.networks.weights import state_digest
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import Positions, Window, describe_windows, read_windows
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import tree_digest
from vigil.settings.embed_clips import TRUNK, Appearance, Network, ShortClips

Vectors = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]
LIBRARIES = ("torchvision", "pytorchvideo", "transformers")
NUM_DECODERS = 2
TUNING_BATCH_SIZE = 8


class NetworkEmbedder:
    """A network by name, with its weights, on this machine's device.

    Attributes:
        machine: the facts of the machine on which the last bits of vectors depend.
        facts: all other facts on which its vectors depend, except the clip and the code; with the
            SHA-256 of the weights.
    """

    def __init__(
        self, settings: Appearance, short_clips: ShortClips, picture_fps: Fraction
    ) -> None:
        """Args: picture_fps: the frame rate of folders of numbered pictures.

        Raises:
            FieldError: see `build_backbone`.
            InputError: see `choose_device`.
        """
        prepare_torch()
        options = settings.network
        self._device = choose_device()
        self.machine = describe_machine()
        precision = options.precision
        if precision == "auto":
            is_exact = settings.backbone == TRUNK or not has_bfloat16(self._device)
            precision = "32-true" if is_exact else "bf16-true"
        seed_torch(options.seed)
        model = build_backbone(
            settings.backbone,
            weights=settings.weights,
            num_frames=options.num_frames,
            alpha=options.slowfast_alpha,
            transformer=options.transformer,
            by_frame=ByFrame(
                options.trunk, options.stride, options.size_px, settings.num_space_cells
            ),
        )
        self.facts: dict[str, Any] = {
            "backbone": settings.backbone,
            "weights": settings.weights,
            "weights_sha256": state_digest(model),
            "num_space_cells": settings.num_space_cells,
            "short_clips": short_clips,
            "picture_fps": str(picture_fps),
            "network": {
                **options.model_dump(exclude={"batch_size"}),
                "precision": precision,
                "num_frames": model.inputs.num_frames,
            },
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        if settings.weights_file:
            self.facts["weights_file_sha256"] = tree_digest(settings.weights_file)
        if precision == "bf16-true":
            model.use_bf16()
        if options.channels_last:
            model.use_channels_last()
        self.model = model.to(self._device)
        self._short_clips, self._picture_fps = short_clips, picture_fps
        self._batch_size = options.batch_size

    @classmethod
    def from_facts(
        cls, facts: Mapping[str, Any], *, as_embedded: bool = False
    ) -> "NetworkEmbedder":
        """Builds the network again from its facts, in 32 bits, for tuning or for tuned weights.

        Args:
            as_embedded: whether it has the arithmetic that embedded the windows, with which the
                thresholds were picked, if the device has it.

        Raises:
            InputError: the weights have changed, or a fact is missing.
        """
        names = ("backbone", "weights", "num_space_cells", "short_clips")
        if missing := {*names, "network", "picture_fps", "weights_sha256"} - set(facts):
            raise InputError(
                f"what embedded the windows: expected {listed(missing)} to be told, found none"
            )
        is_same = as_embedded and has_bfloat16(choose_device())
        network = Network(
            **{
                **facts["network"],
                "batch_size": TUNING_BATCH_SIZE,
                "precision": facts["network"]["precision"] if is_same else "32-true",
                "channels_last": False,
            }
        )
        own = {name: facts[name] for name in ("backbone", "weights", "num_space_cells")}
        settings = Appearance(**own, network=network)
        embedder = cls(settings, facts["short_clips"], Fraction(facts["picture_fps"]))
        if embedder.facts["weights_sha256"] != facts["weights_sha256"]:
            raise InputError(
                f"{facts['weights']}: expected the weights that embedded the clips, found other "
                "ones"
            )
        return embedder

    def read(self, path: Path, windows: Sequence[Window]) -> Frames:
        """The input frames (W, T, S, S, 3) of the network for windows of a video, RGB.

        Raises:
            InputError: the video cannot be read, or a window is too short.
        """
        fps = self._picture_fps
        return read_windows(path, windows, self._choose, self.fit, picture_fps=fps)[0]

    def embed(self, videos: Iterable[tuple[Path, Sequence[Window]]]) -> Iterator[Vectors]:
        """Yields the vectors (W, D) of the W windows of each video, in order.

        With cells, they are (W, P, D), with P vectors of a window; see `place`.

        Raises:
            InputError: see `read`.
        """
        decoded = WindowQueue(2 * self._batch_size)
        with ThreadPoolExecutor(NUM_DECODERS) as pool, decoded:
            upcoming = iter(videos)
            waiting: deque[Future[list[int]]] = deque()

            def fill() -> None:
                while len(waiting) < 2 * self._batch_size and (video := next(upcoming, None)):
                    waiting.append(pool.submit(self._decode, *video, decoded))

            fill()
            vectors: dict[int, Vectors] = {}
            while waiting:
                numbers = waiting[0].result() if waiting[0].done() else None
                if numbers is None or not vectors.keys() >= set(numbers):
                    vectors |= self._embed_next(decoded, waiting)
                    continue
                waiting.popleft()
                fill()
                yield np.stack([vectors.pop(number) for number in numbers])

    def _decode(self, path: Path, windows: Sequence[Window], decoded: WindowQueue) -> list[int]:
        """Puts the frames of each window into the queue; returns their numbers there."""
        return describe_windows(
            *(path, windows, self._choose, self.fit, lambda frames, _: decoded.put(frames)),
            picture_fps=self._picture_fps,
        )

    def _embed_next(
        self, decoded: WindowQueue, decoders: Collection[Future[Any]]
    ) -> dict[int, Vectors]:
        """The vectors of the next windows, by their numbers in the queue: a batch at most."""
        batch = decoded.take(self._batch_size, decoders)
        if not batch:
            return {}
        vectors = self._embed_windows(np.stack([frames for _, frames in batch]))
        return {number: vector for (number, _), vector in zip(batch, vectors, strict=True)}

    def embed_fitted(self, fitted: Sequence[Picture]) -> Vectors:
        """The vector (D,) of one window, from its frames in memory, which `fit` returned.

        With cells, the vectors (P, D) of one window; see `place`.

        Raises:
            FieldError: there are too few frames.
        """
        chosen = self._choose(len(fitted), Fraction(1))
        frames = np.stack([fitted[at] for at in chosen.tolist()])
        # Alone, since nobody waits for the bytes of a stored vector, but for this one.
        vectors: Vectors = self._compute(torch.from_numpy(frames[None])).numpy()[0]
        return vectors

    def place(
        self, vectors: Vectors, times_s: npt.NDArray[np.float64], size_wh: tuple[int, int]
    ) -> Pieces:
        """The evidence in one window: its vectors with their places and times.

        Args:
            vectors: of the window, as `embed` and `embed_fitted` give them.
            times_s: (N,) of all frames of the window.
            size_wh: of the video's frames.
        """
        if vectors.ndim == 1:
            return piece_of_window(vectors, size_wh, float(times_s[0]), float(times_s[-1]))
        # In a window of few frames, the last one was seen several times.
        chosen, first = np.unique(self._choose(len(times_s), Fraction(1)), return_index=True)
        by_frame = vectors.reshape(self.model.inputs.num_frames, -1, vectors.shape[1])
        once = by_frame[first].reshape(-1, vectors.shape[1])
        return pieces_of_cells(once, size_wh, times_s[chosen])

    def fit(self, picture: Picture) -> Picture:
        """Fits a frame (H, W, 3) BGR to the input of the network, (S, S, 3) RGB."""
        return self.model.inputs.size(picture)[..., ::-1]

    def _choose(self, num_frames: int, _: Fraction) -> Positions:
        return sample_uniformly(num_frames, self.model.inputs.num_frames, self._short_clips)

    def _embed_windows(self, frames: npt.NDArray[np.uint8]) -> Vectors:
        """The vectors (B, D), or with cells (B, P, D), of frames (B, T, S, S, 3)."""
        parts = torch.from_numpy(frames).split(self._batch_size)
        vectors = torch.cat([self._embed_batch(part) for part in parts])
        return np.asarray(vectors.numpy(), np.float32)

    def _embed_batch(self, frames: torch.Tensor) -> torch.Tensor:
        """Embeds a batch, which is padded with its last window to the usual size.

        For another batch size, libraries choose other kernels, which round in another order. Then
        the vectors of a resumed run, or with one more clip, would have other bytes.
        """
        num_spare = self._batch_size - len(frames)
        full = torch.cat([frames, frames[-1:].expand(num_spare, *frames.shape[1:])])
        return self._compute(full)[: len(frames)]

    @torch.inference_mode()
    def _compute(self, frames: torch.Tensor) -> torch.Tensor:
        """The vectors of a batch of frames (B, T, S, S, 3)."""
        vectors: torch.Tensor = self.model(frames.to(self._device))
        return vectors.cpu()
