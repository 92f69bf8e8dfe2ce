"""A server on loopback that stands for the archives."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest


class Handler(BaseHTTPRequestHandler):
    """Gives what `server.answer` returns for a path; None is HTTP 404."""

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def do_GET(self):
        self.server.paths.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        data = self.server.answer(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.paths, made.headers, made.posted, made.answer = [], [], [], lambda path: b"BZh91AY"
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    made.base = f"http://127.0.0.1:{made.server_port}"
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def archive(server):
    """Serve whole files at whole addresses, whatever the order of a query; all else is HTTP 404."""

    def key(address):
        parts = urlsplit(address)
        return parts.path, tuple(sorted(parse_qsl(parts.query)))

    def serve(files):
        known = {key(address): content for address, content in files.items()}
        server.answer = lambda path: known.get(key(path))

    server.serve = serve
    return server
