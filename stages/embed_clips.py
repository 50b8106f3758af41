"""Measures the evidence in every window: by optical flow, by a video network, or by tracks."""

from fractions import Fraction
from pathlib import Path

from vigil.domain.clips.evidence.embeddings import Embedding, write_embeddings
from vigil.domain.clips.windows import read_windows
from vigil.pixels.channels.objects import measure_all_objects
from vigil.pixels.embedding.remembered import Embedder, describe, embed_windows
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.embed_clips import APPEARANCE, OBJECTS, EmbedClips


def main(
    *,
    clips: Path,
    windows: Path,
    tracks: Path,
    embeddings: Path,
    picture_fps: float,
    settings: EmbedClips,
) -> None:
    table = read_windows(windows)
    embedded, needs_s = dict[str, Embedding](), dict[str, float]()
    for embedder, codes in open_embedders(settings, Fraction(str(picture_fps))):
        embedded |= embed_windows(table, clips, embedder, codes)
        needs_s |= embedder.needs_s
    if OBJECTS in settings.channels:
        embedded[OBJECTS] = measure_all_objects(table, tracks, settings)
    with whole(embeddings) as folder:
        folder.mkdir()
        write_embeddings(embedded, folder)
    for name, channel in embedded.items():
        print(describe(name, channel, needs_s.get(name, 0.0)))


def open_embedders(
    settings: EmbedClips, picture_fps: Fraction
) -> list[tuple[Embedder, dict[str, str]]]:
    """The embedders with the fingerprints of their code; only a network imports torch."""
    embedders: list[tuple[Embedder, dict[str, str]]] = []
    if settings.motion_channels:
        from vigil.pixels.embedding.motion import MotionEmbedder, channel_codes

        embedders.append((MotionEmbedder(settings, picture_fps), channel_codes(settings)))
    if APPEARANCE in settings.channels:
        from vigil.learn.alarm.appearance import AppearanceEmbedder
        from vigil.learn.alarm.network.embedding.registry import imports_of_others

        unused = imports_of_others(settings.appearance.backbone)
        code = code_fingerprint(AppearanceEmbedder, unused)
        embedders.append((AppearanceEmbedder(settings, picture_fps), {APPEARANCE: code}))
    return embedders


if __name__ == "__main__":
    run_stage(main)
