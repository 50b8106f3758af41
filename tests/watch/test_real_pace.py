"""A process watches a stream at its own pace: a stall, breaks, a kill in an event, a restart."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_streams import PACKET, StreamServer, StreamVisit, serving
from tiny_watch import write_scene

from vigil.watch.live import EVENT_LINES, RUNS, STATUS
from vigil.watch.notifying import NOTIFIED, read_lines

SECONDS, LIT_S = 9.0, (3.0, 5.0)
STALL_S, SIGNAL_GAP_S = 2.5, 1.0
PROCESS = """
import sys
from pathlib import Path
from tiny_watch import models, watching
from vigil.plumbing.interruptions import interruptible
from vigil.watch.live import watch_live
from vigil.watch.sources import Camera
settings = watching(**{"raising.signal_gap_s": float(sys.argv[2]), "raising.cooldown_s": 0.0})
try:
    with interruptible():
        watch_live(Camera("door", sys.argv[1]), Path(), models, settings, ["file:told.jsonl"])
except KeyboardInterrupt:
    print("stopped")
"""


class AtItsPace(StreamVisit):
    """Sends a recording at its own pace. The first visit stalls near the end; all break off."""

    def send(self, content: bytes) -> None:
        stalls = self.server.visits == 1
        start, late_s = time.monotonic(), 0.0
        for at in range(0, len(content), PACKET):
            due_s = at / len(content) * SECONDS
            if stalls and due_s > 0.8 * SECONDS:
                late_s, stalls = STALL_S, False
            time.sleep(max(0.0, due_s + late_s - (time.monotonic() - start)))
            try:
                self.wfile.write(content[at : at + PACKET])
            except OSError:  # the process was killed
                return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StreamServer]:
    recording = write_scene(tmp_path / "door.ts", seconds=SECONDS, lit=(LIT_S,))
    with serving(AtItsPace, recording.read_bytes()) as server:
        yield server


def start(server: StreamServer, folder: Path) -> "subprocess.Popen[str]":
    tests = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, server.address("door.ts"),
         str(SIGNAL_GAP_S)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def wait_for(file: Path, num_unusual: int, process: "subprocess.Popen[str]") -> list[Any]:
    """The lines of a file, once so many of them are of unusual activity."""
    for _ in range(1200):
        lines = read_lines(file)
        if kinds_of(lines).count("unusual") >= num_unusual:
            return lines
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"expected {num_unusual} unusual, got {lines} {process.communicate()}")


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds, for some seconds at most."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.02)


def kinds_of(lines: list[Any]) -> list[str]:
    return [line["kind"] for line in lines]


def test_a_stall_breaks_a_kill_and_a_restart(server: StreamServer, tmp_path: Path) -> None:
    folder, told = tmp_path / "door", tmp_path / "told.jsonl"
    # An event, then the stall. The stream breaks off and begins anew; its event is killed.
    first = start(server, tmp_path)
    messages = wait_for(told, 2, first)
    until(lambda: len(list(folder.glob("*/.*.part.mp4"))) == 2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = sorted(read_lines(folder / EVENT_LINES), key=lambda line: float(line["start_s"]))
    (unusual,) = [line for line in kept if line["kind"] == "unusual"]  # the other one is open
    lost = [line for line in kept if line["start_s"] > unusual["end_s"]]
    # A slow machine may see a loss that is over before it is told.
    assert {line["id"] for line in messages} <= {line["id"] for line in (*kept, messages[-1])}
    assert unusual["id"] in {line["id"] for line in messages}
    lit_s = LIT_S[1] - LIT_S[0]
    assert unusual["end_s"] - unusual["start_s"] == pytest.approx(lit_s, abs=1.5)
    assert lost[0]["end_s"] - lost[0]["start_s"] == pytest.approx(STALL_S, abs=1.4)
    assert lost[0]["suppressed"] == "the frames came later"
    abandoned = {path.name for path in folder.glob("*/.*.part.mp4")}
    assert abandoned == {f".{messages[-1]['id']}.part.mp4"}
    # As if the last message had not arrived before the kill.
    marks = (folder / NOTIFIED).read_text().splitlines(keepends=True)
    (folder / NOTIFIED).write_text("".join(marks[:-1]))

    second = start(server, tmp_path)
    again = wait_for(told, 4, second)[len(messages) :]
    second.send_signal(signal.SIGTERM)
    output, errors = second.communicate(timeout=60)
    assert (second.returncode, output, errors) == (
        0,
        "door: watched until it is stopped\nstopped\n",
        "",
    )
    assert again[0]["id"] == messages[-1]["id"], "sent again by the second run"
    of_second = [line["id"] for line in read_lines(told)[len(messages) + 1 :]]
    assert of_second
    assert not set(of_second) & {message["id"] for message in messages}
    later = read_lines(folder / EVENT_LINES)[len(kept) :]
    assert set(of_second) <= {line["id"] for line in later}, "open events are kept at the end"
    runs = read_lines(folder / RUNS)
    assert [run["run"] for run in runs] == [unusual["run"], later[0]["run"]]
    assert runs[0]["settings"]["raising"]["signal_gap_s"] == SIGNAL_GAP_S
    assert runs[0]["source"] == "door"
    status = json.loads((folder / STATUS).read_text())
    assert status["dropped_frames"] + 10 < status["decoded_frames"]
    whole = [line for line in (unusual, *later) if line["kind"] == "unusual"]
    for place in ("events", "clips"):
        films = {path.name for path in (folder / place).glob("*.mp4")}
        assert films == {f"{line['id']}.mp4" for line in whole}
    assert not abandoned & {path.name for path in folder.glob("*/.*")}
