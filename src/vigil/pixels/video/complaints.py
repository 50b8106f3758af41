"""Reads the log of FFmpeg's libraries: for most codecs, the only sign that a frame is damaged.

A decoder that meets damage conceals it and returns the frame like any other. Only its log reports
the damage. PyAV gives access to that log, but a message can be assigned to a frame only where one
thread decodes. So many threads decode a video first, and FFmpeg's errors are counted. If there were
any, one thread decodes the video again, and its messages are read.

A demuxer that meets damage skips to the next place that it can read. Frames may be missing then,
and the frames that remain are whole. Its log is the only sign of that, too.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import av
import av.logging

from vigil.pixels.video.packets import read_packets

NO_MEMORY = ("Cannot allocate memory", "get_buffer() failed", "alloc() failed", "malloc")
"""Parts of messages that report a lack of memory, not damage."""
HARMLESS = ("unable to decode APP fields", "SEI type ", "Invalid SEI")
"""The beginnings of errors about data that is not part of a picture."""
HARMLESS_IN_CONTAINERS = ("Referenced QT chapter track not found",)
"""The beginnings of demuxers' errors about data that is not part of a video."""
DAMAGE_WARNINGS = ("Skipping invalid undecodable NALU",)
"""The beginnings of warnings that a part of a frame is missing. Other warnings are no damage."""

_one_at_a_time = threading.RLock()

# Repeated messages are kept: else the first message of a video would be lost if it equals the last
# message of another video.
av.logging.set_skip_repeated(False)
av.logging.set_level(av.logging.PANIC)  # prints nothing; errors are counted at any level
logging.getLogger("libav").addHandler(logging.NullHandler())
logging.getLogger("libav").propagate = False


def num_errors_logged() -> int:
    """How many errors FFmpeg's libraries have logged so far, on all videos and all threads."""
    return int(av.logging.get_last_error()[0])


def last_error_after(num_before: int) -> str:
    """The last error that FFmpeg's libraries logged; empty if it is one of the first `num_before`.

    Args:
        num_before: an earlier result of `num_errors_logged`.
    """
    number, last = av.logging.get_last_error()
    return last[2] if last and number > num_before else ""


def is_lack_of_memory(message: str) -> bool:
    """Whether a message reports a lack of memory."""
    return any(part in message for part in NO_MEMORY)


def wait_for_threads(decoder: av.VideoCodecContext) -> None:
    """Waits until a decoder's threads are idle. Call it before the decoder is closed or deleted.

    A thread that logs a message waits for Python's global interpreter lock. PyAV holds that lock
    while it closes a decoder and waits for the decoder's threads. If one of them logs a message
    then, both wait forever.
    """
    with suppress(av.FFmpegError):
        decoder.flush_buffers()


Opened = AbstractContextManager[tuple[av.container.InputContainer, av.VideoStream]]


@dataclass(frozen=True)
class Damage:
    """The damage that FFmpeg's libraries report in a video.

    Attributes:
        frames: the first message about each damaged frame, by frame index in order of presentation.
        container: the demuxer's messages, without repetitions.
    """

    frames: dict[int, str]
    container: list[str]


def find_damage(open_stream: Callable[[], Opened]) -> Damage:
    """Decodes a stream on one thread, and finds what the decoder and the demuxer report as damaged.

    Messages about frames that are never shown, as those before the first keyframe, are left out.

    Args:
        open_stream: opens the file. The demuxer reads the beginning of the file as soon as it is
            opened, and reports damage there only once.

    Raises:
        MemoryError: the decoder had too little memory.
    """
    with _one_at_a_time, av.logging.Capture(local=True) as log:
        av.logging.set_level(av.logging.WARNING)
        try:
            with open_stream() as (container, stream):
                found = _read_log(container, stream, log)
        finally:
            av.logging.set_level(av.logging.PANIC)
    for message in [*found.frames.values(), *found.container]:
        if is_lack_of_memory(message):
            raise MemoryError(message)
    return found


def _read_log(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    log: list[tuple[int, str, str]],
) -> Damage:
    demuxer, decoder = container.format.name, stream.codec_context.name
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    stamps: list[int | None] = []
    reports: list[tuple[int | None, int, str]] = []
    complaints = list(_demuxer_messages(log, demuxer))
    log.clear()
    with suppress(av.FFmpegError):
        for packet in read_packets(container, stream):
            num_before = len(stamps)
            stamps += [frame.pts for frame in packet.decode()]
            if packet.is_corrupt:
                reports.append((packet.pts, num_before, "marked as damaged in its container"))
            reports += [
                (packet.pts, num_before, message) for message in _decoder_messages(log, decoder)
            ]
            complaints += _demuxer_messages(log, demuxer)
            log.clear()
    complaints += _demuxer_messages(log, demuxer)
    first_messages: dict[int, str] = {}
    for frame_index, message in _assign_to_frames(reports, stamps):
        first_messages.setdefault(frame_index, message)
    return Damage(first_messages, list(dict.fromkeys(complaints)))


def _decoder_messages(log: list[tuple[int, str, str]], decoder: str) -> Iterator[str]:
    """The messages of a log of (level, library, text) with which a decoder reports damage."""
    for level, name, text in log:
        message = text.strip()
        is_error = level <= av.logging.ERROR and not message.startswith(HARMLESS)
        if name == decoder and (is_error or message.startswith(DAMAGE_WARNINGS)):
            yield message


def _demuxer_messages(log: list[tuple[int, str, str]], demuxer: str) -> Iterator[str]:
    """The messages of a log of (level, library, text) with which a demuxer reports damage."""
    for level, name, text in log:
        message = text.strip()
        is_error = level <= av.logging.ERROR and not message.startswith(HARMLESS_IN_CONTAINERS)
        if name == demuxer and is_error:
            yield message


def _assign_to_frames(
    reports: list[tuple[int | None, int, str]], stamps: list[int | None]
) -> Iterator[tuple[int, str]]:
    """Yields (frame index, message): the frame that has the time stamp of the report's packet.

    If no frame has that time stamp, the next frame after it is taken. A report on an earlier time
    than that of all frames is left out.

    Args:
        reports: time stamp of the packet, number of frames decoded before it, and message.
        stamps: the time stamp of each frame, in order of presentation.
    """
    known_stamps = [stamp for stamp in stamps if stamp is not None]
    index_of = {stamp: index for index, stamp in enumerate(stamps)}
    last = max(0, len(stamps) - 1)
    for stamp, num_before, message in reports:
        if stamp is None or not known_stamps:
            yield min(num_before, last), message
        elif stamp in index_of:
            yield index_of[stamp], message
        elif stamp > min(known_stamps):
            yield min(sum(other < stamp for other in known_stamps), last), message
