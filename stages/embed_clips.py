"""Turns every window into a vector, by its optical flow or by a video network."""

from fractions import Fraction
from pathlib import Path

from vigil.domain.clips.embeddings import write_embeddings
from vigil.domain.clips.windows import read_windows
from vigil.pixels.embedding import Embedder, embed_windows
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.embed_clips import FLOW_HISTOGRAM, EmbedClips


def main(
    *, clips: Path, windows: Path, embeddings: Path, picture_fps: float, settings: EmbedClips
) -> None:
    embedder, code = open_embedder(settings, Fraction(str(picture_fps)))
    table = read_windows(windows)
    vectors = embed_windows(table, clips, embedder, code)
    with whole(embeddings) as folder:
        folder.mkdir()
        write_embeddings(table, vectors, embedder.facts, folder)
    print(f"{len(vectors)} vectors of {vectors.shape[1]} numbers")


def open_embedder(settings: EmbedClips, picture_fps: Fraction) -> tuple[Embedder, str]:
    """The embedder, and the fingerprint of its code; only a network imports torch."""
    if settings.backbone == FLOW_HISTOGRAM:
        from vigil.pixels.flow.embedder import FlowEmbedder

        return FlowEmbedder(settings, picture_fps), code_fingerprint(FlowEmbedder)
    from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
    from vigil.learn.alarm.network.embedding.registry import imports_of_others

    code = code_fingerprint(NetworkEmbedder, imports_of_others(settings.backbone))
    return NetworkEmbedder(settings, picture_fps), code


if __name__ == "__main__":
    run_stage(main)
