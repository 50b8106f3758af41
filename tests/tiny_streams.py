"""Servers on loopback that send a stream over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PACKET = 188
"""Bytes of a packet of an MPEG transport stream."""


class StreamServer(ThreadingHTTPServer):
    """Counts its visits. `content` is what they are sent of."""

    daemon_threads = True

    def __init__(self, visit: type["StreamVisit"], content: bytes) -> None:
        self.content, self.visits = content, 0
        super().__init__(("127.0.0.1", 0), visit)

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class StreamVisit(BaseHTTPRequestHandler):
    """A visit to a server; `send` sends the stream."""

    server: StreamServer
    content_type = "video/mp2t"

    def do_GET(self) -> None:
        self.server.visits += 1
        self.send_response(200)
        self.send_header("Content-Type", self.content_type)
        self.end_headers()
        self.send(self.server.content)

    def send(self, content: bytes) -> None:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(visit: type[StreamVisit], content: bytes = b"") -> Iterator[StreamServer]:
    server = StreamServer(visit, content)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
