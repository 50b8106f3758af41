"""Whether a network of `train_dino` learned something: nearest neighbours on data it never saw.

    python campaigns/learned_features.py crops models/dino/dino.safetensors
    python campaigns/learned_features.py clips models/dino/dino.safetensors FOLDER PATTERN [SOURCES]

`crops`: people and background in `data/samples`, by the split of the classifier. Each test sample
takes the class of most of its five nearest training samples. `clips`: class folders of clips, such
as data/demo/clips; PATTERN finds the source in a clip's name. Each clip takes the class of most of
its five nearest clips of other sources. SOURCES is a pattern of the sources that are compared, so
that those whose videos the network learned from can be left out.

Prints a line for each kind of features: of the trained network, of the same network with random
weights (mean of three seeds), and of what needs no network: grey pixels, and `motion_histogram`.
A vector of a network is the mean class token of the frames. Vectors are compared by their cosine.
Nothing is chosen by these numbers.
"""

import re
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from vigil.domain.samples.index import read_crops, read_index
from vigil.domain.sides import read_side
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.learn.vision_transformers.opening import open_transformer
from vigil.pixels.channels.registry import build_channel
from vigil.pixels.embedding.following import follow_file
from vigil.pixels.stepped_frames import read_stepped
from vigil.pixels.windows import WHOLE
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.embed_clips import EmbedClips
from vigil.settings.vision_transformer import VisionTransformer

NUM_NEIGHBOURS = 5
NUM_FRAMES = 8
RANDOM_SEEDS = (1, 2, 3)
FPS = Fraction(25)
CLIP_SIDE_PX = 224
Vectors = npt.NDArray[np.float64]
Embed = Callable[[npt.NDArray[np.uint8]], Vectors]
"""Frames (T, H, W, 3) RGB to one vector (D,)."""


def network_of(weights: Path, seed: int | None) -> AttentiveTransformer:
    """The trained network, or the same one with random weights."""
    model = open_transformer(VisionTransformer(architecture="trained", weights=str(weights)))
    if seed is not None:
        torch.manual_seed(seed)
        fresh = type(model.network)(model.network.config)
        state = {
            name: t for name, t in fresh.state_dict().items() if name in model.network.state_dict()
        }
        model.network.load_state_dict(state)
    return model.eval()


def by_network(model: AttentiveTransformer, side_px: int) -> Embed:
    """Embeds frames resized to a square."""
    side = max(1, side_px // model.patch_px) * model.patch_px

    @torch.inference_mode()
    def embed(frames: npt.NDArray[np.uint8]) -> Vectors:
        resized = np.stack(
            [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in frames]
        )
        tokens = model(model.normalise(torch.from_numpy(resized)))
        return np.asarray(tokens.mean(dim=0).double().numpy())

    return embed


def by_pixels(frames: npt.NDArray[np.uint8]) -> Vectors:
    """The mean frame in grey, 16 x 16, without its mean."""
    grey = frames.mean(axis=(0, 3))
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).ravel()
    return np.asarray(small - small.mean() + 1e-9)


def neighbours() -> KNeighborsClassifier:
    """The classifier by the nearest vectors."""
    return KNeighborsClassifier(NUM_NEIGHBOURS, metric="cosine", algorithm="brute")


def compare_crops(weights: Path) -> None:
    """Prints the accuracy on the classifier's test samples."""
    index = read_index(Path("data/samples"))
    sides = {
        side: read_side(Path(f"data/splits/classifier/{side}.json"))
        for side in ("train", "val", "test")
    }
    known, asked = sides["train"] + sides["val"], sides["test"]

    def features(ids: list[str], embed: Embed) -> Vectors:
        rows = index.loc[ids]
        crops = (
            read_crops(Path("data/samples"), str(video), int(row))
            for video, row in zip(rows["video"], rows["row"], strict=True)
        )
        return np.stack([embed(np.repeat(one[..., None], 3, axis=3)) for one in crops])

    def accuracy(embed: Embed) -> float:
        fitted = neighbours().fit(features(known, embed), index.loc[known, "label"])
        return float(fitted.score(features(asked, embed), index.loc[asked, "label"]))

    print(f"{len(known)} known and {len(asked)} asked samples; chance 0.5")
    model = network_of(weights, None)
    print(f"trained network   {accuracy(by_network(model, model.size_px)):.3f}")
    told = [accuracy(by_network(network_of(weights, seed), model.size_px)) for seed in RANDOM_SEEDS]
    print(f"random weights    {np.mean(told):.3f}  ({' '.join(f'{one:.3f}' for one in told)})")
    print(f"grey pixels       {accuracy(by_pixels):.3f}")


def compare_clips(weights: Path, folder: Path, pattern: str, chosen: str) -> None:
    """Prints the accuracy on clips, each by the clips of other sources."""
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    found = [re.search(pattern, path.name) for path in paths]
    sources = [match[1] if match else path.name for match, path in zip(found, paths, strict=True)]
    kept = [at for at, source in enumerate(sources) if re.search(chosen, source)]
    paths, groups = [paths[at] for at in kept], [sources[at] for at in kept]
    labels = [path.parent.name for path in paths]
    frames = [sampled(path) for path in paths]
    _, counts = np.unique(labels, return_counts=True)
    print(
        f"{len(paths)} clips of {len(counts)} classes and {len(set(groups))} sources; "
        f"the largest class {counts.max() / len(paths):.3f}"
    )

    def accuracy(vectors: Vectors) -> float:
        told = cross_val_predict(
            neighbours(), vectors, labels, groups=groups, cv=LeaveOneGroupOut()
        )
        return float(np.mean(told == np.array(labels)))

    def told_by(embed: Embed) -> float:
        return accuracy(np.stack([embed(one) for one in frames]))

    print(f"trained network   {told_by(by_network(network_of(weights, None), CLIP_SIDE_PX)):.3f}")
    told = [told_by(by_network(network_of(weights, seed), CLIP_SIDE_PX)) for seed in RANDOM_SEEDS]
    print(f"random weights    {np.mean(told):.3f}  ({' '.join(f'{one:.3f}' for one in told)})")
    print(f"grey pixels       {told_by(by_pixels):.3f}")
    print(f"motion_histogram  {accuracy(np.stack([flow_of(path) for path in paths])):.3f}")


def sampled(path: Path) -> npt.NDArray[np.uint8]:
    """Frames spread evenly over a clip, RGB, of at most 240 px."""
    every = [frame.picture for frame in read_stepped(path, 0.0, FPS)]
    places = np.linspace(0, len(every) - 1, NUM_FRAMES).round().astype(int)
    return np.stack([cv2.resize(every[at], (320, 240))[..., ::-1] for at in places])


def flow_of(path: Path) -> Vectors:
    """The vector of `motion_histogram` of a whole clip, with the project's parameters."""
    settings = parse_section(EmbedClips, read_params(), "embed_clips")
    channel = build_channel("motion_histogram", settings.motion_histogram, "repeat_last")
    (window,) = follow_file(path, [WHOLE], {"motion_histogram": channel}, FPS)
    return np.asarray(window["motion_histogram"].vectors[0], np.float64)


def main() -> None:
    """Prints a line for each kind of features."""
    kind, weights = sys.argv[1], Path(sys.argv[2])
    if kind == "crops":
        compare_crops(weights)
    else:
        compare_clips(weights, Path(sys.argv[3]), sys.argv[4], (*sys.argv[5:], "")[0])


if __name__ == "__main__":
    main()
