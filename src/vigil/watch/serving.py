"""Serves trained models over HTTP: an ML backend for Label Studio, and boxes for pictures.

Source of the protocol: https://labelstud.io/guide/ml_create.
"""

import ipaddress
import json
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.shipped import read_own_or_shipped
from vigil.settings.dataset import Dataset
from vigil.settings.watch import Watch
from vigil.watch.backend import Backend
from vigil.watch.models import ModelFiles
from vigil.watch.recording import Recorder

MAX_BODY_BYTES = 2**26
LEAST_TOKEN_LENGTH = 16
HIGHEST_PORT = 2**16 - 1
INSTALL = "pip install 'vigil[serve]'"


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(host: str, file: Path | None) -> str | None:
    """The token that each request must have; None: no request needs one.

    Raises:
        InputError: other machines reach the host, and there is no token; or the token is short.
    """
    if file is None:
        if not is_loopback(host):
            raise InputError(
                f"--token-file: expected a file with a token, as other machines reach {host}, got "
                "none"
            )
        return None
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: expected a token, got: {shorten(str(error))}") from None
    if len(token) < LEAST_TOKEN_LENGTH:
        raise InputError(
            f"{file}: expected a token of at least {LEAST_TOKEN_LENGTH} characters, "
            f"got {len(token)}"
        )
    return token


def is_allowed(header: str | None, token: str | None) -> bool:
    """Whether the header `Authorization` of a request has the token.

    It is `Bearer <token>`, `Token <token>`, or `Basic` with the token as the password, which Label
    Studio sends.
    """
    if token is None:
        return True
    kind, _, given = (header or "").partition(" ")
    if kind.lower() == "basic":
        try:
            given = b64decode(given, validate=True).decode("ascii").partition(":")[2]
        except ValueError:
            return False
    elif kind.lower() not in {"bearer", "token"}:
        return False
    return secrets.compare_digest(given.encode(), token.encode())


def build_app(backend: Backend, token: str | None) -> Any:
    """The ASGI application.

    Raises:
        InputError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI, Request
        from fastapi.concurrency import run_in_threadpool
        from fastapi.responses import JSONResponse
    except ImportError:
        raise InputError(f"expected the library fastapi, found none; {INSTALL}") from None
    app = FastAPI(title="vigil", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def check(request: Request, call_next: Callable[..., Any]) -> Any:
        if not is_allowed(request.headers.get("authorization"), token):
            return JSONResponse({"error": "expected the token of this server"}, 401)
        length = request.headers.get("content-length", "")
        if request.method == "POST" and (not length.isdecimal() or int(length) > MAX_BODY_BYTES):
            return JSONResponse(
                {"error": f"expected a body of at most {MAX_BODY_BYTES} bytes, with its length"},
                413,
            )
        return await call_next(request)

    @app.exception_handler(InputError)
    async def refuse(request: Request, error: InputError) -> Any:
        return JSONResponse({"error": str(error)}, 422)

    @app.get("/health")
    async def health() -> Any:
        return {"status": "UP", "model_class": "vigil", "model_version": backend.version}

    @app.post("/setup")
    async def setup() -> Any:
        return {"model_version": backend.version}

    @app.post("/webhook", status_code=201)
    async def webhook() -> Any:  # nothing is trained here: `vigil review pull` takes corrections
        return {"result": "nothing to do"}

    @app.post("/predict")
    async def predict(request: Request) -> Any:
        tasks = _tasks_of(await request.body())
        results = [await run_in_threadpool(backend.predict, task) for task in tasks]
        return {"results": results, "model_version": backend.version}

    @app.post("/detect")
    async def detect(request: Request) -> Any:
        return await run_in_threadpool(backend.detect, await request.body())

    return app


def _tasks_of(body: bytes) -> list[Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # or so many lists in one another that none can be tasks
        raise InputError("expected JSON with tasks, got other bytes") from None
    tasks = content.get("tasks") if isinstance(content, Mapping) else None
    if not isinstance(tasks, list):
        raise InputError(f"expected a list 'tasks', got {shorten(content)}")
    return tasks


def serve(models: Path, videos: Path | None, host: str, port: int, token_file: Path | None) -> None:
    """Serves until it is stopped, with the settings of `params.yaml`, or those of the library.

    Args:
        models: the folder of the trained models.
        videos: the folder of the videos of tasks; None: `watch.root`.

    Raises:
        InputError: models, videos or a library are missing, or the token is; or there is no such
            port.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise InputError(f"--port: expected a number from 0 to {HIGHEST_PORT}, got {port}")
    token = read_token(host, token_file)
    try:
        import uvicorn
    except ImportError:
        raise InputError(f"expected the library uvicorn, found none; {INSTALL}") from None
    sections = check_sections(read_own_or_shipped(), project_sections())
    settings, dataset = sections[Watch.section], sections[Dataset.section]
    assert isinstance(settings, Watch)
    assert isinstance(dataset, Dataset)
    folder = Path(settings.root) if videos is None else videos
    if not folder.is_dir():
        raise InputError(f"{folder}: expected the folder of the videos of tasks, found none")
    files = ModelFiles.below(models)
    digests = files.digests()
    prepare_torch()
    get_models = cache(partial(files.load, choose_device()))
    get_models()  # a model that cannot be loaded is refused before the first request
    recorder = Recorder(digests, get_models, settings, Fraction(str(dataset.picture_fps)))
    backend = Backend(folder, recorder, get_models, digests, settings)
    uvicorn.run(build_app(backend, token), host=host, port=port, log_level="warning")
