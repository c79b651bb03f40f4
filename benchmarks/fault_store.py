"""A store for `faults.py` that can be killed: a server that speaks S3, behind a port that another process hands on.

The server keeps all in its memory, so it lives on; what is killed and started again is the way to it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from urllib.request import Request, urlopen

BUCKET = "bucket"


class S3:
    """`with S3() as store`; the environment that opens it, and `kill` and `begin` of the way to it."""

    def __enter__(self) -> S3:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it tells of each request
        self._server.start()
        _, self._behind = self._server.get_host_and_port()
        urlopen(Request(f"http://127.0.0.1:{self._behind}/{BUCKET}", method="PUT")).close()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._server.stop()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def begin(self) -> None:
        command = [sys.executable, __file__, str(self._port), str(self._behind)]
        self._way = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._way.stdout is not None
        self._way.stdout.readline()

    def kill(self) -> None:
        self._way.send_signal(signal.SIGKILL)
        self._way.wait()


async def hand_on(port: int, behind: int) -> None:
    """What comes to a port goes to another, and back."""

    async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(copied(reader, back), copied(there, writer))

    server = await asyncio.start_server(met, "127.0.0.1", port)
    print("begun", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(hand_on(int(sys.argv[1]), int(sys.argv[2])))
