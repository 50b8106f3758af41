"""What a day of video of 1,000 cameras costs: `python benchmarks/cameras.py [--cameras 1000]`.

The processor time of each step is measured here, on one short video of the given size, as user
seconds of the whole process, without its start. The rest is multiplication. Extraction stores every
frame and is for videos that are annotated; cameras that are only watched for unusual motion need
the step `motion` alone.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import WORK
from walkers import FPS, write_video

DAY_S = 24 * 3600
STEPS = {
    "nothing": "pass",
    "extraction": """
from vigil.pixels.frames import extract_frames
extract_frames(Path(video), Path(out), jpeg_quality=95)
""",
    "motion": """
from fractions import Fraction
from measure import shipped
from vigil.pixels.embedding.remembered import VideoRequest
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.pixels.windows import WHOLE
from vigil.settings.embed_clips import EmbedClips
embedder = MotionEmbedder(shipped(EmbedClips), Fraction(25))
request = VideoRequest(Path(video), [WHOLE], list(embedder.facts))
list(embedder.embed([request]))
""",
}
IMPORTS = """
import sys
from pathlib import Path
import vigil.pixels.frames, vigil.pixels.embedding.motion
video, out = sys.argv[1:3]
"""


def user_s(step: str, video: Path, out: Path) -> float:
    """User seconds of a process that does a step."""
    code = IMPORTS + STEPS[step]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", code, str(video), str(out)],
        check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def dvc_s(num_videos: int) -> dict[str, float]:
    """Seconds of DVC on a folder of so many archives: the first run, and one with nothing to do."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make = (
            "import pathlib; f = pathlib.Path('frames'); f.mkdir(); "
            "[(f / f'{n:04d}.mp4.zip').write_bytes(b'%d' % n * 100) "
            f"for n in range({num_videos})]"
        )
        stage = {"cmd": f'{sys.executable} -c "{make}"', "outs": ["frames"]}
        (folder / "dvc.yaml").write_text(json.dumps({"stages": {"extract": stage}}))
        env = {**os.environ, "DVC_NO_ANALYTICS": "1"}
        dvc = str(Path(sys.executable).with_name("dvc"))
        for words in (["git", "init", "-q"], [dvc, "init", "-q"]):
            subprocess.run(words, cwd=folder, env=env, check=True)
        times = {}
        for name in ("first run", "nothing to do"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([dvc, "repro", "-q"], cwd=folder, env=env, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times[name] = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=150, help="of the video that is measured")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("W", "H"))
    parser.add_argument(
        "--bit-rate", type=int, default=2_000_000, help="of a camera, bits a second"
    )
    words = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    width, height = words.size
    video = WORK / f"camera_{width}x{height}_{words.frames}_{words.bit_rate}.mp4"
    write_video(video, words.frames, (width, height), words.bit_rate)
    out = WORK / "camera.zip"
    start_s = user_s("nothing", video, out)
    days = words.cameras * DAY_S
    print(f"{words.cameras} cameras of {width}x{height}, {FPS} frames a second, one day")
    for step in ("extraction", "motion"):
        second = (user_s(step, video, out) - start_s) / (words.frames / FPS)
        hours = second * days / 3600
        print(
            f"{step}: {second:.3f} s of one core for a second of video, {hours:,.0f} core hours, "
            f"{hours / 24:,.0f} cores all day"
        )
    frame_bytes = out.stat().st_size / words.frames
    print(f"archives of frames: {frame_bytes / 1e3:.0f} kB a frame, "
          f"{frame_bytes * FPS * days / 1e12:,.0f} TB")  # fmt: skip
    video_bytes = words.bit_rate / 8
    print(f"videos: {video_bytes * days / 1e12:,.1f} TB, from a shared folder or over the network "
          f"{video_bytes * 8 * words.cameras / 1e9:.1f} Gbit a second")  # fmt: skip
    times = dvc_s(words.cameras)
    for name, taken in times.items():
        print(f"DVC, one archive a camera, {name}: {taken:.1f} s of one core")


if __name__ == "__main__":
    main()
