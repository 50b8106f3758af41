"""A real Label Studio on loopback, for slow tests.

python -m venv /tmp/ls && /tmp/ls/bin/pip install label-studio
VIGIL_LABEL_STUDIO=/tmp/ls/bin/label-studio make test-slow
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]
EXECUTABLE = os.environ.get("VIGIL_LABEL_STUDIO", "")
STARTS_WITHIN_S = 300

NEEDS_SERVER = pytest.mark.skipif(
    not EXECUTABLE,
    reason="VIGIL_LABEL_STUDIO names no label-studio (pip install label-studio, elsewhere)",
)

CONFIG = """<View>
    <Video name="video" value="$video" framerate="25"/>
    <VideoRectangle name="box" toName="video"/>
    <Labels name="videoLabels" toName="video"><Label value="Car"/><Label value="Man"/></Labels>
    <TimelineLabels name="tl" toName="video"><Label value="Scene"/></TimelineLabels>
    <Choices name="pose" toName="video" perRegion="true"><Choice value="stands"/></Choices>
</View>"""
TINY = b"\0\0\0\x18ftypmp42"
"""The server checks only the ending of a video's name."""


@dataclass(frozen=True)
class Server:
    address: str
    token: str

    def ask(self, path: str, content: Any = None, method: str | None = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        return self.send(path, body, "application/json", method)

    def send(self, path: str, body: bytes | None, kind: str, method: str | None = None) -> Any:
        request = urllib.request.Request(f"{self.address}{path}", body, method=method)
        request.add_header("Authorization", f"Token {self.token}")
        request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def project(self) -> int:
        return self.ask("/api/projects", {"title": "test", "label_config": CONFIG})["id"]

    def upload(self, project: int, name: str) -> str:
        """Sends a file as a browser does; returns where the server says the video is."""
        sent = name.replace('"', "%22")
        head = f'Content-Disposition: form-data; name="file"; filename="{sent}"'
        body = f"--b1x\r\n{head}\r\nContent-Type: video/mp4\r\n\r\n".encode()
        path = f"/api/projects/{project}/import?return_task_ids=true"
        kind = "multipart/form-data; boundary=b1x"
        (task,) = self.send(path, body + TINY + b"\r\n--b1x--\r\n", kind)["task_ids"]
        return self.ask(f"/api/tasks/{task}")["data"]["video"]

    def annotated(self, *annotations: list[Json]) -> int:
        """A project with one task and these annotations' results; returns the project."""
        project = self.project()
        video = {"data": {"video": "/data/upload/1/0a1b2c3d-door.mp4"}}
        self.ask(f"/api/projects/{project}/import", [video])
        (task,) = self.ask(f"/api/tasks?project={project}")["tasks"]
        for results in annotations:
            self.ask(f"/api/tasks/{task['id']}/annotations", {"result": results})
        return project

    def export(self, project: int, kind: str, **options: str) -> Any:
        words = {"exportType": kind, "download_all_tasks": "true", **options}
        query = "&".join(f"{key}={value}" for key, value in words.items())
        return self.ask(f"/api/projects/{project}/export?{query}")


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def label_studio(folder: Path) -> Iterator[Server]:
    """A started server, with its data in a folder."""
    port = free_port()
    token = "0123456789abcdef0123456789abcdef01234567"
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "False",
        # Else it asks no ML backend on this machine.
        **dict.fromkeys(("ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED"), "False"),
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [
        *(EXECUTABLE, "start", "--no-browser", "--internal-host", "127.0.0.1"),
        *("--port", str(port), "--username", "a@example.com", "--password", "passpass1"),
        *("--user-token", token),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment | settings, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    started = Server(f"http://127.0.0.1:{port}", token)
    try:
        wait_for(started, process, folder / "log")
        yield started
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            server.ask("/api/projects")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(1)
        else:
            return
    pytest.fail(f"no answer of label-studio: {log.read_text()[-2000:]}")
