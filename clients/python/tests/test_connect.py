# SPDX-License-Identifier: Apache-2.0
"""Connections into containers, with a real server and real listeners."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List

import berth
import berth.aio

LISTENING = """
import hashlib, http.server, socket, sys, threading
l = socket.socket(socket.AF_UNIX)
l.bind("/tmp/s")
l.listen(256)
exec(sys.argv[1])
while True:
    c, _ = l.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""

ECHO = """
def serve(c):
    while data := c.recv(65536): c.sendall(data)
    c.close()
"""

WEB = """
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.answer(self.path.encode() * 1000)
    def do_POST(self): self.answer(hashlib.sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest().encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""


@contextmanager
def listener(code: str) -> Iterator[berth.Lease]:
    with berth.Client() as client, client.acquire() as lease:
        with lease.execute(["python3", "-c", LISTENING, code]):
            yield lease


class ConnectTests(unittest.TestCase):
    def test_http_client_works_over_it_with_several_requests_and_a_long_body(self) -> None:
        with listener(WEB) as lease:
            web = http.client.HTTPConnection("container")
            web.sock = lease.connect(port=8000, wait=10)
            for path in ("/a", "/b"):
                web.request("GET", path)
                self.assertEqual(web.getresponse().read(), path.encode() * 1000)
            body = os.urandom(5 << 20)
            web.request("POST", "/", body)
            self.assertEqual(web.getresponse().read().decode(), hashlib.sha256(body).hexdigest())
            web.request("GET", "/c", headers={"Connection": "close"})
            self.assertEqual(web.getresponse().read(), b"/c" * 1000)

    def test_what_the_page_shows_comes_out_as_it_says(self) -> None:
        page = (Path(__file__).parents[3] / "docs" / "connect.md").read_text()
        found = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.S)
        self.assertEqual(len(found), 1)
        for code, output in found:
            shown = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
            self.assertEqual(shown.stdout.decode(), output)

    def test_both_directions_end_on_their_own(self) -> None:
        with listener(ECHO) as lease, lease.connect(unix="/tmp/s", wait=10) as connection:
            connection.sendall(b"x" * 100_000)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as file:
                self.assertEqual(file.read(), b"x" * 100_000)
            with self.assertRaises(BrokenPipeError):
                connection.send(b"more")
        code = "def serve(c):\n  c.sendall(b'first'); c.shutdown(1)\n  open('/tmp/got', 'wb').write(c.makefile('rb').read())\n"
        with listener(code) as lease, lease.connect(unix="/tmp/s", wait=10) as connection:
            self.assertEqual((connection.recv(100), connection.recv(100)), (b"first", b""))
            connection.sendall(b"after")
            connection.close()
            end = time.monotonic() + 10
            while lease.run(["cat", "/tmp/got"]).stdout != b"after" and time.monotonic() < end:
                pass
            self.assertEqual(lease.read_file("/tmp/got"), b"after")

    def test_text_files_peeking_and_time_outs_are_those_of_a_socket(self) -> None:
        with listener(ECHO) as lease, lease.connect(unix="/tmp/s", wait=10) as connection:
            file = connection.makefile("rw", newline="\n")
            file.write("grüße\n")
            file.flush()
            self.assertEqual(file.readline(), "grüße\n")
            connection.settimeout(0.05)
            with self.assertRaises(socket.timeout):
                connection.recv(10)
            connection.settimeout(10)
            connection.sendall(b"12345")
            self.assertEqual(connection.recv(2, socket.MSG_PEEK), b"12")
            room = bytearray(3)
            self.assertEqual((connection.recv_into(room), bytes(room)), (3, b"123"))
            self.assertEqual(connection.recv(10), b"45")
            connection.setblocking(False)
            with self.assertRaises(BlockingIOError):
                connection.recv(1)

    def test_a_send_that_timed_out_does_not_lose_its_place(self) -> None:
        code = "def serve(c):\n  import time\n  while not __import__('os').path.exists('/tmp/go'): time.sleep(0.01)\n" \
            "  d = c.makefile('rb').read(); c.sendall(hashlib.sha256(d).hexdigest().encode()); c.close()\n"
        with listener(code) as lease, lease.connect(unix="/tmp/s", wait=10) as connection:
            data = os.urandom(4 << 20)
            sent = 0
            connection.settimeout(0.2)
            with self.assertRaises(socket.timeout):
                while True:
                    sent += connection.send(data[sent:])
            lease.write_file("/tmp/go", b"")
            connection.settimeout(10)
            # The same bytes once more: what was taken is passed over.
            connection.sendall(data[sent:])
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(connection.makefile().read(), hashlib.sha256(data).hexdigest())

    def test_what_goes_wrong_is_raised_as_that(self) -> None:
        with listener("def serve(c):\n  c.recv(1); c.close()\n") as lease:
            with self.assertRaises(berth.FailedPreconditionError) as refused:
                lease.connect(port=9)
            self.assertIs(refused.exception.reason, berth.Reason.CONNECTION_REFUSED)
            with self.assertRaises(berth.NotFoundError) as nothing:
                lease.connect(unix="/tmp/none")
            self.assertIs(nothing.exception.reason, berth.Reason.NO_SUCH_FILE)
            with self.assertRaises(TypeError):
                lease.connect(port=1, unix="/x")
            with lease.connect(unix="/tmp/s", wait=10) as connection:
                connection.sendall(b"xxxx")
                with self.assertRaises(ConnectionResetError):
                    connection.recv(1)
            released = lease.connect(unix="/tmp/s")
            lease.release()
            with self.assertRaises(ConnectionAbortedError):
                released.recv(1)

    def test_one_thread_sends_while_another_receives(self) -> None:
        with listener(ECHO) as lease, lease.connect(unix="/tmp/s", wait=10) as connection:
            data = os.urandom(16 << 20)

            def send() -> None:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=send)
            thread.start()
            self.assertEqual(hashlib.sha256(connection.makefile("rb").read()).digest(), hashlib.sha256(data).digest())
            thread.join()

    def test_the_streams_of_asyncio(self) -> None:
        async def one(lease: berth.aio.Lease, number: int) -> None:
            reader, writer = await lease.open_connection(unix="/tmp/s", wait=10)
            data = bytes([number]) * 300_000
            writer.write(data)
            writer.write_eof()
            await writer.drain()
            assert await reader.read() == data
            writer.close()
            await writer.wait_closed()

        async def session() -> None:
            async with berth.aio.Client() as client, await client.acquire() as lease:
                async with lease.execute(["python3", "-c", LISTENING, ECHO]):
                    await asyncio.gather(*(one(lease, number) for number in range(50)))
                    reader, writer = await lease.open_connection(unix="/tmp/s")
                    writer.write(b"line\n")
                    self.assertEqual(await reader.readline(), b"line\n")
                    self.assertEqual(writer.get_extra_info("peername"), "/tmp/s")
                    writer.close()
                    await writer.wait_closed()
                    self.assertEqual(await reader.read(), b"")
                    with self.assertRaises(berth.FailedPreconditionError):
                        await lease.open_connection(port=9)
                    reader, writer = await lease.open_connection(unix="/tmp/s")
                    await lease.release()
                    with self.assertRaises(ConnectionAbortedError):
                        await reader.read()
                    writer.close()

        asyncio.run(session())

    def test_a_writer_whose_client_was_closed_is_closed_without_an_error(self) -> None:
        async def session(lease: berth.Lease) -> None:
            unheard: List[str] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, about: unheard.append(str(about)))
            client = berth.aio.Client()
            reader, writer = await client.lease(lease.token).open_connection(unix="/tmp/s", wait=10)
            self.assertEqual(await reader.read(), b"all")  # and its other direction is open
            await client.close()
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 5)
            await asyncio.sleep(0)
            self.assertEqual(unheard, [])

        with listener("def serve(c):\n  c.sendall(b'all'); c.close()\n") as lease:
            asyncio.run(session(lease))


if __name__ == "__main__":
    unittest.main()
