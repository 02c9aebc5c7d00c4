# SPDX-License-Identifier: Apache-2.0
"""TLS and tokens, of both clients, against servers whose certificates are right and wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from unittest import mock

import berth
import berth.aio
from berth._address import parse
from berth._ttrpc import ttrpc_pb2

from .double import HEADER, Asked, Double, Handler, hello
from .test_client import echo

FOLDER = tempfile.TemporaryDirectory()
FILES = Path(FOLDER.name)
TOKEN = "0123456789abcdef"


def setUpModule() -> None:
    script = Path(__file__).resolve().parents[2] / "conformance/certificates.py"
    subprocess.run([sys.executable, str(script), FOLDER.name], check=True)


def tearDownModule() -> None:
    FOLDER.cleanup()


def file(name: str) -> str:
    return str(FILES / name)


def server_context(name: str = "server", wants_client: bool = False, highest: Optional[ssl.TLSVersion] = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file(f"{name}.pem"), file(f"{name}.key"))
    if wants_client:
        context.load_verify_locations(file("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    if highest is not None:
        context.maximum_version = highest
    return context


def ask(address: str, call: Callable[[Any], Any], **options: Any) -> Any:
    with berth.Client(address, **options) as client:
        return call(client)


def ask_async(address: str, call: Callable[[Any], Any], **options: Any) -> Any:
    async def main() -> Any:
        async with berth.aio.Client(address, **options) as client:
            return await call(client)

    return asyncio.run(main())


def keep(seen: List[Dict[str, str]]) -> Handler:
    """Answers Hello, and keeps what the metadata say."""

    def answer(asked: Asked) -> None:
        seen.append(asked.metadata)
        hello(asked)

    return answer


class SecurityTests(unittest.TestCase):
    def setUp(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
        environment = mock.patch.dict(os.environ, clean, clear=True)
        environment.start()
        self.addCleanup(environment.stop)

    def serve(self, handlers: Optional[Dict[str, Handler]] = None, tls: Optional[ssl.SSLContext] = None) -> str:
        double = Double(handlers, tls=tls)
        self.addCleanup(double.close)
        return double.address

    def each(self, address: str, call: Callable[[Any], Any] = lambda client: client.hello(), **options: Any) -> List[Any]:
        return [ask(address, call, **options), ask_async(address, call, **options)]

    def refused(self, address: str, *words: str, **options: Any) -> None:
        options.setdefault("connect_timeout", 60)
        for asks in (ask, ask_async):
            begin = time.monotonic()
            with self.subTest(asks=asks.__name__), self.assertRaises(berth.UnavailableError) as raised:
                asks(address, lambda client: client.hello(), **options)
            for word in words:
                self.assertIn(word, str(raised.exception))
            self.assertLess(time.monotonic() - begin, 20, "what cannot get better is not tried again")

    # MARK: Addresses and the environment

    def test_an_address_with_tls_is_one_of_a_host_and_a_port(self) -> None:
        self.assertEqual(str(parse("tls://[::1]:7411")), "tls://[::1]:7411")
        for wrong in ("tls://", "tls://host", "tls://unix:/x", "tls://tls://host:1", "tls:host:1", "tls://host:1/"):
            with self.subTest(wrong), self.assertRaisesRegex(ValueError, "tls://HOST:PORT"):
                parse(wrong)

    def test_the_environment_names_the_server_its_authority_our_certificate_and_our_token(self) -> None:
        seen: List[Asked] = []

        def remember(asked: Asked) -> None:
            seen.append(asked)
            (echo if asked.method == "Execute" else hello)(asked)

        address = self.serve({"Hello": remember, "Execute": remember}, server_context(wants_client=True))
        os.environ.update({
            "BERTH_SERVER": f"tls://{address}", "BERTH_TLS_CA": file("ca.pem"), "BERTH_TLS_CERT": file("client.pem"),
            "BERTH_TLS_KEY": file("client.key"), "BERTH_TOKEN": TOKEN,
        })
        with berth.Client() as client:
            self.assertEqual(client.run(["a"]).text, "a")

        async def main() -> None:
            async with berth.aio.Client() as client:
                self.assertEqual((await client.run(["a"])).text, "a")

        asyncio.run(main())
        self.assertEqual({asked.method for asked in seen}, {"Hello", "Execute"})
        self.assertEqual([asked.metadata for asked in seen], [{"authorization": f"Bearer {TOKEN}"}] * len(seen))

    def test_a_token_comes_from_the_option_else_the_environment_else_a_file(self) -> None:
        seen: List[Dict[str, str]] = []
        address = self.serve({"Hello": keep(seen)})
        path = FILES / "token"
        path.write_text("of-the-file\n")
        os.environ["BERTH_TOKEN_FILE"] = str(path)
        self.each(address)
        os.environ["BERTH_TOKEN"] = "of-the-environment"
        self.each(address)
        self.each(address, token="of-the-option")
        self.each(address, token="")
        wanted = ["Bearer of-the-file", "Bearer of-the-environment", "Bearer of-the-option", None]
        # Each connection has a Hello of its own before the one that was asked for.
        self.assertEqual([each.get("authorization") for each in seen], [value for value in wanted for _ in range(4)])

    def test_what_cannot_be_used_is_said_before_anything_is_sent(self) -> None:
        pair = {"cert": file("client.pem"), "key": file("server.key")}
        for options, words in (
            ({"ca": file("nothing.pem")}, "nothing.pem"),
            (pair, "do not belong together"),
            ({"key": file("client.key")}, "without its certificate"),
            ({"tls": ssl.create_default_context(), "ca": file("ca.pem")}, "one or the other"),
            ({"token": "two\nlines"}, "token"),
        ):
            for kind in (berth.Client, berth.aio.Client):
                with self.subTest(words=words, kind=kind), self.assertRaisesRegex(ValueError, words):
                    kind("tls://127.0.0.1:1", **options)
        for address in ("10.0.0.1:7411", "127.example.com:1", "[2001:db8::1]:1"):
            with self.subTest(address), self.assertRaisesRegex(ValueError, "not sent to .* without TLS"):
                berth.Client(address, token=TOKEN)
        for address in ("tls://10.0.0.1:7411", "localhost:1", "127.0.0.2:1", "[::1]:1", "unix:/run/berth.sock"):
            berth.Client(address, token=TOKEN)
        os.environ["BERTH_TOKEN_FILE"] = file("no-token")
        with self.assertRaisesRegex(ValueError, "no-token"):
            berth.Client()

    # MARK: Whom to trust

    def test_tls_is_on_by_the_address_by_the_switch_and_by_a_file(self) -> None:
        address = self.serve(tls=server_context())
        os.environ["BERTH_TLS_CA"] = file("ca.pem")
        self.each(f"tls://{address}")
        self.each(address, tls=True)
        del os.environ["BERTH_TLS_CA"]
        self.each(address, ca=file("ca.pem"))
        self.each(f"tls://{address}", ca=FILES / "ca.pem", server_name="berth.test")
        self.each(f"tls://{address}", tls=ssl.create_default_context(cafile=file("ca.pem")))

    def test_a_wrong_certificate_is_refused_with_what_is_wrong_and_what_would_be_right(self) -> None:
        ca = file("ca.pem")
        self.refused("tls://" + self.serve(tls=server_context()), "is not trusted", "BERTH_TLS_CA")
        self.refused("tls://" + self.serve(tls=server_context("self-signed")), "is not trusted", "self-signed", ca=ca)
        self.refused("tls://" + self.serve(tls=server_context("other")), 'not for "127.0.0.1"', "server_name", ca=ca)
        self.refused("tls://" + self.serve(tls=server_context("expired")), "expired", "clock", ca=ca)

    def test_a_server_that_wants_a_certificate_of_ours_says_so(self) -> None:
        for highest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            address = "tls://" + self.serve(tls=server_context(wants_client=True, highest=highest))
            with self.subTest(highest):
                self.each(address, ca=file("ca.pem"), cert=file("client.pem"), key=file("client.key"))
                self.refused(address, "certificate of this client", "BERTH_TLS_CERT", ca=file("ca.pem"))
                self.refused(
                    address, "does not accept this client's certificate", ca=file("ca.pem"), cert=file("self-signed.pem"),
                    key=file("self-signed.key"),
                )

    def says(self, data: bytes) -> str:
        """The address of a server that says this to whoever says anything."""
        listener = socket.create_server(("127.0.0.1", 0))

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1 << 16)
                        connection.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(listener.close)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        return "127.0.0.1:%d" % listener.getsockname()[1]

    def test_tls_to_a_server_without_and_plain_to_a_server_with_it_are_told_apart(self) -> None:
        self.refused(f"tls://{self.says(bytes(30))}", "does not speak TLS", ca=file("ca.pem"))
        self.refused(self.says(b"\x15\x03\x01\x00\x02\x02\x46"), "it speaks TLS", "tls://")

    def test_what_a_server_says_that_takes_no_connection_is_said(self) -> None:
        refusal = ttrpc_pb2.Response(status=ttrpc_pb2.Status(code=9, message="this port speaks TLS")).SerializeToString()
        address = self.says(HEADER.pack(len(refusal), 1, 2, 0) + refusal)
        for asks in (ask, ask_async):
            with self.subTest(asks=asks.__name__), self.assertRaisesRegex(berth.FailedPreconditionError, "this port"):
                asks(address, lambda client: client.hello())

    def test_the_connect_time_out_counts_for_the_handshake_too(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            address = f"tls://127.0.0.1:{mute.getsockname()[1]}"
            self.refused(address, "handshake", ca=file("ca.pem"), connect_timeout=0.3)

    def test_the_next_connection_is_made_in_the_same_way_with_what_the_files_hold_then(self) -> None:
        seen: List[Dict[str, str]] = []
        double = Double({"Hello": keep(seen)}, tls=server_context(wants_client=True))
        self.addCleanup(double.close)
        own, path = FILES / "own.pem", FILES / "exchanged"
        own.write_bytes((FILES / "client.pem").read_bytes() + (FILES / "client.key").read_bytes())
        path.write_text("first")
        os.environ["BERTH_TOKEN_FILE"] = str(path)

        def first() -> None:
            double.peers[-1].kill()
            path.write_text("second")

        def third() -> None:
            double.peers[-1].kill()
            own.write_text("")

        with berth.Client(f"tls://{double.address}", ca=file("ca.pem"), cert=own) as client:
            client.hello()
            first()
            again(client.hello)
            third()
            with self.assertRaisesRegex(berth.InvalidArgumentError, "own.pem"):
                again(client.hello)
        self.assertEqual(len(double.peers), 2)
        tokens = [each["authorization"] for each in seen]
        self.assertEqual(tokens, ["Bearer first"] * 2 + ["Bearer second"] * 2)


def again(call: Callable[[], Any]) -> Any:
    """Until the end of the connection has been noticed."""
    while True:
        try:
            return call()
        except berth.UnavailableError:
            pass


if __name__ == "__main__":
    unittest.main()
