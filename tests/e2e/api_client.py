"""The contract, and requests to a controller as anybody makes them."""
import functools
import http.client
import json
import pathlib
import ssl
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("get", "put", "post", "patch", "delete")


class Loader(yaml.SafeLoader):
    """YAML with dates left as text."""


Loader.yaml_implicit_resolvers = {
    key: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@functools.lru_cache(None)
def contract():
    return yaml.load((ROOT / "docs/api/openapi.yaml").read_text(encoding="utf-8"), Loader)


def operations(document):
    """(METHOD, path, operation) of all that the contract has."""
    for path, item in document["paths"].items():
        base = item.get("servers", document["servers"])[0]["url"].rstrip("/")
        for method in METHODS:
            if method in item:
                yield method.upper(), base + path, item[method]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Api:
    """One connection a request, so that none waits for another's end."""

    def __init__(self, url, token=None, ca=None):
        self.parts = urllib.parse.urlsplit(url)
        self.token = token
        self.tls = ssl.create_default_context(cafile=ca) if self.parts.scheme == "https" else None

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection(self.parts.hostname, self.parts.port, timeout=20,
                                               context=self.tls)
        return http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=20)

    def call(self, method, path, body=None, headers=None):
        """`body`: bytes, or what becomes JSON."""
        all_headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            all_headers["Content-Type"] = "application/json"
        connection = self.connect()
        try:
            connection.request(method, path, body, {**all_headers, **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def flood(self, path, count):
        """So many GETs over one connection: their answers."""
        connection = self.connect()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            for _ in range(count):
                connection.request("GET", path, headers=headers)
                yield Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)
