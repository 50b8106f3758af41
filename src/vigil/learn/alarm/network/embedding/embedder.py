"""Clips to vectors by a network: decoding ahead, in batches, in the arithmetic asked for."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vigil.learn.alarm.network.embedding.registry import build_backbone
from vigil.learn.networks.machine import (
    choose_device,
    describe_machine,
    has_bfloat16,
    prepare_torch,
    seed_torch,
)
from vigil.learn.networks.weights import state_digest
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.sampling import sample_uniformly
from vigil.pixels.windows import Positions, Window, read_windows
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import file_digest
from vigil.settings.embed_clips import Appearance, Network, ShortClips

Vectors = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]
LIBRARIES = ("torchvision", "pytorchvideo", "transformers")
NUM_DECODERS = 2
BATCH_SIZE_AGAIN = 8


class NetworkEmbedder:
    """A network by name, with its weights, on this machine's device.

    Attributes:
        machine: what the last bits of its vectors depend on.
        facts: all that its vectors depend on besides the clip, the code and the machine, the
            SHA-256 of its weights among them.
    """

    def __init__(
        self, settings: Appearance, short_clips: ShortClips, picture_fps: Fraction
    ) -> None:
        """Args: picture_fps: of folders of numbered pictures.

        Raises:
            FieldError: see `build_backbone`.
            InputError: see `choose_device`.
        """
        prepare_torch()
        own = settings.network
        self._device = choose_device()
        self.machine = describe_machine()
        precision = own.precision
        if precision == "auto":
            precision = "bf16-true" if has_bfloat16(self._device) else "32-true"
        seed_torch(own.seed)
        model = build_backbone(
            settings.backbone,
            weights=settings.weights,
            num_frames=own.num_frames,
            alpha=own.slowfast_alpha,
        )
        self.facts: dict[str, Any] = {
            "backbone": settings.backbone,
            "weights": settings.weights,
            "weights_sha256": state_digest(model),
            "short_clips": short_clips,
            "picture_fps": str(picture_fps),
            "network": {
                **own.model_dump(exclude={"batch_size"}),
                "precision": precision,
                "num_frames": model.inputs.num_frames,
            },
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        if settings.weights_file:
            self.facts["weights_file_sha256"] = file_digest(settings.weights_file)
        if precision == "bf16-true":
            model.use_bf16()
        if own.channels_last:
            model.use_channels_last()
        self.model = model.to(self._device)
        self._short_clips, self._picture_fps = short_clips, picture_fps
        self._batch_size = own.batch_size

    @classmethod
    def again(cls, facts: Mapping[str, Any]) -> "NetworkEmbedder":
        """The same network in 32 bits from what is told of it, to be tuned or to use tuned weights.

        Raises:
            InputError: its weights are other ones now, or not enough is told.
        """
        names = ("backbone", "weights", "short_clips")
        if missing := {*names, "network", "picture_fps", "weights_sha256"} - set(facts):
            raise InputError(
                f"what embedded the windows: expected {listed(missing)} to be told, found none"
            )
        network = Network(
            **{
                **facts["network"],
                "batch_size": BATCH_SIZE_AGAIN,
                "precision": "32-true",
                "channels_last": False,
            }
        )
        settings = Appearance(backbone=facts["backbone"], weights=facts["weights"], network=network)
        made = cls(settings, facts["short_clips"], Fraction(facts["picture_fps"]))
        if made.facts["weights_sha256"] != facts["weights_sha256"]:
            raise InputError(
                f"{facts['weights']}: expected the weights that embedded the clips, found other "
                "ones"
            )
        return made

    def read(self, path: Path, windows: Sequence[Window]) -> Frames:
        """(W, T, S, S, 3) RGB: what the network sees of windows of a video.

        Raises:
            InputError: a video that cannot be read, or a window that is too short.
        """
        fps = self._picture_fps
        return read_windows(path, windows, self._choose, self.fit, picture_fps=fps)[0]

    def embed(self, videos: Iterable[tuple[Path, Sequence[Window]]]) -> Iterator[Vectors]:
        """Yields (W, D) for the W windows of each video, in order.

        Raises:
            InputError: see `read`.
        """
        with ThreadPoolExecutor(NUM_DECODERS) as pool:
            upcoming = iter(videos)
            waiting: deque[Future[Frames]] = deque()

            def fill() -> None:
                while len(waiting) < 2 * self._batch_size and (video := next(upcoming, None)):
                    waiting.append(pool.submit(self.read, *video))

            fill()
            while waiting:
                own = [waiting.popleft().result()]
                while waiting and sum(map(len, own)) < self._batch_size:
                    own.append(waiting.popleft().result())
                fill()
                vectors = self._embed_windows(np.concatenate(own))
                yield from np.split(vectors, np.cumsum([len(frames) for frames in own])[:-1])

    def embed_fitted(self, fitted: Sequence[Picture]) -> Vectors:
        """(D,) of the frames of one window in memory, as `fit` gives them.

        Raises:
            FieldError: too few frames.
        """
        chosen = self._choose(len(fitted), Fraction(1))
        frames = np.stack([fitted[at] for at in chosen.tolist()])
        vectors: Vectors = self._embed_windows(frames[None])[0]
        return vectors

    def fit(self, picture: Picture) -> Picture:
        """(H, W, 3) BGR to what the network sees of it, (S, S, 3) RGB."""
        return self.model.inputs.size(picture)[..., ::-1]

    def _choose(self, num_frames: int, _: Fraction) -> Positions:
        return sample_uniformly(num_frames, self.model.inputs.num_frames, self._short_clips)

    @torch.inference_mode()
    def _embed_windows(self, frames: npt.NDArray[np.uint8]) -> Vectors:
        """(B, T, S, S, 3) to (B, D)."""
        parts = torch.from_numpy(frames).split(self._batch_size)
        vectors = torch.cat([self._embed_batch(part) for part in parts])
        return np.asarray(vectors.numpy(), np.float32)

    def _embed_batch(self, frames: torch.Tensor) -> torch.Tensor:
        """Embeds a batch, filled up with its last window to the size of all others.

        For one of another size libraries pick other kernels, which round in another order: what is
        embedded after a kill, or of one more clip, would end in other bytes.
        """
        num_spare = self._batch_size - len(frames)
        full = torch.cat([frames, frames[-1:].expand(num_spare, *frames.shape[1:])])
        vectors: torch.Tensor = self.model(full.to(self._device))[: len(frames)]
        return vectors.cpu()
