"""Shows what a network attends to in all named sources, and groups their pictures."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.learn.attention.clusters import NUM_SHOWN, cluster, draw_clusters
from vigil.learn.attention.recording import (
    FRAME_DTYPES,
    FRAMES_FILE,
    VECTORS_FILE,
    AttentionRecorder,
)
from vigil.learn.attention.sources import Source
from vigil.learn.attention.viewer import Viewer
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.records import read_csv, write_csv
from vigil.settings.attend import Attend

INDEX_FILE, CLUSTERS_FILE = "index.csv", "clusters.png"


def show_attention(
    sources: Sequence[Source], folder: Path, settings: Attend, picture_fps: Fraction
) -> None:
    """Writes a folder for each source, the vectors of all pictures, and their clusters.

    Args:
        sources: at least one.
        folder: an existing folder.

    Raises:
        InputError: the network's weights or a source cannot be read.
    """
    recorder = AttentionRecorder(Viewer(settings), settings, picture_fps)
    tables, vectors = [], []
    for source in sources:
        recorder.record(source, folder / source.name)
        table = read_csv(folder / source.name / FRAMES_FILE, FRAME_DTYPES)
        tables.append(table.assign(source=source.name))
        vectors.append(np.load(folder / source.name / VECTORS_FILE))
    recorder.prune()
    index, joined = pd.concat(tables, ignore_index=True), np.concatenate(vectors)
    np.save(folder / VECTORS_FILE, joined)
    columns = ["source", *FRAME_DTYPES]
    if settings.num_clusters:
        clusters, ranks = cluster(joined, settings.num_clusters, settings.seed)
        index, columns = index.assign(cluster=clusters + 1, rank=ranks), [*columns, "cluster"]
        _draw(index, sources, recorder, folder / CLUSTERS_FILE)
    write_csv(index[columns], folder / INDEX_FILE)


def _draw(
    index: pd.DataFrame, sources: Sequence[Source], recorder: AttentionRecorder, file: Path
) -> None:
    """Draws the most typical pictures of each cluster. Args: index: with `cluster` and `rank`."""
    shown = index[index["rank"] < NUM_SHOWN]
    pictures: dict[tuple[str, int], Picture] = {}
    for source in sources:
        wanted = set(shown.loc[shown["source"] == source.name, "frame_index"])
        if not wanted:
            continue
        for frame in recorder.frames(source):
            if frame.index in wanted:
                pictures[source.name, frame.index] = frame.picture
    rows = [
        [pictures[name, number] for name, number in zip(own.source, own.frame_index, strict=True)]
        for _, own in shown.sort_values(["cluster", "rank"]).groupby("cluster")
    ]
    draw_clusters(rows, index.groupby("cluster").size().tolist(), file)
