"""Shows pictures to a vision transformer, and returns its class tokens and attention."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vigil.learn.networks.machine import (
    choose_device,
    describe_machine,
    prepare_torch,
    seed_torch,
)
from vigil.learn.networks.weights import state_digest
from vigil.learn.vision_transformers.opening import open_transformer
from vigil.pixels.fitting import resize
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.attend import Attend

MAX_PATCHES = 16_384


class Seen(NamedTuple):
    """What a network saw in F pictures of one size.

    Attributes:
        vectors: (F, D) float32 class tokens after the last norm.
        attention: (F, heads, h, w) float16, of the class token in the last block.
    """

    vectors: npt.NDArray[np.float32]
    attention: npt.NDArray[np.float16]


class Viewer:
    """A network by name, with its weights, on this machine's device.

    Attributes:
        facts: everything that its results depend on, but for the pictures and the code.
    """

    def __init__(self, settings: Attend) -> None:
        """Raises FieldError, InputError: see `open_transformer` and `choose_device`."""
        prepare_torch()
        seed_torch(settings.seed)
        try:
            model = open_transformer(settings.network)
        except FieldError as error:
            raise FieldError(f"network.{error.field}", error.problem) from None
        if settings.short_side_px < model.patch_px:
            raise FieldError(
                "short_side_px",
                f"expected at least a patch of {model.patch_px} px, got {settings.short_side_px}",
            )
        self._device = choose_device()
        self.facts: dict[str, Any] = {
            "architecture": settings.network.architecture,
            "weights_sha256": state_digest(model),
            "machine": describe_machine(),
        }
        self._model = model.to(self._device)
        self._short_side_px, self._batch_size = settings.short_side_px, settings.batch_size

    def fit(self, picture: Picture, place: str) -> Picture:
        """Resizes a (H, W, 3) BGR picture, and cuts its edges to multiples of a patch.

        Args:
            place: names the picture in errors.

        Raises:
            InputError: the picture is so long and narrow that it has too many patches.
        """
        height, width = picture.shape[:2]
        scale, patch = self._short_side_px / min(height, width), self._model.patch_px
        rows, columns = (max(patch, round(side * scale)) // patch for side in (height, width))
        if rows * columns > MAX_PATCHES:
            raise InputError(
                f"{place}: expected a picture of at most {MAX_PATCHES} patches of {patch} px, got "
                f"{rows} x {columns}; a smaller short_side_px gives fewer"
            )
        size_wh = (max(patch, round(width * scale)), max(patch, round(height * scale)))
        resized = resize(picture, size_wh)
        top = (resized.shape[0] - rows * patch) // 2
        left = (resized.shape[1] - columns * patch) // 2
        return np.ascontiguousarray(
            resized[top : top + rows * patch, left : left + columns * patch]
        )

    @torch.inference_mode()
    def look(self, pictures: Sequence[Picture]) -> Seen:
        """Shows fitted pictures of one size to the network.

        Several pictures are a batch, which is padded with the last one to the usual size. For
        another size, libraries choose other kernels, which round in another order.
        """
        shown = list(pictures)
        if len(shown) > 1:
            shown += shown[-1:] * (self._batch_size - len(shown))
        rgb = np.stack([cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) for picture in shown])
        pixels = self._model.normalise(torch.from_numpy(rgb).to(self._device))
        vectors, attention = self._model.attend(pixels)
        count = len(pictures)
        return Seen(
            vectors[:count].float().cpu().numpy(),
            attention[:count].float().cpu().numpy().astype(np.float16),
        )
