# SPDX-License-Identifier: Apache-2.0
"""Bytes: the shared vectors, and what must not be taken."""

import random
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import List, Tuple

from berth._address import Address, parse
from berth._calls import Calls, StreamCall, UnaryCall
from berth._errors import BerthError, Code
from berth._ttrpc import ttrpc_pb2
from berth._wire import HEADER_SIZE, BrokenWire, Frame, FrameDecoder, encode, request_body

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = Path(__file__).resolve().parents[1]
Vector = Tuple[List[bytes], List[bytes]]


def vectors() -> "dict[str, Vector]":
    """What the client sends and what the server sends, by name."""
    found: "dict[str, Vector]" = {}
    frames: List[bytes] = []
    for line in (ROOT / "proto/vectors/recorded.txt").read_text().splitlines():
        line = line.partition("#")[0]
        if line.startswith("vector "):
            name = line[len("vector ") :].strip()
            found[name] = ([], [])
        elif line.startswith(("C>S", "S>C")):
            frames = found[name][0 if line[0] == "C" else 1]
            frames.append(bytes.fromhex(line[3:]))
        elif line.strip():
            frames[-1] += bytes.fromhex(line)
    return found


class Vectors(unittest.TestCase):
    def test_a_unary_request_is_what_go_sends(self) -> None:
        sent, answers = vectors()["unary call with time-out and metadata"]
        request = ttrpc_pb2.Request.FromString(sent[0][HEADER_SIZE:])
        self.assertEqual(encode(1, 1, 0, request.SerializeToString()), sent[0])
        plain = request_body(request.service, request.method, request.payload, request.timeout_nano / 1e9)
        request.ClearField("metadata")
        self.assertEqual(plain, request.SerializeToString())

        call = UnaryCall()
        calls = Calls()
        calls.start(call, b"")
        self.assertEqual(calls.receive(answers[0]), [call])
        self.assertEqual(call.payload, b"\x0a\x07lease-1")

    def test_a_stream_is_delivered_whole_byte_by_byte_and_in_random_pieces(self) -> None:
        sent, frames = vectors()["server stream of two events"]
        answer = b"".join(frames)
        seed = random.randrange(1 << 32)
        for size in (len(answer), 1, 0):
            generator = random.Random(seed)
            call = StreamCall()
            calls = Calls()
            calls._next = 5
            self.assertEqual(calls.start(call, sent[0][HEADER_SIZE:]), sent[0])
            position = 0
            while position < len(answer):
                step = size or generator.randint(1, 12)
                calls.receive(answer[position : position + step])
                position += step
            self.assertEqual(list(call.messages), [frame[HEADER_SIZE:] for frame in frames[:2]], f"seed {seed}")
            self.assertTrue(call.is_done)
            self.assertIsNone(call.error)
            self.assertEqual(calls.count, 0)

    def test_endings(self) -> None:
        for name, stream, code, message in (
            ("handler error", 9, Code.UNKNOWN, "boom"),
            ("bad method", 17, Code.UNIMPLEMENTED, "method Nope"),
        ):
            for call in (UnaryCall(), StreamCall()):
                calls = Calls()
                calls._next = stream
                calls.start(call, b"")
                calls.receive(vectors()[name][1][0])
                assert call.error is not None
                self.assertEqual((call.error.code, call.error.message), (code, message))
        calls = Calls()
        calls._next = 3
        empty = UnaryCall()
        calls.start(empty, b"")
        calls.receive(vectors()["empty unary answer"][1][0])
        self.assertTrue(empty.is_done and empty.error is None and empty.payload == b"")


class Wire(unittest.TestCase):
    def test_a_frame_over_4_mib_is_refused_by_its_header(self) -> None:
        self.assertEqual(list(FrameDecoder().feed(encode(1, 2, 0, b"x" * (4 << 20))))[0].stream, 1)
        with self.assertRaises(BrokenWire):
            list(FrameDecoder().feed(b"\x00\x40\x00\x01\x00\x00\x00\x01\x02\x00"))

    def test_a_request_over_4_mib_is_not_sent(self) -> None:
        with self.assertRaises(BerthError) as caught:
            request_body("s", "m", bytes(4 << 20), None)
        self.assertEqual(caught.exception.code, Code.RESOURCE_EXHAUSTED)

    def test_a_time_out_that_has_passed_is_not_sent_as_none(self) -> None:
        for timeout in (0.0, -1.0):
            self.assertEqual(ttrpc_pb2.Request.FromString(request_body("s", "m", b"", timeout)).timeout_nano, 1)

    def test_frames_for_streams_that_are_not_ours_and_of_unknown_types_are_passed_over(self) -> None:
        calls = Calls()
        call = StreamCall()
        calls.start(call, b"")
        noise = encode(2, 2, 0, b"") + encode(99, 3, 0, b"x") + encode(1, 9, 0, b"x")
        calls.receive(noise + encode(1, 3, 0, b"") + encode(1, 3, 5, b""))
        self.assertEqual(list(call.messages), [b""], "an empty message is a message")

    def test_stream_ids_wrap_and_pass_over_those_in_use(self) -> None:
        calls = Calls()
        old = StreamCall()
        calls.start(old, b"")
        calls._next = 0xFFFFFFFF
        last, wrapped = UnaryCall(), UnaryCall()
        calls.start(last, b"")
        calls.start(wrapped, b"")
        self.assertEqual((last.id, wrapped.id), (0xFFFFFFFF, 3))

    def test_decoder_takes_frames_that_come_together(self) -> None:
        decoder = FrameDecoder()
        self.assertEqual(
            list(decoder.feed(encode(1, 3, 0, b"a") + encode(3, 3, 5, b"") + b"\x00")),
            [Frame(1, 3, 0, b"a"), Frame(3, 3, 5, b"")],
        )


class Addresses(unittest.TestCase):
    def test_addresses(self) -> None:
        self.assertEqual(parse("localhost:1"), Address("localhost", 1, None))
        self.assertEqual(str(parse("[::1]:7411")), "[::1]:7411")
        self.assertEqual(parse("unix:/run/berth.sock").path, "/run/berth.sock")
        for wrong in ("", "host", "host:", ":1", "host:0", "host:65536", "host:1x", "unix:"):
            if wrong:
                with self.assertRaises(ValueError, msg=wrong):
                    parse(wrong)


class Generated(unittest.TestCase):
    def test_the_messages_are_what_the_proto_files_say(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([str(PACKAGE / "generate"), folder], check=True)
            for path in Path(folder).rglob("*_pb2.py*"):
                committed = PACKAGE / "src/berth" / path.relative_to(folder)
                self.assertEqual(committed.read_text(), path.read_text(), f"{committed}: run clients/python/generate")


if __name__ == "__main__":
    unittest.main()
