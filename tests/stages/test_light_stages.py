"""What the pipeline runs, as a process of its own."""

import pytest
from conftest import REPOSITORY, WORDS, Project, run_python, run_watched, title_of


def test_light_stages_run_one_after_the_other_without_torch(project: Project) -> None:
    for stage in WORDS:
        done = run_watched(project, stage)
        assert (done.returncode, done.stderr) == (0, "loaded:\n"), stage
        assert all(output.exists() for output in project.outputs(stage))


@pytest.mark.parametrize("stage", WORDS)
def test_a_refusal_is_one_line_of_the_process(project: Project, stage: str) -> None:
    project.set_params("split", seed="x")
    done = run_python(project, str(REPOSITORY / "stages" / f"{stage}.py"), *WORDS[stage])
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.split(": ")[0] == title_of(stage)
    assert all(not output.exists() for output in project.outputs(stage))


def test_a_damaged_video_brings_no_line_of_the_decoder(project: Project) -> None:
    video = project.video("door_2.webm")
    video.write_bytes(video.read_bytes()[:-300])
    content = bytearray(project.video("door_1.mp4").read_bytes())
    at = content.index(b"mdat") + 200
    content[at : at + 400] = bytes(400)
    project.video("door_1.mp4").write_bytes(content)
    script = str(REPOSITORY / "stages/extract_frames.py")
    done = run_python(project, script, *WORDS["extract_frames"])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("extract_frames: scene/videos/door_1.mp4: ")
