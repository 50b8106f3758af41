"""What the pipeline runs, as a process of its own."""

import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY, WORDS, Project

HEAVY = ("torch", "torchvision", "lightning")

WATCHED = """
import runpy, sys
script = sys.argv.pop(1)
sys.argv[0] = script
try:
    runpy.run_path(script, run_name="__main__")
finally:
    loaded = [name for name in {heavy!r} if name in sys.modules]
    print("loaded:", *loaded, file=sys.stderr)
"""


def run(project: Project, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "VIGIL_STATE_DIR"},
    )


def test_light_stages_run_one_after_the_other_without_torch(project: Project) -> None:
    for stage, words in WORDS.items():
        script = str(REPOSITORY / "stages" / f"{stage}.py")
        done = run(project, "-c", WATCHED.format(heavy=HEAVY), script, *words)
        assert (done.returncode, done.stderr) == (0, "loaded:\n"), stage
        assert all(output.exists() for output in project.outputs(stage))


@pytest.mark.parametrize("stage", WORDS)
def test_a_refusal_is_one_line_of_the_process(project: Project, stage: str) -> None:
    project.set_params("split", seed="x")
    done = run(project, str(REPOSITORY / "stages" / f"{stage}.py"), *WORDS[stage])
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.split(": ")[0].split("@")[0] == stage
    assert all(not output.exists() for output in project.outputs(stage))


def test_a_damaged_video_brings_no_line_of_the_decoder(project: Project) -> None:
    video = project.video("door_2.webm")
    video.write_bytes(video.read_bytes()[:-300])
    content = bytearray(project.video("door_1.mp4").read_bytes())
    at = content.index(b"mdat") + 200
    content[at : at + 400] = bytes(400)
    project.video("door_1.mp4").write_bytes(content)
    script = str(REPOSITORY / "stages/extract_frames.py")
    done = run(project, script, *WORDS["extract_frames"])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("extract_frames: scene/videos/door_1.mp4: ")
