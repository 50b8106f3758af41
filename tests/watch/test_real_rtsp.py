"""A camera as it is: a server of RTSP by GStreamer, which goes away and comes back.

Debian has it as gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad and
python3-gi.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_watch import Notes, watch_of, write_scene

from vigil.watch.live import EVENT_LINES, follow
from vigil.watch.notifying import read_lines
from vigil.watch.reading_live import LiveReader, open_live
from vigil.watch.sources import Camera, find_sources

PYTHON = "/usr/bin/python3"  # PyGObject comes with the system
SERVER = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
elements = [Gst.ElementFactory.find(name) for name in ("qtdemux", "h264parse", "rtph264pay")]
if not all(elements):
    sys.exit(1)
if len(sys.argv) > 1:
    server = GstRtspServer.RTSPServer()
    server.set_service(sys.argv[2])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f"( filesrc location={sys.argv[1]} ! qtdemux ! h264parse config-interval=-1 "
        "! rtph264pay name=pay0 pt=96 )"
    )
    server.get_mount_points().add_factory("/door", factory)
    server.attach(None)
    print("serves", flush=True)
    GLib.MainLoop().run()
"""


def has_server() -> bool:
    try:
        done = subprocess.run([PYTHON, "-c", SERVER], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(not has_server(), reason="no RTSP server of GStreamer here")


class Server:
    def __init__(self, video: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [PYTHON, "-c", SERVER, str(video), str(self.port)]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"serves\n"

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(write_scene(tmp_path / "door.mp4", seconds=9.0, lit=((3.0, 5.0),)))
    yield server
    server.stop()


def source_of(server: Server) -> Camera:
    (source,) = find_sources([f"rtsp://me:secret@127.0.0.1:{server.port}/door"])
    assert isinstance(source, Camera)
    return source


def test_a_stream_is_watched_at_its_own_pace(server: Server, tmp_path: Path) -> None:
    source = source_of(server)
    starts: list[float] = []

    def once() -> Iterator[object]:
        starts.append(time.monotonic())
        return open_live(source) if len(starts) == 1 else iter(())

    reader = LiveReader(once, wait=lambda _: None, num_tries=1)  # type: ignore[arg-type]
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    reader.start()
    follow(reader, watch, tmp_path)
    watch.end()
    watch._notifier.close()
    assert starts[1] - starts[0] > 7, "at its own pace"
    (event,) = read_lines(tmp_path / EVENT_LINES)
    assert event["kind"] == "unusual"
    assert event["end_s"] - event["start_s"] == pytest.approx(3, abs=1)
    assert reader.counts.clock_jumps == 0
    assert watch.status()["watched_s"] == pytest.approx(9, abs=2)
    assert "secret" not in "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))


def test_a_server_that_goes_away_is_said_and_found_again(server: Server) -> None:
    source = source_of(server)
    reader = LiveReader(lambda: open_live(source), keeps_all=True)
    reader.start()
    assert reader.take(20) is not None
    server.stop()
    deadline = time.monotonic() + 30
    while not reader.counts.reconnects and time.monotonic() < deadline:
        reader.take(0.2)
    assert reader.counts.problems
    server.start()
    num_decoded = reader.counts.decoded
    while reader.counts.decoded < num_decoded + 5 and time.monotonic() < deadline + 30:
        reader.take(0.2)
    reader.stop()
    assert reader.counts.decoded >= num_decoded + 5
