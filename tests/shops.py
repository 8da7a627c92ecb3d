"""A server of files over HTTP that a test leads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edge.contract.offer import Offer

CONTENT = bytes(range(256)) * 400


@dataclass
class Shop:
    """What the server gives, and what it was asked for."""

    content: bytes = CONTENT
    code: int = 0  # answered instead, where there is one
    cut: int = 0  # bytes after which each answer is cut off
    ranges: bool = True
    length: int | None = None  # claimed instead of the true one
    location: str = ""
    asked: list[str | None] = field(default_factory=list)
    port: int = 0

    def offer(self, **more: object) -> Offer:
        """What is true of it, or not."""
        digest = hashlib.sha256(self.content).hexdigest()
        url, size = f"http://127.0.0.1:{self.port}/b", len(self.content)
        given = {"url": url, "size": size, "sha256": digest}
        return Offer(**{**given, **more})  # type: ignore[arg-type]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Give what is asked for, as far as the test lets it."""
        asked = handler.headers.get("Range")
        self.asked.append(asked)
        first = int(asked[6:-1]) if asked and self.ranges else 0
        body = self.content[first:]
        handler.send_response(self.code or (206 if first else 200))
        if self.location:
            handler.send_header("Location", self.location)
        handler.send_header("Content-Length", str(self.length or len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut or None])


@contextmanager
def open_shop(content: bytes = CONTENT) -> Iterator[Shop]:
    """Serve until the end of the block."""
    made = Shop(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()
