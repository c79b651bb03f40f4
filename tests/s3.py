"""A server on this machine that speaks S3, for tests of stores: moto, where it and obstore are installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import count
from urllib.request import Request, urlopen

import pytest

_NUMBERS = count()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that has one bucket, `bucket`."""
    pytest.importorskip("obstore")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    urlopen(Request(f"{address}/bucket", method="PUT")).close()
    yield address
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a folder in it that nobody else has, and the environment that opens it."""
    for name, value in environment(s3_server).items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{next(_NUMBERS)}"


def environment(address: str) -> dict[str, str]:
    """What a process needs to open the server's bucket."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
