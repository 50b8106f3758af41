"""Trained models over HTTP: what Label Studio asks, pictures, tokens and refusals."""

import json
from base64 import b64encode
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_watch import FPS, models, scene_picture, watching, write_scene

from vigil.domain.detections import Detections
from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.plumbing.errors import InputError
from vigil.watch import serving
from vigil.watch.backend import Backend
from vigil.watch.recording import Recorder
from vigil.watch.serving import build_app, read_token, serve

testclient = pytest.importorskip("fastapi.testclient", reason="the extra serve is not installed")
DIGESTS = {"detector.safetensors": "0" * 64}
TOKEN = "0123456789abcdef"


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "videos").mkdir()
    write_scene(tmp_path / "videos" / "door one.mp4")
    (tmp_path / "secret.mp4").write_bytes(b"not for requests")
    settings = watching()
    recorder = Recorder(DIGESTS, models, settings, Fraction(FPS))
    return Backend(tmp_path / "videos", recorder, models, DIGESTS, settings)


def client(backend: Backend, token: str | None = None) -> Any:
    return testclient.TestClient(build_app(backend, token))


def task(video: str = "/data/local-files/?d=cams/door%20one.mp4", fps: Any = 10.0) -> Any:
    return {"id": 7, "data": {"video": video, "fps": fps}}


def test_label_studio_gets_health_version_and_predictions(backend: Backend) -> None:
    asks = client(backend)
    assert asks.get("/health").json()["status"] == "UP"
    version = asks.post("/setup", json={"project": "1.0"}).json()["model_version"]
    assert version == backend.version
    assert asks.post("/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 201
    answer = asks.post("/predict", json={"tasks": [task(), task()], "label_config": "<View/>"})
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert first == second
    assert first["model_version"] == version
    assert [one["type"] for one in first["result"]] == ["videorectangle", "timelinelabels"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (task("/data/local-files/?d=../secret.mp4"), "found none"),
        (task("../secret.mp4"), "found none"),
        (task("/data/upload/1/other.mp4"), "found none"),
        (task(fps=24), "expected data.fps 10 and a <Video> tag"),
        (task(fps=None), "expected data.fps 10"),
        ({"id": 1}, "expected a task with data.video"),
        ("x", "expected a task with data.video"),
    ],
)
def test_a_task_that_cannot_be_predicted_is_refused(
    backend: Backend, wrong: Any, message: str
) -> None:
    answer = client(backend).post("/predict", json={"tasks": [wrong]})
    assert answer.status_code == 422
    assert message in answer.json()["error"]


@pytest.mark.parametrize("fps", ["NaN", "Infinity", "-Infinity", "1" + 400 * "0", "true", '"10"'])
def test_a_rate_that_is_no_rate_is_refused(backend: Backend, fps: str) -> None:
    """Python reads numbers that JSON does not have, and whole numbers of any size."""
    body = json.dumps({"tasks": [task(fps="rate")]}).replace('"rate"', fps)
    answer = client(backend).post("/predict", content=body)
    assert answer.status_code == 422
    assert "expected data.fps 10 and a <Video> tag" in answer.json()["error"]


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused_at_once(tmp_path: Path, port: int) -> None:
    with pytest.raises(InputError, match=rf"--port: expected a number from 0 to 65535, got {port}"):
        serve(tmp_path, None, "127.0.0.1", port, None)


def test_what_is_no_list_of_tasks_is_refused(backend: Backend) -> None:
    asks = client(backend)
    assert asks.post("/predict", content=b"[" * 100_000).status_code == 422
    assert asks.post("/predict", content=b"\xff{").status_code == 422
    assert asks.post("/predict", json=[1]).status_code == 422


def test_boxes_in_a_picture(backend: Backend) -> None:
    _, png = cv2.imencode(".png", scene_picture(0)[..., ::-1])
    answer = client(backend).post("/detect", content=png.tobytes())
    content = answer.json()
    assert (content["width"], content["height"]) == (96, 72)
    assert [80.0, 30.0, 88.0, 60.0] in [box["box_xyxy"] for box in content["boxes"]]
    assert {box["label"] for box in content["boxes"]} == {"human"}
    refused = client(backend).post("/detect", content=png.tobytes()[:200])
    assert (refused.status_code, "complete picture" in refused.text) == (422, True)


def test_masks_in_a_picture(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """As run lengths, of a detector that finds masks."""
    mask = np.zeros((72, 96), bool)
    mask[10:20, 30:50] = True
    text = compress(runs_of(mask))
    found = Detections(
        np.array([[30.0, 10, 50, 20]]),
        np.array([0.5]),
        np.array(["human"], object),
        masks=np.array([text], object),
    )
    detector = SimpleNamespace(detect_batch=lambda *_: [found])
    monkeypatch.setattr(backend, "_get_models", lambda: SimpleNamespace(detector=detector))
    _, png = cv2.imencode(".png", scene_picture(0)[..., ::-1])
    (box,) = client(backend).post("/detect", content=png.tobytes()).json()["boxes"]
    assert box["segmentation"] == {"size": [72, 96], "counts": text}


def test_a_body_that_is_too_large_is_refused(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MAX_BODY_BYTES", 10)
    asks = client(backend)
    assert asks.post("/detect", content=b"x" * 11).status_code == 413
    assert asks.post("/detect", content=iter([b"x"] * 11)).status_code == 413, "of unknown length"


def test_every_request_needs_the_token(backend: Backend) -> None:
    asks = client(backend, TOKEN)
    password = b64encode(f"vigil:{TOKEN}".encode()).decode()
    for header in (f"Bearer {TOKEN}", f"Token {TOKEN}", f"Basic {password}"):
        assert asks.get("/health", headers={"Authorization": header}).status_code == 200
    for header in ("", "Bearer x", f"Other {TOKEN}", "Basic !", "Basic eDp5"):
        for path in ("/health", "/nothing"):
            assert asks.get(path, headers={"Authorization": header}).status_code == 401
    assert asks.post("/detect", content=b"x").status_code == 401


def test_a_host_that_others_reach_needs_a_token(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1"):
        assert read_token(host, None) is None
    for host in ("0.0.0.0", "::", "192.168.1.2", "camera.example"):
        with pytest.raises(InputError, match="--token-file: expected a file with a token"):
            read_token(host, None)
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token("0.0.0.0", file) == TOKEN
    file.write_text("short")
    with pytest.raises(InputError, match="at least 16 characters, got 5"):
        read_token("127.0.0.1", file)
