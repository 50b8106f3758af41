"""Lists the windows of clips and videos for the alarm, with the label and source of each."""

from fractions import Fraction
from pathlib import Path

from vigil.domain.clips.truth import write_truth
from vigil.domain.clips.windows import write_windows
from vigil.pixels.importing.clips.windows import (
    describe,
    import_class_folders,
    import_frame_labelled,
    list_videos,
)
from vigil.plumbing.errors import counted
from vigil.plumbing.folders import below
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames
from vigil.plumbing.runner import run_stage
from vigil.settings.import_clips import ImportClips


def main(
    *,
    clips: Path,
    windows: Path,
    anomalous_classes: FileNames,
    clip_labels: str,
    clip_group_pattern: str,
    picture_fps: float,
    settings: ImportClips,
) -> None:
    fps, notes = Fraction(str(picture_fps)), list[str]()
    if clip_labels:
        (labels,) = below(clips, [clip_labels])
        videos, notes = list_videos(clips, labels)
        imported = import_frame_labelled(
            clips, labels, videos, settings, group_pattern=clip_group_pattern, picture_fps=fps
        )
    else:
        imported = import_class_folders(
            clips,
            settings,
            anomalous_classes=anomalous_classes,
            group_pattern=clip_group_pattern,
            picture_fps=fps,
        )
    for line in describe(imported, clips, notes):
        print(line)
    with whole(windows) as folder:
        folder.mkdir()
        write_windows(imported.windows, folder)
        write_truth(imported.frames, imported.regions, folder)
    table, counts = imported.windows, imported.windows["class"].value_counts().to_dict()
    found = counted(table["video"].nunique(), "video"), counted(len(table), "window")
    print(f"{', '.join(found)}: {counts}")


if __name__ == "__main__":
    run_stage(main)
