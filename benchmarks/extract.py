"""Frames a second that are extracted from a 720p H.264 video, against ffmpeg.

Both run as whole processes, timed from start to end. A second row excludes the time in which ours
starts Python and imports OpenCV and PyAV, but not the start of ffmpeg (about 0.05 s). JPEGs of a
higher quality need more work, so one row uses the quality whose files are as large as ffmpeg's.
Both store 4:2:0 chroma. Ours writes one archive, ffmpeg one file for each frame.

Measured on a busy 2-core AMD EPYC VM without a GPU, ffmpeg 5.1: 157 frames/s at quality 95 (384 kB
a frame), 161 at quality 90 (253 kB), ffmpeg -q:v 2 71 (248 kB): 2.28x and 1.94x.
"""

import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
from measure import WORK, Row, log, median_ratio, shipped, side_by_side
from walkers import write_video

from vigil.settings.extract_frames import ExtractFrames

NUM_FRAMES = 750
SIZE_WH = (1280, 720)
BIT_RATE = 8_000_000
NUM_ROUNDS = 3
NUM_COMPARED = 30
OURS = """
import sys, time
from pathlib import Path
from vigil.pixels.frames import extract_frames
start = time.perf_counter()
extract_frames(Path(sys.argv[1]), Path(sys.argv[2]), jpeg_quality=int(sys.argv[3]))
print(time.perf_counter() - start)
"""


class Ours:
    """Runs our extraction; stores the time of each run without the start of Python."""

    def __init__(self, video: Path, quality: int) -> None:
        self.archive = WORK / f"ours_{quality}.zip"
        self.inner_s: list[float] = []
        self._command = [sys.executable, "-c", OURS, str(video), str(self.archive), str(quality)]

    def __call__(self) -> float:
        start = time.perf_counter()
        done = subprocess.run(self._command, check=True, capture_output=True, text=True)
        elapsed = time.perf_counter() - start
        self.inner_s.append(float(done.stdout))
        return elapsed

    def mean_bytes(self) -> float:
        with zipfile.ZipFile(self.archive) as file:
            sizes = [e.file_size for e in file.infolist() if e.filename.endswith(".jpg")]
        assert len(sizes) == NUM_FRAMES
        return statistics.mean(sizes)


class FFmpeg:
    """Runs ffmpeg at its highest usual quality."""

    def __init__(self, video: Path) -> None:
        self.folder = WORK / "ffmpeg"
        self._command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(video), "-q:v", "2"]

    def __call__(self) -> float:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        start = time.perf_counter()
        subprocess.run([*self._command, str(self.folder / "%06d.jpg")], check=True)
        return time.perf_counter() - start

    def mean_bytes(self) -> float:
        sizes = [path.stat().st_size for path in self.folder.iterdir()]
        assert len(sizes) == NUM_FRAMES
        return statistics.mean(sizes)


def run() -> list[Row]:
    video = WORK / "surveillance_720p.mp4"
    log(f"extract: {NUM_FRAMES} frames of 720p, made once")
    write_video(video, NUM_FRAMES, SIZE_WH, BIT_RATE)
    quality = shipped(ExtractFrames).jpeg_quality
    if shutil.which("ffmpeg") is None:
        ours = Ours(video, quality)
        fps = NUM_FRAMES / statistics.median(side_by_side([ours], NUM_ROUNDS)[0])
        ours.archive.unlink()
        return [Row(f"extract: quality {quality}", f"{fps:.0f} frames/s", "no ffmpeg in PATH")]
    ffmpeg = FFmpeg(video)
    ffmpeg()
    alike = _quality_of_size(video, ffmpeg.mean_bytes())
    runs = {quality: Ours(video, quality)} | {alike: Ours(video, alike)}
    log(f"extract: {NUM_ROUNDS} rounds at the qualities {list(runs)}, against ffmpeg -q:v 2")
    *ours_s, reference_s = side_by_side([*runs.values(), ffmpeg], NUM_ROUNDS)
    reference = f"{NUM_FRAMES / statistics.median(reference_s):.0f}/s"
    reference += f" at {ffmpeg.mean_bytes() / 1000:.0f} kB"
    rows = []
    for (number, one), whole_s in zip(runs.items(), ours_s, strict=True):
        kilobytes = f"{one.mean_bytes() / 1000:.0f} kB"
        note = "ffmpeg's bytes" if number != quality else "the default"
        times = {"whole process": whole_s, "start left out": one.inner_s[-NUM_ROUNDS:]}
        for name, seconds in times.items():
            ratio = median_ratio(reference_s, seconds)
            rows.append(
                Row(
                    f"extract 720p frames, quality {number} ({note}), {name}",
                    f"{NUM_FRAMES / statistics.median(seconds):.0f}/s at {kilobytes}",
                    reference,
                    ratio,
                    ">= 1.00x",
                    ratio >= 1,
                )
            )
        one.archive.unlink()
    shutil.rmtree(ffmpeg.folder)
    return rows


def _quality_of_size(video: Path, mean_bytes: float) -> int:
    """The quality whose JPEGs have a mean size closest to `mean_bytes`, over some frames."""
    capture = cv2.VideoCapture(str(video))
    pictures = [capture.read()[1] for _ in range(NUM_COMPARED)]

    def difference(quality: int) -> float:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        sizes = [len(cv2.imencode(".jpg", picture, options)[1]) for picture in pictures]
        return abs(float(np.mean(sizes)) - mean_bytes)

    return min(range(80, 101), key=difference)
