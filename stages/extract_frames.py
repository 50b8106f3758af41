"""Decodes each listed video once into an archive of JPEG frames."""

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from vigil.pixels.frames import extract_frames, warn_of_problems
from vigil.pixels.numbering import warn_of_starts
from vigil.plumbing.errors import InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, Request, tree_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames
from vigil.plumbing.runner import run_stage
from vigil.settings.extract_frames import ExtractFrames


def main(
    *,
    video_folder: Path,
    frames: Path,
    videos: FileNames,
    picture_fps: float,
    settings: ExtractFrames,
) -> None:
    missing = [video for video in videos if not (video_folder / video).exists()]
    if missing:
        raise InputError(f"{video_folder}: expected the listed videos, found no {missing[0]}")
    memo, code = Memo("frames"), code_fingerprint(extract_frames)
    requests = []
    for video in videos:
        source = video_folder / video
        facts: dict[str, Any] = {
            "code": code,
            "video": tree_digest(source),
            "suffix": source.suffix,
            "params": settings.model_dump(),
        }
        options = {**settings.model_dump(), "picture_fps": Fraction(str(picture_fps))}
        if source.is_dir():
            facts["picture_fps"] = picture_fps
        requests.append(Request(facts, partial(extract_frames, source, **options), video))
    with whole(frames) as folder:
        folder.mkdir()
        memo.make_missing(requests, "extract frames", "video")
        for request in requests:
            archive = folder / f"{request.name}.zip"
            memo.fetch(request.facts, request.make, archive)
            for warning in warn_of_problems(archive):
                print(warning)
    for warning in warn_of_starts(video_folder, videos):
        print(warning)
    memo.prune()


if __name__ == "__main__":
    run_stage(main)
