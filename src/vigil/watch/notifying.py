"""Sends notifications of events. Each event is sent at least once; its id marks repeated messages.

A message is written to `notifications.jsonl` before it is sent, with the names of its receivers.
Its id and the name of the receiver are written to `notified.jsonl` after it has arrived there.
After a kill, the next run sends the messages that are missing there, to receivers that it has, too.
Each receiver has a queue and a thread, so one that is away holds up no other.
"""

import hashlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from vigil.plumbing.errors import InputError, shorten

FILE_SCHEME = "file:"
NOTIFICATIONS, NOTIFIED = "notifications.jsonl", "notified.jsonl"
SINK, SINKS = "sink", "sinks"
LONGEST_WAIT_S = 300.0


class Sink(Protocol):
    """A receiver of messages.

    Attributes:
        name: tells it from others, also in later runs. It holds no password.
    """

    name: str

    def send(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Sends a message; returns whether it arrived."""


class FileSink:
    """A file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self.name = f"{FILE_SCHEME}{file}"
        self._file = file

    def send(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Appends a message."""
        try:
            append_line(self._file, message)
        except OSError:
            return False
        return True

    def check(self) -> None:
        """Raises InputError if the file cannot be written."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.open("ab").close()
        except OSError as error:
            raise InputError(
                f"--notify {self.name}: expected a file that can be written, got: "
                f"{error.strerror or error}"
            ) from None


class AppriseSink:
    """Mail, ntfy, MQTT, a webhook or another service of apprise."""

    def __init__(self, address: str) -> None:
        """Raises InputError if apprise is not installed, or does not know the address."""
        try:
            import apprise
        except ImportError:
            raise InputError(
                "--notify: expected the library apprise, found none; pip install 'vigil[notify]'"
            ) from None
        kind = shorten(address.partition("://")[0])  # the rest may hold a password
        self.name = f"{kind} {hashlib.sha256(address.encode()).hexdigest()[:12]}"
        self._apprise = apprise.Apprise()
        if not self._apprise.add(address):
            raise InputError(f"--notify: expected an address that apprise knows, got one of {kind}")

    def send(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Sends a message."""
        attach = str(picture) if picture is not None and picture.is_file() else None
        title = f"{message['source']}: {message['kind']}"
        body = "\n".join(f"{key}: {value}" for key, value in sorted(message.items()))
        return bool(self._apprise.notify(title=title, body=body, attach=attach))


def open_sinks(addresses: Sequence[str]) -> list[Sink]:
    """A sink for each address: `file:<path>`, or an address of apprise.

    Raises:
        InputError: an address is of an unknown kind, or a file cannot be written.
    """
    sinks: list[Sink] = []
    for address in dict.fromkeys(addresses):
        if address == FILE_SCHEME:
            raise InputError("--notify: expected file:<path>, got no path")
        is_file = address.startswith(FILE_SCHEME)
        path = Path(address.removeprefix(FILE_SCHEME))
        if is_file:
            file = FileSink(path)
            file.check()
            sinks.append(file)
        else:
            sinks.append(AppriseSink(address))
    return sinks


def append_line(file: Path, content: Mapping[str, Any]) -> None:
    """Appends a line of JSON, and waits until it is on the disk. A kill cuts one line at most."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with file.open("ab+") as out:
        if out.tell() and _last_byte(file) != b"\n":
            out.write(b"\n")  # ends a line that a kill has cut, so that only this line is lost
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def _last_byte(file: Path) -> bytes:
    with file.open("rb") as content:
        content.seek(-1, os.SEEK_END)
        return content.read(1)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of `append_line`, without lines that a kill has cut."""
    if not file.is_file():
        return []
    contents = []
    for line in file.read_bytes().splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            contents.append(content)
    return contents


class Notifier:
    """Sends messages in threads, so that a slow server does not stop the models."""

    def __init__(self, sinks: Sequence[Sink], folder: Path, first_wait_s: float = 1.0) -> None:
        """Args: folder: the folder of `notifications.jsonl` and `notified.jsonl`."""
        self._file = folder / NOTIFICATIONS
        stored = [line for line in read_lines(self._file) if "id" in line]
        self._ids = {line["id"] for line in stored}
        arrived = {(line.get("id"), line.get(SINK)) for line in read_lines(folder / NOTIFIED)}
        self._stopped = threading.Event()
        lock = threading.Lock()
        self._deliveries = [
            _Delivery(sink, folder, self._stopped, lock, first_wait_s) for sink in sinks
        ]
        for delivery in self._deliveries:
            name = delivery.name
            for line in stored:
                is_meant = name in line.get(SINKS, [name])
                if is_meant and not arrived & {(line["id"], name), (line["id"], None)}:
                    delivery.put({key: line[key] for key in line if key != SINKS})

    def notify(self, message: Mapping[str, Any]) -> None:
        """Sends a message, unless one with the same id was sent or is waiting.

        Args:
            message: `id`, `source`, `kind` and more fields.

        Raises:
            OSError: the message cannot be stored, so that a kill would lose it; it is sent.
        """
        if not self._deliveries or message["id"] in self._ids:
            return
        self._ids.add(message["id"])
        try:
            names = [delivery.name for delivery in self._deliveries]
            append_line(self._file, {**message, SINKS: names})
        finally:  # on a full disk, the message is sent all the same
            for delivery in self._deliveries:
                delivery.put(dict(message))

    def close(self, timeout_s: float = 10.0) -> None:
        """Waits for messages on their way. The next run sends those that do not arrive in time."""
        until_s = time.monotonic() + timeout_s
        for delivery in self._deliveries:
            delivery.put(None)
        for delivery in self._deliveries:
            delivery.join(max(0.0, until_s - time.monotonic()))
        self._stopped.set()
        for name, number in self.undelivered().items():
            if number:
                _tell(f"--notify {name}: {number} messages did not arrive; the next run sends them")

    def undelivered(self) -> dict[str, int]:
        """The number of messages that wait for each receiver."""
        return {delivery.name: delivery.num_waiting for delivery in self._deliveries}


class _Delivery:
    """The messages on their way to one sink."""

    def __init__(
        self,
        sink: Sink,
        folder: Path,
        stopped: threading.Event,
        lock: threading.Lock,
        first_wait_s: float,
    ) -> None:
        """Args:
        lock: of the file of what has arrived.
        """
        self._sink, self._folder, self._lock = sink, folder, lock
        self._stopped, self._first_wait_s = stopped, first_wait_s
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._num_put = self._num_arrived = 0  # each is counted by one thread alone
        self._fails = False
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return self._sink.name

    @property
    def num_waiting(self) -> int:
        """The number of messages that have not arrived."""
        return self._num_put - self._num_arrived

    def put(self, message: dict[str, Any] | None) -> None:
        """Adds a message; None ends the thread after the messages before it."""
        self._num_put += message is not None
        self._queue.put(message)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            wait_s = self._first_wait_s
            picture = message.get("picture")
            path = None if picture is None else self._folder / picture
            while not self._stopped.is_set():
                if self._sink.send(message, path):
                    with suppress(OSError), self._lock:  # a full disk: the next run sends it again
                        line = {"id": message["id"], SINK: self.name}
                        append_line(self._folder / NOTIFIED, line)
                    self._num_arrived += 1
                    self._fails = False
                    break
                if not self._fails:
                    self._fails = True
                    _tell(f"--notify {self.name}: a message did not arrive; it is sent again")
                self._stopped.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _tell(line: str) -> None:
    """Prints a line about a receiver, of which only the name is told, since it has no password."""
    with suppress(OSError):  # the terminal was closed
        print(line, file=sys.stderr, flush=True)
