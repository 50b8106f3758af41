"""What is told of the tracks of one video."""

from collections.abc import Sequence
from typing import Any

from vigil.domain.label_studio.interpolation import Clock
from vigil.domain.label_studio.reading import Task
from vigil.domain.tracks import Track, number_tracks
from vigil.domain.video_facts import VideoFacts
from vigil.settings.interpolate_annotations import InterpolateAnnotations


def report_tracks(
    task: Task,
    tracks: Sequence[Track],
    counts: Sequence[dict[str, int]],
    facts: VideoFacts,
    settings: InterpolateAnnotations,
) -> dict[str, Any]:
    """What an annotator wants to check: boxes changed or left out, and tracks that never end.

    Args:
        tracks: of the task, cut to the picture; `counts`: what cutting changed of each.
    """
    ghosts = {
        track.id: track.frames_past_last_keyframe
        for track in tracks
        if track.frames_past_last_keyframe > settings.ghost_frames
    }
    clock = Clock.of(task.annotator_fps, facts.fps, settings.frame_offset)
    last_frame = clock.last_frame(facts.num_frames)
    warnings = [
        *task.warnings,
        *(
            f"region {track.id}: cut off at the last frame, {last_frame}: it has keyframes up to "
            f"frame {track.keyframes_past_end[-1]} ({len(track.keyframes_past_end)} past the end)"
            for track in tracks
            if track.keyframes_past_end
        ),
        *(
            f"region {ghost}: held still for {num_frames} frames after its last keyframe; "
            "was its end forgotten?"
            for ghost, num_frames in ghosts.items()
        ),
        *(f"region {track.id}: on no frame" for track in tracks if len(track.frames) == 0),
    ]
    if facts.is_variable_rate:
        warnings.append("the frame rate varies: frame numbers were mapped by its mean")
    return {
        "annotator_fps": task.annotator_fps,
        "video_fps": float(facts.fps),
        "num_frames": facts.num_frames,
        "num_tracks": len(tracks),
        "num_keyframes": sum(len(region.keyframes) for region in task.regions),
        "keyframes_past_end": sum(len(track.keyframes_past_end) for track in tracks),
        "num_boxes": sum(len(track.frames) for track in tracks),
        "boxes_clipped": sum(count["clipped"] for count in counts),
        "boxes_dropped": sum(count["dropped"] for count in counts),
        "ghost_tracks": ghosts,
        "names_in_pictures": {name: id for id, name in number_tracks(tracks).items()},
        "warnings": warnings,
    }


def summarise(video: str, report: dict[str, Any]) -> str:
    """One line on a video, and one more for each warning."""
    line = (
        f"{video}: {report['num_tracks']} tracks, {report['num_boxes']} boxes on "
        f"{report['num_frames']} frames; {report['boxes_clipped']} clipped, "
        f"{report['boxes_dropped']} dropped"
    )
    return "\n  warning: ".join([line, *report["warnings"]])
