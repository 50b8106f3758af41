"""Makes pseudo-anomalous clips, with a cache by the content of the clips they are made from."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vigil.pixels.pseudo_anomalies.bodies import (
    background_of,
    busiest_patch,
    moving_masks,
    travels,
)
from vigil.pixels.pseudo_anomalies.footage import Footage, read_parts, write_lossless
from vigil.pixels.pseudo_anomalies.free_places import Map, free_corner, join_maps, map_motion
from vigil.pixels.pseudo_anomalies.kinds import KINDS, MAKERS, KindName, Scene
from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.progress import progress
from vigil.plumbing.state import fingerprint, project_state_folder

MEMO, MAPS_MEMO = "pseudo_anomalies", "motion_maps"
VIDEO = "clip.nut"
MAP = "moves.npy"
LEAST_FRAMES = 4
"""The least number of frames of a clip from which a faster or slower clip can be made."""


class Part(NamedTuple):
    """A part of a video that shows allowed behaviour.

    Attributes:
        video: its path below the folder of clips.
        digest: the SHA-256 of the video.
        window: the frames.
    """

    video: str
    digest: str
    window: Window


class PseudoClip(NamedTuple):
    """A pseudo-anomalous clip on disk.

    Attributes:
        part: what it was made from.
        video: its path below the state folder of the project.
        digest: the SHA-256 of the file.
    """

    part: Part
    kind: KindName
    video: str
    digest: str


def map_training(parts: Sequence[Part], clips: Path, picture_fps: Fraction) -> Map:
    """Where something moves in at least one part, by parts of the picture.

    Args:
        parts: sorted by time within each video; they do not overlap.
        clips: the folder of the videos.

    Raises:
        InputError: a video cannot be read.
    """
    memo, code = Memo(MAPS_MEMO), code_fingerprint(map_motion)
    maps = []
    for own in progress(list(_by_video(parts)), "map motion", "video"):
        path = below(clips, [own[0].video])[0]
        facts = {
            "clip": own[0].digest,
            "windows": [list(map(str, part.window)) for part in own],
            "picture_fps": str(picture_fps),
            "code": code,
        }
        made = memo.recall(facts, partial(_write_map, path, own, picture_fps))
        maps.append(np.load(made / MAP))
    memo.prune()
    return join_maps(maps)


def make_pseudo_clips(
    parts: Sequence[Part], clips: Path, moves: Map, seed: int, picture_fps: Fraction
) -> list[PseudoClip]:
    """Makes one clip of each kind from each part, as far as the kind can be made from it.

    Nothing can be made from a part in which nothing moves.

    Args:
        parts: sorted by time within each video; they do not overlap.
        clips: the folder of the videos, in which nothing is written.
        moves: where training clips move.
        seed: the seed of the place of pasted people.

    Raises:
        InputError: a video cannot be read, or a part is too short.
    """
    memo, code = Memo(MEMO), code_fingerprint(make_pseudo_clips)
    shared = {"code": code, "picture_fps": str(picture_fps)}
    placing = {"moves": fingerprint({"moves": moves.tolist()}), "seed": seed}
    made: list[PseudoClip] = []
    for own in progress(list(_by_video(parts)), "make pseudo-anomalies", "video"):
        path = below(clips, [own[0].video])[0]
        facts: list[dict[KindName, dict[str, Any]]] = [
            {
                kind: {
                    **shared,
                    **(placing if kind == "pasted" else {}),
                    "clip": part.digest,
                    "window": list(map(str, part.window)),
                    "kind": kind,
                }
                for kind in KINDS
            }
            for part in own
        ]
        waiting = [at for at, keys in enumerate(facts) if not all(map(memo.holds, keys.values()))]
        read = read_parts(path, [own[at].window for at in waiting], picture_fps)
        for at, footage in zip(waiting, read, strict=True):
            _check_length(footage, own[at])
            scene = _open_scene(
                footage, moves, np.random.default_rng([seed, *own[at].digest.encode()])
            )
            for kind, key in facts[at].items():
                memo.recall(key, partial(_write, scene, kind))
        for part, keys in zip(own, facts, strict=True):
            made += _list(memo, part, keys)
    return made


def prune_pseudo_clips() -> None:
    """Forgets the oldest clips where there are too many, after those of this run were used."""
    Memo(MEMO).prune()


def _by_video(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts of each video, in the order of the videos."""
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.video, []).append(part)
    yield from groups.values()


def _write_map(path: Path, parts: Sequence[Part], picture_fps: Fraction, folder: Path) -> None:
    found = [
        map_motion(moving_masks(footage.frames, background_of(footage.frames)))
        for footage in read_parts(path, [part.window for part in parts], picture_fps)
    ]
    folder.mkdir()
    np.save(folder / MAP, join_maps(found))


def _check_length(footage: Footage, part: Part) -> None:
    if (num := len(footage.frames)) < LEAST_FRAMES:
        raise InputError(
            f"{part.video}: expected clips of at least {LEAST_FRAMES} frames to make "
            f"pseudo-anomalies from, got {num}"
        )


def _open_scene(footage: Footage, moves: Map, rng: np.random.Generator) -> Scene | None:
    """What moves in a clip, and where a body that travels would be alone; None: nothing moves."""
    masks = moving_masks(footage.frames, background_of(footage.frames))
    patch = busiest_patch(footage, masks)
    if patch is None:
        return None
    free = free_corner(masks, patch, moves, rng) if travels(masks, patch) else None
    return Scene(footage, patch, masks, free)


def _write(scene: Scene | None, kind: KindName, folder: Path) -> None:
    """Writes the clip into a folder, which stays empty if there is none."""
    folder.mkdir()
    footage = MAKERS[kind](scene) if scene else None
    if footage is None:
        (folder / "none").touch()
    else:
        write_lossless(footage, folder / VIDEO)


def _list(
    memo: Memo, part: Part, keys: Mapping[KindName, Mapping[str, Any]]
) -> Iterator[PseudoClip]:
    for kind, key in keys.items():
        file = memo.recall(key, partial(_never, part)) / VIDEO
        if file.exists():
            name = file.relative_to(project_state_folder()).as_posix()
            yield PseudoClip(part, kind, name, file_digest(file))


def _never(part: Part, folder: Path) -> None:
    raise InputError(f"{part.video}: what was made from it is gone; run the command again")
