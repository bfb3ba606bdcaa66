"""A registry on 127.0.0.1 that Docker can pull from: the reading half of the distribution API, version 2.

Docker takes plain HTTP from 127.0.0.0/8 without being told. With it an image gets a digest (RepoDigests), which an
image from a tar archive has not.
"""

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import tarfile
import threading

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        if self.path == "/v2/":
            self._answer(200, b"{}", "application/json")
            return
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", self.path)
        key = match and (match.group(3) if ":" in match.group(3) else (match.group(1), match.group(3)))
        kind, data = self.server.content.get(key, (None, None))
        if kind is None:
            self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}', "application/json")
        else:
            self._answer(200, data, kind)

    do_HEAD = do_GET

    def _answer(self, status, data, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Docker-Content-Digest", digest_of(data))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Registry:
    """`with Registry() as registry:`; registry.host is what stands before the slash of a name."""

    def __init__(self):
        self.server = self.thread = None

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.content = {}  # digest or (name, tag): (type, bytes)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.server_port}"

    def _store(self, data, kind):
        self.server.content[digest_of(data)] = (kind, data)
        return {"mediaType": kind, "size": len(data), "digest": digest_of(data)}

    def publish(self, name, tag, size=1000):
        """An image of one file of `size` random bytes; returns the digest to pull it by."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo("payload")
            info.size = size
            tar.addfile(info, io.BytesIO(os.urandom(size)))
        layer = self._store(gzip.compress(archive.getvalue()), LAYER)
        settings = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/payload"]},
                    "rootfs": {"type": "layers", "diff_ids": [digest_of(archive.getvalue())]}}
        config = self._store(json.dumps(settings).encode(), CONFIG)
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).encode()
        self._store(manifest, MANIFEST)
        self.server.content[(name, tag)] = (MANIFEST, manifest)
        return digest_of(manifest)
