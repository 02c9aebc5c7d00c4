# SPDX-License-Identifier: Apache-2.0
"""Where messages begin and end in what passes, against what libzmq itself sends."""

from __future__ import annotations

import random
import unittest
from typing import List

import zmq

from berth_jupyter.messages import Writer, seen
from berth_jupyter.zmtp import Cutter, encoded

#: What a DEALER of no security sends first, and its READY.
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)
READY = b"\x04\x26\x05READY" + b"\x0bSocket-Type\x00\x00\x00\x06DEALER"[:32].ljust(32, b"\0")
MESSAGES = [[b"a"], [b"", b"b"], [b"x" * 300, b"", b"y" * 255], [b"z" * 70_000, b"end"], [b""]]


class CutterTests(unittest.TestCase):
    def setUp(self) -> None:
        self.seen: List[List[bytes]] = []
        self.cutter = Cutter(self.seen.append)
        self.wire = GREETING + READY + b"".join(encoded(message) for message in MESSAGES)
        #: A frame that is too large is seen, without its bytes.
        self.expected = [[frame if len(frame) <= 65536 else b"" for frame in message] for message in MESSAGES]

    def test_messages_are_seen_in_one_piece(self) -> None:
        self.assertEqual(self.cutter.feed(self.wire), len(self.wire))
        self.assertEqual(self.seen, self.expected)

    def test_messages_are_seen_byte_by_byte_and_in_random_pieces(self) -> None:
        seed = random.randrange(1 << 32)
        for sizes in (lambda: 1, lambda r=random.Random(seed): r.randrange(1, 5000)):
            self.setUp()
            place = 0
            while place < len(self.wire):
                size = sizes()
                self.cutter.feed(self.wire[place : place + size])
                place += size
            self.assertEqual(self.seen, self.expected, f"seed {seed}")

    def test_the_end_of_the_last_whole_message_is_told(self) -> None:
        self.cutter.feed(GREETING + READY)
        one, other = encoded([b"one", b"1"]), encoded([b"other"])
        self.assertEqual(self.cutter.feed(one + other[:3]), len(one))
        self.assertEqual(self.cutter.feed(other[3:5]), 0)
        self.assertEqual(self.cutter.feed(other[5:] + one[:1]), len(other) - 5)

    def test_a_greeting_is_passed_on_in_its_parts(self) -> None:
        self.assertEqual(self.cutter.feed(GREETING[:11]), 11)
        self.assertEqual(self.cutter.feed(GREETING[11:]), 53)

    def test_a_message_of_ours_is_one_to_libzmq_and_to_jupyter(self) -> None:
        from jupyter_client.session import Session

        with zmq.Context() as context, context.socket(zmq.STREAM) as raw, context.socket(zmq.SUB) as subscriber:
            port = raw.bind_to_random_port("tcp://127.0.0.1")
            subscriber.subscribe(b"")
            subscriber.connect(f"tcp://127.0.0.1:{port}")
            id, _ = raw.recv_multipart()
            ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04XPUB"
            told = Writer(b"key", "hmac-sha256").message("error", {"evalue": "x" * 300}, {"msg_id": "1"}, b"topic")
            raw.send_multipart([id, GREETING])
            while b"READY" not in raw.recv_multipart()[1]:
                pass
            raw.send_multipart([id, bytes((4, len(ready))) + ready + told])
            self.assertTrue(subscriber.poll(5000))
            frames = subscriber.recv_multipart()
            message = Session(key=b"key").deserialize(Session(key=b"key").feed_identities(frames)[1])
            self.assertEqual((message["content"]["evalue"], message["parent_header"]["msg_id"]), ("x" * 300, "1"))
            looked = seen(frames)
            self.assertEqual(looked and looked.header["msg_type"], "error")


if __name__ == "__main__":
    unittest.main()
