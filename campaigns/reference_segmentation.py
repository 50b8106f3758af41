"""Trains a network of torchvision by its published recipe for masks, and measures it as vigil does.

The recipe is that of torchvision's `references/segmentation`: SGD with a learning rate of 0.01, a
momentum of 0.9 and a weight decay of 1e-4, a polynomial decay by step of power 0.9, batches of 8,
cross-entropy, half of its weight for the auxiliary head, pictures resized at random to 0.5 to 2
times their size, flipped, and cut to 480 / 520 of their short side. It stops after the processor
time that is given, which the decay knows in advance by the first epoch.

In the folder of the project, after `dvc repro split@segmenter`:

    python campaigns/reference_segmentation.py data/camvid/images lraspp_mobilenet_v3_large 1000

trains on the training side for about 1000 seconds of processor time, and prints the measures of the
test side.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from vigil.domain.masks.class_map import IGNORED, ClassMaps
from vigil.domain.masks.masked import MaskedPictures, read_masked
from vigil.domain.measures.segmenter import SegmentationMeasure
from vigil.domain.sides import TEST, TRAIN, read_side
from vigil.pixels.pictures.images import ImageSource

MASKS, SPLITS = Path("data/masks/instances.json"), Path("data/splits/segmenter")
BATCH_SIZE, AUXILIARY_WEIGHT, CROP = 8, 0.5, 480 / 520
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pictures:
    """The pictures of a side with their classes."""

    def __init__(self, images: Path, side: str) -> None:
        self.known: MaskedPictures = read_masked(MASKS).select(read_side(SPLITS / f"{side}.json"))
        self.ids: list[str] = self.known.images.index.tolist()
        self._source, self._maps = ImageSource(images), ClassMaps(self.known)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """(3, H, W) uint8 and (H, W) classes."""
        name = self.ids[number]
        picture = torch.from_numpy(np.array(self._source.rgb(name))).permute(2, 0, 1)
        return picture, torch.from_numpy(np.array(self._maps[name], np.int64))

    def batches(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch in random order; a rest that fills no batch is left out."""
        order = torch.randperm(len(self.ids), generator=generator).tolist()
        for start in range(0, len(order) - BATCH_SIZE + 1, BATCH_SIZE):
            chosen = [self[number] for number in order[start : start + BATCH_SIZE]]
            pairs = [change(*pair, generator) for pair in chosen]
            yield torch.stack([one for one, _ in pairs]), torch.stack([one for _, one in pairs])


def normalise(picture: Tensor) -> Tensor:
    """Numbers as the recipe gives them to the network."""
    normalised: Tensor = functional.normalize(picture.float() / 255, list(MEAN), list(STD))
    return normalised


def change(picture: Tensor, classes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Resizes, flips and cuts at random, and normalises."""
    short = min(picture.shape[1:])
    side = int(short * CROP) // 8 * 8
    size = int(torch.randint(short // 2, 2 * short + 1, (1,), generator=generator))
    image, target = functional.resize(picture, [size]), classes[None]
    target = functional.resize(target, [size], functional.InterpolationMode.NEAREST)
    if torch.rand(1, generator=generator) < 0.5:
        image, target = functional.hflip(image), functional.hflip(target)
    rest = [max(0, side - image.shape[2]), max(0, side - image.shape[1])]
    image = functional.pad(image, [0, 0, *rest], fill=[0.0])
    target = functional.pad(target, [0, 0, *rest], fill=[float(IGNORED)])
    x, y = (
        int(torch.randint(0, free + 1, (1,), generator=generator))
        for free in (image.shape[2] - side, image.shape[1] - side)
    )
    box = (y, x, side, side)
    return normalise(functional.crop(image, *box)), functional.crop(target, *box)[0]


def train(network: nn.Module, pictures: Pictures, budget_s: float) -> None:
    """Trains for about a time of the processor."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    loss_of = nn.CrossEntropyLoss(ignore_index=IGNORED)
    generator = torch.Generator().manual_seed(0)
    network.train()
    start_s, num_epochs, epoch = time.process_time(), 1_000_000, 0
    num_batches = len(pictures.ids) // BATCH_SIZE
    while epoch < num_epochs:
        for step, (images, classes) in enumerate(pictures.batches(generator)):
            rest = 1 - (epoch * num_batches + step) / (num_epochs * num_batches)
            optimiser.param_groups[0]["lr"] = 0.01 * rest**0.9
            found = network(images)
            loss = loss_of(found["out"], classes)
            if "aux" in found:
                loss = loss + AUXILIARY_WEIGHT * loss_of(found["aux"], classes)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        epoch += 1
        if epoch == 1:  # the rate hardly fell in this epoch
            num_epochs = max(1, round(budget_s / (time.process_time() - start_s)))
        print(f"epoch {epoch}/{num_epochs}: loss {loss:.4f}", flush=True)
    print(f"{time.process_time() - start_s:.0f} s of processor time", flush=True)


@torch.inference_mode()
def measure(network: nn.Module, pictures: Pictures) -> None:
    """Prints the measures of whole pictures in their own size."""
    network.eval()
    measured = SegmentationMeasure(pictures.known.classes)
    for number, name in enumerate(pictures.ids):
        picture, classes = pictures[number]
        found = network(normalise(picture)[None])["out"][0].argmax(0)
        measured.add(name, classes.numpy().astype(np.uint8), found.numpy().astype(np.uint8))
    numbers = measured.numbers()
    by_class = {name: round(one["iou"], 3) for name, one in numbers.pop("by_class").items()}
    print(numbers, by_class)


def main() -> None:
    """Trains and measures."""
    images, architecture, budget_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    torch.set_num_threads(int(os.environ.get("VIGIL_THREADS", "2")))
    torch.manual_seed(0)
    pictures = Pictures(images, TRAIN)
    build = getattr(torchvision.models.segmentation, architecture)
    network: nn.Module = build(
        weights=None, weights_backbone=None, num_classes=len(pictures.known.classes)
    )
    train(network, pictures, budget_s)
    measure(network, Pictures(images, TEST))


if __name__ == "__main__":
    main()
