"""`vigil serve` as a process of its own: asked over HTTP, and by a real Label Studio.

Where the server comes from: see `label_studio_server.py`.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest
from conftest import REPOSITORY
from label_studio_server import NEEDS_SERVER, free_port, label_studio
from tiny_watch import scene_picture, write_scene

from vigil.domain.proposals import label_config

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytestmark = pytest.mark.slow
STARTS_WITHIN_S = 120
TOKEN = "0123456789abcdef"
NAME = "door one.mp4"
SERVE = """
import sys
sys.path.insert(0, sys.argv[1])
from tiny_watch import models
from vigil.__main__ import main
from vigil.watch.models import ModelFiles
ModelFiles.digests = lambda self: {"detector.safetensors": "0" * 64}
ModelFiles.load = lambda self, device: models()
main(sys.argv[2:])
"""
"""`vigil serve` with the exact models of `tiny_watch` in place of files."""


class Served:
    """A server that answers at an address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, body: bytes | None = None, token: str = TOKEN) -> tuple[int, Any]:
        """The status and the content of the answer; with a body, it is a POST."""
        request = urllib.request.Request(f"{self.address}{path}", body)
        request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """`vigil serve` in a project with one video."""
    (folder / "videos").mkdir()
    write_scene(folder / "videos" / NAME)
    (folder / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    (folder / "token").write_text(TOKEN)
    port = free_port()
    words = ["serve", "--videos", "videos", "--port", str(port), "--token-file", "token"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "VIGIL_STATE_DIR": str(folder / "state"),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(REPOSITORY / "tests"), *words],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    served = Served(f"http://127.0.0.1:{port}")
    try:
        wait_for(served, process, folder / "log")
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(served: Served, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            served.ask("/health")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"no answer of vigil serve: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("served")) as started:
        yield started


def task(video: str = f"/data/local-files/?d=cams/{NAME}", fps: float = 10.0) -> Any:
    return {"id": 1, "data": {"video": video.replace(" ", "%20"), "fps": fps}}


def asked(*tasks: Any) -> bytes:
    return json.dumps({"tasks": tasks}).encode()


def test_every_request_is_answered_over_http(served: Served) -> None:
    status, health = served.ask("/health")
    assert (status, health["status"]) == (200, "UP")
    version = health["model_version"]
    assert served.ask("/setup", b"{}") == (200, {"model_version": version})
    assert served.ask("/webhook", b'{"action": "ANNOTATION_CREATED"}')[0] == 201
    status, answer = served.ask("/predict", asked(task()))
    assert status == 200
    (prediction,) = answer["results"]
    assert prediction["model_version"] == version
    assert {one["type"] for one in prediction["result"]} == {"videorectangle", "timelinelabels"}
    png = cv2.imencode(".png", scene_picture(0)[..., ::-1])[1].tobytes()
    status, found = served.ask("/detect", png)
    assert (status, found["width"], found["height"]) == (200, 96, 72)
    assert [80.0, 30.0, 88.0, 60.0] in [box["box_xyxy"] for box in found["boxes"]]


def test_refusals_are_answers_and_the_server_goes_on(served: Served) -> None:
    assert served.ask("/health", token="wrong")[0] == 401
    assert served.ask("/predict", asked(task("../secret.mp4")))[0] == 422
    assert served.ask("/predict", b"nonsense")[0] == 422
    assert served.ask("/detect", b"nonsense")[0] == 422
    assert served.ask("/nothing")[0] == 404
    assert served.ask("/health")[0] == 200


@NEEDS_SERVER
def test_label_studio_gets_predictions_and_shows_them(served: Served, tmp_path: Path) -> None:
    with label_studio(tmp_path) as studio:
        config = label_config(["human"])
        project = studio.ask("/api/projects", {"title": "door", "label_config": config})["id"]
        data = [task()["data"], task(fps=10.0)["data"]]
        studio.ask(f"/api/projects/{project}/import", [{"data": one} for one in data])
        backend = {"url": served.address, "project": project, "title": "vigil"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            studio.ask("/api/ml", backend)
        assert "authentication parameters were" in refused.value.read().decode()
        login = {"auth_method": "BASIC_AUTH", "basic_auth_user": "vigil", "basic_auth_pass": TOKEN}
        added = studio.ask("/api/ml", backend | login)
        assert added["readable_state"] == "Connected"
        version = served.ask("/health")[1]["model_version"]
        query = f"id=retrieve_tasks_predictions&project={project}"
        every = {"selectedItems": {"all": True, "excluded": []}}
        told = studio.ask(f"/api/dm/actions?{query}", every)
        assert told["processed_items"] == 2
        expected = served.ask("/predict", asked(task()))[1]["results"][0]
        tasks = studio.ask(f"/api/tasks?project={project}&fields=all")["tasks"]
        assert len(tasks) == 2
        for one in tasks:
            (shown,) = studio.ask(f"/api/tasks/{one['id']}")["predictions"]
            assert shown["model_version"] == version
            assert shown["score"] == pytest.approx(expected["score"])
            assert shown["result"] == expected["result"]
