"""Reads the packets of an open file."""

from collections.abc import Iterator

import av


def read_packets(
    container: av.container.InputContainer, *streams: av.VideoStream
) -> Iterator[av.Packet]:
    """Yields the packets of some streams, or of all streams if none is given.

    A stream that begins after the file was opened is left out. At the end of such a file, PyAV
    raises an IndexError, after it has given the last packets of the streams that were there.
    """
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):
            return
        yield packet
