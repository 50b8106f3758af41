"""Turns every clip into vectors: what moves in it, or what a network makes of it."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from vigil.domain.clips.embeddings import write_embeddings
from vigil.domain.clips.folders import source_of
from vigil.domain.splits.sides import SIDES, read_side
from vigil.pixels.flow_histogram import FlowHistogram, describe_cpu
from vigil.plumbing.closure import imports_from
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames, Section, Seed, Weight
from vigil.plumbing.progress import progress
from vigil.plumbing.stages import code_fingerprint, run_stage

FLOW_HISTOGRAM = "flow_histogram"
NUM_WORKERS = 2


class Flow(Section):
    num_pairs: Annotated[int, Field(ge=1, le=1000)]
    gap_s: Annotated[float, Field(ge=0.001, le=10)]
    short_side_px: Annotated[int, Field(ge=32, le=1080)]
    num_bins: Annotated[int, Field(ge=2, le=64)]
    num_time_cells: Annotated[int, Field(ge=1, le=64)]
    num_space_cells: Annotated[int, Field(ge=1, le=16)]
    min_speed: Weight


class Params(Section):
    seed: Seed
    backbone: Literal[
        "flow_histogram",
        "r2plus1d_18",
        "slowfast_r50",
        "timesformer",
        "x3d_xs",
        "x3d_s",
        "s3d",
        "mvit_v2_s",
        "swin3d_t",
    ]
    weights: Annotated[str, Field(min_length=1)]
    num_frames: Annotated[int, Field(ge=0, le=1000)]
    slowfast_alpha: Annotated[int, Field(ge=1, le=64)]
    num_windows: Annotated[int, Field(ge=1, le=100)]
    short_clips: Literal["repeat_last", "error"]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    precision: Literal["auto", "32-true", "bf16-true"]
    channels_last: bool
    flow_histogram: Flow


def check_sections(sections: Mapping[str, Any]) -> None:
    """A file of weights must be there before the first stage works."""
    weights = sections["embed_clips"].weights
    if weights not in {"none", "kinetics400"} and not Path(weights).is_file():
        raise InputError(
            "params.yaml: embed_clips.weights: expected none, kinetics400 or a file, "
            f"got {shorten(weights)}"
        )


def main(
    *,
    clips: Path,
    splits: Path,
    embeddings: Path,
    anomalous_classes: FileNames,
    clip_group_pattern: str,
    params: Params,
) -> None:
    rows = [
        {"clip": clip, "split": side}
        for side in SIDES
        for clip in read_side(splits / f"{side}.json")
    ]
    table = pd.DataFrame(rows).sort_values("clip", ignore_index=True)
    table["class"] = table["clip"].str.split("/").str[0]
    table["source"] = [source_of(clip, clip_group_pattern) for clip in table["clip"]]
    table["is_anomalous"] = table["class"].isin(anomalous_classes)
    paths = below(clips, table["clip"])
    embedder: FlowEmbedder | Any
    if params.backbone == FLOW_HISTOGRAM:
        embedder = FlowEmbedder(params)
        untaken = imports_from(
            Path(__file__),
            "vigil.learn.alarm.embedding.embedder",
            "vigil.learn.alarm.embedding.registry",
        )
    else:
        from vigil.learn.alarm.embedding.embedder import NetworkEmbedder
        from vigil.learn.alarm.embedding.registry import imports_of_others

        untaken = imports_of_others(params.backbone)
        untaken |= imports_from(Path(__file__), "vigil.pixels.flow_histogram")
        names = {"seed", "backbone", "weights", "num_frames", "slowfast_alpha", "num_windows"}
        names |= {"short_clips", "batch_size", "precision", "channels_last"}
        embedder = NetworkEmbedder(**params.model_dump(include=names))
    vectors = embed(paths, embedder, code_fingerprint(main, untaken))
    index = table.loc[table.index.repeat(params.num_windows)].reset_index(drop=True)
    index["window"] = np.tile(np.arange(params.num_windows), len(table))
    with whole(embeddings) as folder:
        folder.mkdir()
        write_embeddings(index, vectors, embedder.facts, folder)
    print(f"{len(table)} clips, {len(index)} vectors of {vectors.shape[1]} numbers")


def embed(paths: Sequence[Path], embedder: Any, code: str) -> npt.NDArray[np.float32]:
    """(clips * windows, D): remembered, or embedded and remembered, by the clips' content.

    Args:
        code: the fingerprint of what embeds.
    """
    memo = Memo("embed_clips")
    common = {"code": code, "machine": embedder.machine, **embedder.facts}
    facts = [{"clip": file_digest(path), **common} for path in paths]
    missing = [at for at, own in enumerate(facts) if not memo.holds(own)]
    made = embedder.embed([paths[at] for at in missing])
    for at, vectors in zip(missing, progress(made, "embed", "clip", len(missing)), strict=True):
        memo.recall(facts[at], partial(_save, vectors))
    files = [
        memo.recall(own, partial(_never, path)) for own, path in zip(facts, paths, strict=True)
    ]
    result: npt.NDArray[np.float32] = np.concatenate([np.load(f / "vectors.npy") for f in files])
    memo.prune()
    return result


def _save(vectors: npt.NDArray[np.float32], folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "vectors.npy", vectors)


def _never(path: Path, folder: Path) -> None:
    raise InputError(f"{path}: what was remembered of it is gone; run the stage again")


class FlowEmbedder:
    """Describes clips by their flow, several at a time."""

    def __init__(self, params: Params) -> None:
        self._flow = FlowHistogram(**params.flow_histogram.model_dump())
        self.machine = describe_cpu()
        self._num_windows, self._short_clips = params.num_windows, params.short_clips
        if params.weights != "none":
            raise InputError(
                f"embed_clips.weights: expected none, since {FLOW_HISTOGRAM} has none, "
                f"got {params.weights!r}"
            )
        self.facts = {
            "backbone": FLOW_HISTOGRAM,
            "weights": "none",
            "num_windows": params.num_windows,
            "short_clips": params.short_clips,
            "options": params.flow_histogram.model_dump(),
            "width": self._flow.width,
        }

    def embed(self, paths: Sequence[Path]) -> Iterator[npt.NDArray[np.float32]]:
        """Yields (num_windows, width) for each clip, in order."""
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            yield from pool.map(self._describe, paths)

    def _describe(self, path: Path) -> npt.NDArray[np.float32]:
        return self._flow.describe(path, self._num_windows, self._short_clips)


if __name__ == "__main__":
    run_stage(main)
