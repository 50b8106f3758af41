"""The report on the tracks of one video."""

from collections.abc import Sequence
from typing import Any

from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.rate import Rate
from vigil.domain.label_studio.tasks import Task
from vigil.domain.tracks import Track, number_tracks
from vigil.domain.video_facts import VideoFacts
from vigil.settings.interpolate_annotations import InterpolateAnnotations


def report_tracks(
    task: Task,
    tracks: Sequence[Track],
    counts: Sequence[dict[str, int]],
    facts: VideoFacts,
    rate: Rate,
    clock: Clock,
    settings: InterpolateAnnotations,
) -> dict[str, Any]:
    """Facts for an annotator to check: boxes changed or left out, and tracks that never end.

    Args:
        tracks: the tracks of the task, clipped to the picture.
        counts: of each track, how many boxes were `clipped` and `dropped`.
        rate: the frame rate by which the frames of the task are numbered.
        clock: made with this rate.
    """
    ghosts = {
        track.id: track.frames_past_last_keyframe
        for track in tracks
        if track.frames_past_last_keyframe > settings.ghost_frames
    }
    warnings = [
        *task.warnings,
        *rate.warnings,
        *_stamp_warnings(facts),
        *(
            f"region {track.id}: keyframes up to frame {track.keyframes_past_end[-1]} "
            f"({len(track.keyframes_past_end)} past the end) mean the last frame, "
            f"{clock.last_frame()}"
            for track in tracks
            if track.keyframes_past_end
        ),
        *(
            f"region {ghost}: its box stays for {num_frames} frames after its last keyframe; "
            "did the annotator forget to end it?"
            for ghost, num_frames in ghosts.items()
        ),
        *(f"region {track.id}: on no frame" for track in tracks if len(track.frames) == 0),
    ]
    return {
        "annotations_counted": list(task.counted),
        "annotator_fps": rate.fps,
        "annotator_fps_by": rate.source,
        "annotator_fps_witnesses": rate.witnesses,
        "video_fps": float(facts.fps),
        "video_first_frame_s": float(facts.shown_s()[0]),
        "num_frames": facts.num_frames,
        "num_tracks": len(tracks),
        "num_keyframes": sum(len(region.keyframes) for region in task.regions),
        "keyframes_past_end": sum(len(track.keyframes_past_end) for track in tracks),
        "num_boxes": sum(len(track.frames) for track in tracks),
        "boxes_clipped": sum(count["clipped"] for count in counts),
        "boxes_dropped": sum(count["dropped"] for count in counts),
        "ghost_tracks": ghosts,
        "names_in_pictures": {name: id for id, name in number_tracks(tracks).items()},
        "read_otherwise": {name: number for name, number in task.counts.items() if number},
        "warnings": warnings,
    }


def _stamp_warnings(facts: VideoFacts) -> list[str]:
    """Warnings about time stamps that make the frame numbers uncertain."""
    warnings = []
    shown_s = facts.shown_s()
    if facts.stamps is None:
        return ["the video has no time stamps: its frames are taken as evenly spaced"]
    if abs(shown_s[0]) > 0.0005:
        warnings.append(
            f"the first frame is shown at {shown_s[0]:.3f} s: frame numbers were counted from 0 s, "
            "as in Chrome and Edge; Firefox counts from the first frame"
        )
    if facts.num_hidden:
        warnings.append(
            f"the file hides {facts.num_hidden} frames from players: frame numbers were counted "
            "without them, as in Chrome and Edge; Firefox shows and counts them"
        )
    if num_back := int((shown_s[1:] < shown_s[:-1]).sum()):
        warnings.append(
            f"the time stamps go back {num_back} times: a frame with a smaller time stamp than an "
            "earlier frame is taken as shown together with it"
        )
    return warnings


def summarise(video: str, report: dict[str, Any]) -> str:
    """A text with one line for the video and one for each warning."""
    line = (
        f"{video}: {report['num_tracks']} tracks, {report['num_boxes']} boxes on "
        f"{report['num_frames']} frames; {report['boxes_clipped']} clipped, "
        f"{report['boxes_dropped']} dropped"
    )
    return "\n  warning: ".join([line, *report["warnings"]])
