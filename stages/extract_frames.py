"""Decodes each listed video once into an archive of JPEG frames."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vigil.pixels.video.frames import FrameArchive, extract_frames
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames, Section
from vigil.plumbing.progress import progress
from vigil.plumbing.stages import code_fingerprint, run_stage


class Params(Section):
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    damaged_frames: Literal["error", "keep"]


def main(*, video_folder: Path, frames: Path, videos: FileNames, params: Params) -> None:
    missing = [video for video in videos if not (video_folder / video).is_file()]
    if missing:
        raise InputError(f"{video_folder}: expected the listed videos, found no {missing[0]}")
    memo, code = Memo("extract_frames"), code_fingerprint(main)
    with whole(frames) as folder:
        folder.mkdir()
        for video in progress(videos, "extract frames", "video"):
            source = video_folder / video
            facts = {
                "code": code,
                "video": file_digest(source),
                "suffix": source.suffix,
                "params": params.model_dump(),
            }
            make = partial(extract_frames, source, **params.model_dump())
            memo.fetch(facts, make, folder / f"{video}.zip")
            warn_of_damage(folder / f"{video}.zip")
    memo.prune()


def warn_of_damage(archive: Path) -> None:
    """Names frames that are kept though damaged."""
    with FrameArchive(archive) as frames:
        if damaged := frames.facts.damaged_frames:
            print(
                f"{archive.stem}: warning: {len(damaged)} of {len(frames)} frames are damaged, and "
                f"those that build on them: {', '.join(map(str, damaged[:20]))}"
                f"{', …' if len(damaged) > 20 else ''}"
            )


if __name__ == "__main__":
    run_stage(main)
