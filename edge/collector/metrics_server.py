"""Serves `/metrics`, and nothing else, to whoever may reach the address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from edge.collector.metrics import CONTENT_TYPE
from edge.errors import CallError, WorldError

_PATIENCE_S = 5.0  # with who connects and says nothing
_POLL_S = 0.1  # for its end
LOOPBACK = "127.0.0.1"


def read_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, `[IPv6]:PORT`, `:PORT` or `PORT`; without a host, the loopback.

    Raises:
        CallError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise CallError(f"--metrics {text}: write HOST:PORT, or PORT for this machine alone")
    return host.strip("[]") or LOOPBACK, int(port)


class MetricsServer:
    """Listens within a `with` block. `page` gives the text; any thread may call it."""

    def __init__(self, address: tuple[str, int], page: Callable[[], str]) -> None:
        """Begin to listen.

        Raises:
            WorldError: the address is taken, or not one of this machine.
        """
        handler = type("Handler", (_Handler,), {"page": staticmethod(page)})
        server = _Server6 if ":" in address[0] else _Server
        try:
            self._server = server(address, handler)
        except (OSError, UnicodeError) as error:
            host, port = address
            reason = getattr(error, "strerror", None) or str(error)
            raise WorldError(
                f"metrics on {host}:{port}: {reason}; give --metrics another address"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> MetricsServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: who hangs up before the answer is no fault of ours."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S
    page: Callable[[], str]

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND, "only /metrics is here")
            return
        body = self.page().encode("utf-8")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each scrape."""
