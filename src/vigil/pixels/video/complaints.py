"""What FFmpeg's decoders complain of: for most codecs, the only sign that a frame is damaged.

A decoder that meets damage mends what it can and hands the frame out like any other; it says so in
its log alone. PyAV hands that log over. Which frame it is of can be told where one thread decodes,
so: many decode and errors are counted, and where there were any, one decodes again and is listened
to.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress

import av
import av.logging

NO_MEMORY = ("Cannot allocate memory", "get_buffer() failed", "alloc() failed", "malloc")
"""Parts of messages that tell of a lack of memory, and of no damage."""
HARMLESS = ("unable to decode APP fields", "SEI type ", "Invalid SEI")
"""How messages begin that tell of what is no part of a picture."""
TELLING_WARNINGS = ("Skipping invalid undecodable NALU",)
"""How warnings begin after which a frame lacks a part; others tell of what is unusual."""

_one_at_a_time = threading.RLock()

av.logging.set_skip_repeated(
    False
)  # or a video's first words are lost where they were another's last
av.logging.set_level(av.logging.PANIC)  # errors are counted at any level, and nothing is printed
logging.getLogger("libav").addHandler(logging.NullHandler())
logging.getLogger("libav").propagate = False


def num_heard() -> int:
    """How many errors FFmpeg's libraries told of so far, of any video and on any thread."""
    return int(av.logging.get_last_error()[0])


def last_heard(num_before: int) -> str:
    """What they told of last; empty where that is none of what came after the first so many."""
    number, last = av.logging.get_last_error()
    return last[2] if last and number > num_before else ""


def is_of_memory(message: str) -> bool:
    """Whether a message tells of a lack of memory."""
    return any(part in message for part in NO_MEMORY)


def let_go(decoder: av.VideoCodecContext) -> None:
    """Waits for a decoder's threads; call it before the decoder is closed or forgotten.

    To log, they wait for Python's lock. PyAV closes decoders with that lock in its hands and waits
    for their threads: forever, if one of them has something to say.
    """
    with suppress(av.FFmpegError):
        decoder.flush_buffers()


def damaged_frames(
    container: av.container.InputContainer, stream: av.VideoStream
) -> dict[int, str]:
    """Decodes a stream on one thread, and tells what is said of which frame.

    What is said of frames that are never shown, as those before the first keyframe, is left out.

    Returns:
        What was said first, by the frame's number in order of presentation.

    Raises:
        MemoryError: a decoder had too little.
    """
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    shown: list[int | None] = []
    said: list[tuple[int | None, int, str]] = []
    with _one_at_a_time, av.logging.Capture(local=True) as log, suppress(av.FFmpegError):
        av.logging.set_level(av.logging.WARNING)
        try:
            for packet in container.demux(stream):
                num_before = len(shown)
                shown += [frame.pts for frame in packet.decode()]
                if packet.is_corrupt:
                    said.append((packet.pts, num_before, "marked as damaged in its container"))
                said += [
                    (packet.pts, num_before, message)
                    for message in _telling(log, stream.codec_context.name)
                ]
                log.clear()
        finally:
            av.logging.set_level(av.logging.PANIC)
    found: dict[int, str] = {}
    for frame_index, message in _by_frame(said, shown):
        if is_of_memory(message):
            raise MemoryError(message)
        found.setdefault(frame_index, message)
    return found


def _telling(log: list[tuple[int, str, str]], decoder: str) -> Iterator[str]:
    for level, name, text in log:
        message = text.strip()
        is_error = level <= av.logging.ERROR and not message.startswith(HARMLESS)
        if name == decoder and (is_error or message.startswith(TELLING_WARNINGS)):
            yield message


def _by_frame(
    said: list[tuple[int | None, int, str]], shown: list[int | None]
) -> Iterator[tuple[int, str]]:
    """By the time stamp of the packet; where it is that of no frame, by the next one after it."""
    times = [time for time in shown if time is not None]
    index_of = {time: index for index, time in enumerate(shown)}
    last = max(0, len(shown) - 1)
    for time, num_before, message in said:
        if time is None or not times:
            yield min(num_before, last), message
        elif time in index_of:
            yield index_of[time], message
        elif time > min(times):
            yield min(sum(other < time for other in times), last), message
