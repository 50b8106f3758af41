"""Samples on disk for benchmarks that load or train: random crops, stored as by our stages."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
from measure import WORK, log

from vigil.domain.samples.index import LABELS, array_path, write_index

NUM_PER_CLASS = 4153
NUM_VIDEOS = 5
SHAPE = (10, 50, 50)


def make_samples() -> tuple[Path, list[str], Path]:
    """Makes the samples once.

    Returns:
        A folder as `generate_samples` writes it, the ids of the samples, and a folder with a pickle
        for each sample: `<label>/<number>.pkl`.
    """
    arrays, pickles, done = WORK / "samples", WORK / "pickles", WORK / "samples_made"
    num_samples = NUM_PER_CLASS * len(LABELS)
    videos = [f"video_{number % NUM_VIDEOS}.mp4" for number in range(num_samples)]
    ids = [f"{video}/{number // NUM_VIDEOS}" for number, video in enumerate(videos)]
    if done.exists():
        return arrays, ids, pickles
    log(f"samples: {num_samples} of {SHAPE}, made once, as arrays and as pickles")
    rng = np.random.default_rng(0)
    crops = rng.integers(1, 256, (num_samples, *SHAPE), np.uint8)
    arrays.mkdir(parents=True, exist_ok=True)
    for number in range(NUM_VIDEOS):
        np.save(array_path(arrays, videos[number]), crops[number::NUM_VIDEOS])
    labels = [LABELS[number % len(LABELS)] for number in range(num_samples)]
    index = pd.DataFrame({"video": videos, "label": labels, "track": ""})
    index = index.assign(row=np.arange(num_samples) // NUM_VIDEOS, first_frame=0)
    write_index(index.assign(num_frames=SHAPE[0], width_px=20.0, height_px=50.0), arrays)
    for label in LABELS:
        (pickles / label).mkdir(parents=True, exist_ok=True)
    for number, (crop, label) in enumerate(zip(crops, labels, strict=True)):
        with (pickles / label / f"{number:06d}.pkl").open("wb") as file:
            pickle.dump(crop, file)
    done.touch()
    return arrays, ids, pickles
