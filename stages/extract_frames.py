"""Decodes each listed video once into an archive of JPEG frames."""

from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from vigil.pixels.video.frames import extract_frames
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames, Section
from vigil.plumbing.progress import progress
from vigil.plumbing.stages import code_fingerprint, run_stage


class Params(Section):
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]


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
    memo.prune()


if __name__ == "__main__":
    run_stage(main)
