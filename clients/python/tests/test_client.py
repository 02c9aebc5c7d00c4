# SPDX-License-Identifier: Apache-2.0
"""The synchronous client, against a server that does what the test tells it to."""

import gc
import os
import signal
import ssl
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional

import berth
from berth import Client
from berth._calls import STREAM_LIMIT
from berth.v1 import pool_pb2

from .double import Asked, Double, Handler, certificate

WINDOW = 64 << 10


class Credit:
    """Sends `total` bytes of output, never more than the window ahead of what was acknowledged, as the server does."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.sent = 0
        self.acknowledged = 0
        self.most_ahead = 0
        self.posts = 0
        self._changed = threading.Condition()
        self._window = 0

    def execute(self, asked: Asked) -> None:
        self._window = pool_pb2.ExecuteRequest.FromString(asked.payload).window_bytes
        threading.Thread(target=self._send, args=(asked,), name="double").start()

    def acknowledge(self, asked: Asked) -> None:
        request = pool_pb2.AcknowledgeRequest.FromString(asked.payload)
        assert (request.execution, request.watcher) == ("e1", 7)
        with self._changed:
            self.posts += 1
            self.acknowledged = max(self.acknowledged, request.stdout_offset)
            self._changed.notify()
        asked.answer()

    def _send(self, asked: Asked) -> None:
        asked.started()
        while self.sent < self.total:
            size = min(32 << 10, self.total - self.sent)
            with self._changed:
                if not self._changed.wait_for(lambda: self.sent + size - self.acknowledged <= self._window, 10):
                    return
            asked.output(self.sent, bytes(size))
            self.sent += size
            self.most_ahead = max(self.most_ahead, self.sent - self.acknowledged)
        asked.exited()

    def handlers(self) -> Dict[str, Handler]:
        return {"Execute": self.execute, "Acknowledge": self.acknowledge}


def echo(asked: Asked) -> None:
    """Says what it was asked to run."""
    data = " ".join(pool_pb2.ExecuteRequest.FromString(asked.payload).argv).encode()
    asked.started()
    asked.output(0, data)
    asked.exited()


class ClientTests(unittest.TestCase):
    def setUp(self) -> None:
        gc.collect()
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.threads = threading.active_count()

    def tearDown(self) -> None:
        self.doCleanups()
        gc.collect()
        self.assertEqual(threading.active_count(), self.threads, "threads are left")
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.descriptors, "descriptors are left")

    def serve(self, handlers: Optional[Dict[str, Handler]] = None, **options: Any) -> Double:
        double = Double(handlers, **options)
        self.addCleanup(double.close)
        return double

    def connect(self, double: Double, **options: Any) -> Client:
        client = Client(double.address, **options)
        self.addCleanup(client.close)
        return client

    # MARK: Calls

    def test_run_collects_what_a_program_wrote(self) -> None:
        client = self.connect(self.serve({"Execute": echo}))
        result = client.run(["a", "b"])
        self.assertEqual((result.stdout, result.text, result.ok, result.exit_code), (b"a b", "a b", True, 0))

    def test_calls_of_many_threads_are_answered_in_any_order(self) -> None:
        waiting: List[Asked] = []

        def in_pairs(asked: Asked) -> None:
            waiting.append(asked)
            if len(waiting) == 2:
                for other in reversed(waiting):
                    echo(other)
                waiting.clear()

        client = self.connect(self.serve({"Execute": in_pairs}))
        together = threading.Barrier(8)

        def many(number: int) -> None:
            for turn in range(50):
                together.wait(10)
                self.assertEqual(client.run([f"{number}.{turn}"]).text, f"{number}.{turn}")

        with ThreadPoolExecutor(8) as executor:
            list(executor.map(many, range(8)))

    def test_a_deadline_goes_with_the_call_and_is_kept_here_too(self) -> None:
        double = self.serve()
        client = self.connect(double)
        client.hello()
        begin = time.monotonic()
        with self.assertRaises(berth.DeadlineExceededError):
            client.acquire(deadline=0.1)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertLessEqual(double.next("Acquire").timeout_nano, 100_000_000)
        with self.assertRaises(berth.DeadlineExceededError):
            client.run(["sleep"], deadline=0.1)
        self.assertGreater(double.next("Execute").timeout_nano, 0)

    def test_a_lease_that_comes_too_late_is_released(self) -> None:
        double = self.serve()
        client = self.connect(double)
        with self.assertRaises(berth.DeadlineExceededError):
            client.acquire(deadline=0.05)
        double.next("Acquire").answer(pool_pb2.AcquireResponse(lease="late"))
        client.hello()
        self.assertEqual(pool_pb2.ReleaseRequest.FromString(double.next("Release").payload).lease, "late")

    def test_leaving_a_with_releases_the_lease_even_when_that_fails(self) -> None:
        double = self.serve({"Acquire": lambda asked: asked.answer(pool_pb2.AcquireResponse(lease="l1", member="m1"))})
        double.handlers["Release"] = lambda asked: asked.fail(5, "gone")
        with self.connect(double).acquire() as lease:
            self.assertNotIn("l1", repr(lease))
        with self.assertRaises(berth.NotFoundError):
            lease.release()

    def test_input_is_sent_in_pieces_with_offsets(self) -> None:
        taken = bytearray(b"first")
        pieces: List[int] = []

        def take(asked: Asked) -> None:
            request = pool_pb2.InputRequest.FromString(asked.payload)
            assert request.offset == len(taken), (request.offset, len(taken))
            taken.extend(request.data)
            pieces.append(len(request.data))
            asked.answer(pool_pb2.InputResponse(offset=len(taken)))
            if request.end:
                execution[0].exited()

        execution: List[Asked] = []
        double = self.serve({"Input": take})

        def start(asked: Asked) -> None:
            execution.append(asked)
            asked.started()

        double.handlers["Execute"] = start
        with self.connect(double).execute(["cat"], stdin=b"first", keep_stdin_open=True) as running:
            running.write(bytes(600_000))
            running.write(b"")
            running.close_stdin(b"last")
            self.assertTrue(running.wait().ok)
        self.assertEqual(bytes(taken), b"first" + bytes(600_000) + b"last")
        self.assertEqual(pieces, [262144, 262144, 75712, 4])

    def test_one_thread_may_write_while_another_iterates(self) -> None:
        """The iterating one waits for output that only comes when the other one has learned the id and written."""
        execution: List[Asked] = []

        def take(asked: Asked) -> None:
            asked.answer(pool_pb2.InputResponse(offset=2))
            execution[0].output(0, b"hi")
            execution[0].exited()

        double = self.serve({"Input": take})
        with self.connect(double).execute(["cat"], keep_stdin_open=True) as running, ThreadPoolExecutor(2) as executor:
            result = executor.submit(running.result)
            writing = executor.submit(running.write, b"hi")
            execution.append(double.next("Execute"))
            execution[0].started()
            writing.result(5)
            self.assertEqual(result.result(5).stdout, b"hi")

    def test_what_cannot_be_right_is_told_before_anything_is_sent(self) -> None:
        client = Client("127.0.0.1:1")
        wrong_options: List[Dict[str, Any]] = [{"argv": "ls -l"}, {"argv": ["a"], "nonsense": 1}]
        for wrong in wrong_options:
            with self.assertRaises(TypeError):
                client.run(**wrong)
        bad_options: List[Dict[str, Any]] = [
            {}, {"argv": []}, {"argv": ["a"], "shell": "b"}, {"argv": ["a"], "timeout": -1.0}, {"argv": ["a"], "window": 1},
            {"argv": ["a"], "uid": -1}, {"argv": ["a"], "keep_stdin_open": True}, {"argv": ["a"], "no_echo": True},
        ]
        for bad in bad_options:
            with self.assertRaises(ValueError):
                client.run(**bad)

    def test_a_request_over_4_mib_fails_and_the_connection_lives_on(self) -> None:
        client = self.connect(self.serve({"Execute": echo}))
        with self.assertRaises(berth.ResourceExhaustedError):
            client.run(["cat", "x" * (4 << 20)])
        self.assertTrue(client.run(["cat"]).ok)

    # MARK: Credit

    def test_credit_is_given_back_as_output_is_consumed(self) -> None:
        credit = Credit(3_000_000)
        client = self.connect(self.serve(credit.handlers()), window=WINDOW)
        self.assertEqual(len(client.run(["yes"]).stdout), 3_000_000)
        self.assertLessEqual(credit.most_ahead, WINDOW)
        self.assertLessEqual(credit.posts, 3_000_000 // (WINDOW // 4) + 1)

    def test_a_stalled_stream_takes_a_window_and_hinders_no_other_call(self) -> None:
        credit = Credit(3_000_000)
        client = self.connect(self.serve(credit.handlers()), window=WINDOW)
        with client.execute(["yes"]) as stalled:
            self.assertEqual(stalled.id, "e1")
            for _ in range(200):
                client.hello()
            self.assertLessEqual(stalled._call.size, WINDOW + 8192)
            self.assertLessEqual(credit.sent, WINDOW)
            total = sum(len(output.data) for output in stalled if isinstance(output, berth.Output))
        self.assertEqual(total, 3_000_000)

    def test_without_windows_reading_stops_before_memory_is_lost(self) -> None:
        flood: List[Asked] = []

        def start(asked: Asked) -> None:
            flood.append(asked)
            asked.started()

        double = self.serve({"Execute": start})
        client = self.connect(double)
        with client.execute(["yes"]) as stalled:
            stalled.id
            sending = threading.Thread(target=self._flood, args=(flood[0], 3 * STREAM_LIMIT))
            sending.start()
            with self.assertRaises(berth.DeadlineExceededError):
                client.call("Nothing", pool_pb2.HelloRequest(), pool_pb2.HelloResponse, deadline=1)
            self.assertLess(stalled._call.size, STREAM_LIMIT + (1 << 20))
            total = sum(len(output.data) for output in stalled if isinstance(output, berth.Output))
            sending.join()
        self.assertEqual(total, 3 * STREAM_LIMIT)

    @staticmethod
    def _flood(asked: Asked, total: int) -> None:
        for offset in range(0, total, 32 << 10):
            asked.output(offset, bytes(32 << 10))
        asked.exited()

    def test_a_gap_is_told_and_credit_counts_on_from_behind_it(self) -> None:
        acknowledged: List[int] = []

        def attach(asked: Asked) -> None:
            asked.started()
            dropped = pool_pb2.Dropped(stream=pool_pb2.STDOUT, offset=10, bytes=90)
            asked.event(pool_pb2.ExecuteEvent(dropped=dropped))
            asked.output(100, bytes(WINDOW // 4))

        def acknowledge(asked: Asked) -> None:
            acknowledged.append(pool_pb2.AcknowledgeRequest.FromString(asked.payload).stdout_offset)

        double = self.serve({"Attach": attach, "Acknowledge": acknowledge, "Detach": lambda asked: asked.answer()})
        client = self.connect(double, window=WINDOW)
        with client.lease("l1").attach("e1", stdout_offset=10) as watching:
            events = iter(watching)
            self.assertEqual(next(events), berth.Dropped(berth.Stream.STDOUT, 10, 90))
            self.assertEqual(len(next(events).data), WINDOW // 4)  # type: ignore[union-attr]
        client.hello()
        self.assertEqual(acknowledged, [100 + WINDOW // 4])

    # MARK: Giving up

    def test_leaving_an_execution_detaches_from_it(self) -> None:
        double = self.serve()
        client = self.connect(double)
        with client.execute(["yes"]) as execution:
            asked = double.next("Execute")
            asked.started("e9", 4)
            self.assertEqual(execution.id, "e9")
        request = pool_pb2.DetachRequest.FromString(double.next("Detach").payload)
        self.assertEqual((request.execution, request.watcher), ("e9", 4))
        with self.assertRaises(berth.CancelledError):
            execution.wait()

    def test_one_that_was_left_before_it_started_is_detached_when_it_does(self) -> None:
        double = self.serve()
        client = self.connect(double)
        with client.execute(["yes"]):
            pass
        asked = double.next("Execute")
        asked.started("e9", 4)
        asked.output(0, b"nobody reads this")
        client.hello()
        self.assertEqual(pool_pb2.DetachRequest.FromString(double.next("Detach").payload).execution, "e9")

    def test_one_that_was_dropped_is_detached_by_the_next_call(self) -> None:
        double = self.serve()
        client = self.connect(double)
        execution: Any = client.execute(["yes"])
        double.next("Execute").started("e9", 4)
        self.assertEqual(execution.id, "e9")
        del execution
        gc.collect()
        client.hello()
        self.assertEqual(pool_pb2.DetachRequest.FromString(double.next("Detach").payload).execution, "e9")

    def test_an_interrupted_wait_leaves_the_connection_as_it_was(self) -> None:
        double = self.serve()
        client = self.connect(double)
        client.hello()

        class Interrupt(BaseException):
            pass

        def interrupt(*_: object) -> None:
            raise Interrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        for _ in range(20):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with self.assertRaises(Interrupt):
                client.acquire()
            double.next("Acquire")
            self.assertEqual(client.hello().version, "double/1")
        self.assertEqual(len(double.peers), 1)

    # MARK: Loss

    def test_when_the_server_goes_every_open_call_fails_within_a_second(self) -> None:
        double = self.serve({"Execute": lambda asked: asked.started()})
        client = self.connect(double)
        client.hello()
        failed: List[float] = []

        def fails(call: Callable[[], object]) -> None:
            with self.assertRaises(berth.UnavailableError):
                call()
            failed.append(time.monotonic())

        calls: List[Callable[[], object]] = [client.acquire, lambda: client.run(["sleep"]), client.stats] * 5
        with ThreadPoolExecutor(len(calls)) as executor:
            done = [executor.submit(fails, call) for call in calls]
            for _ in range(10):
                double.asked.get(timeout=5)
            begin = time.monotonic()
            double.peers[0].kill()
            for future in done:
                future.result(5)
        self.assertLess(max(failed) - begin, 1)

    def test_new_calls_connect_again(self) -> None:
        double = self.serve()
        client = self.connect(double)
        for number in range(1, 4):
            client.hello()
            self.assertEqual(len(double.peers), number)
            double.peers[-1].kill()
            self._until_closed(double)

    @staticmethod
    def _until_closed(double: Double) -> None:
        """Until the client's kernel has been told: the listener's accept comes after that."""
        for thread in double._threads[1:]:
            thread.join()

    def test_without_a_server_a_call_fails_when_the_connect_time_out_is_up(self) -> None:
        with Double() as double:
            address = double.address
        client = Client(address, connect_timeout=0.3)
        begin = time.monotonic()
        with self.assertRaises(berth.UnavailableError) as caught:
            client.hello()
        self.assertLess(time.monotonic() - begin, 1)
        self.assertIn(address, str(caught.exception))

    def test_a_server_that_comes_late_is_found(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/late.sock"
            client = Client(f"unix:{path}", connect_timeout=10)
            self.addCleanup(client.close)
            with ThreadPoolExecutor(1) as executor:
                answer = executor.submit(client.hello)
                time.sleep(0.2)  # Some tries fail meanwhile; how many is of no matter.
                self.serve(path=path)
                self.assertEqual(answer.result(10).version, "double/1")

    def test_broken_bytes_end_the_connection_and_the_next_call_makes_a_new_one(self) -> None:
        double = self.serve()
        client = self.connect(double)
        for junk in (b"\xff" * 10, b"\x00\x00\x00\x02\x00\x00\x00\x05\x02\x00\x0a\x7f"):
            with ThreadPoolExecutor(1) as executor:
                answer = executor.submit(client.stats)
                asked = double.next("Stats")
                junk = junk.replace(b"\x00\x00\x00\x05", asked.stream.to_bytes(4, "big"))
                asked.peer.connection.sendall(junk)
                with self.assertRaises(berth.UnavailableError):
                    answer.result(5)
            self.assertEqual(client.hello().version, "double/1")

    def test_closing_ends_calls_in_other_threads(self) -> None:
        double = self.serve()
        client = self.connect(double)
        with ThreadPoolExecutor(1) as executor:
            answer = executor.submit(client.stats)
            double.next("Stats")
            client.close()
            with self.assertRaises(berth.UnavailableError):
                answer.result(5)
        with self.assertRaises(RuntimeError):
            client.hello()

    # MARK: Other servers, other sockets

    def test_a_plain_ttrpc_server_that_knows_nothing_of_berth(self) -> None:
        double = self.serve({"Hello": lambda asked: asked.fail(12, "service berth.v1.Pool")})
        double.handlers["Acquire"] = lambda asked: asked.answer(pool_pb2.AcquireResponse(lease="lease-1"))
        client = self.connect(double)
        answer = client.call("Acquire", pool_pb2.AcquireRequest(), pool_pb2.AcquireResponse, service="demo.v1.Exec")
        self.assertEqual(answer.lease, "lease-1")
        with self.assertRaises(berth.UnimplementedError):
            client.hello()

    def test_unix_sockets(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            client = self.connect(self.serve(path=folder + "/berth.sock"))
            self.assertEqual(client.hello().pools, ["default"])

    def test_tls_with_the_right_authority_and_only_with_that(self) -> None:
        with certificate("berth.test") as path:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path)
            credit = Credit(3_000_000)
            double = self.serve(credit.handlers(), tls=context)
            trusting = ssl.create_default_context(cafile=path)
            client = self.connect(double, tls=trusting, server_name="berth.test")
            self.assertEqual(client.hello().version, "double/1")
            self.assertEqual(len(client.run(["yes"]).stdout), 3_000_000)
            for options in ({"tls": True}, {"tls": trusting, "server_name": "other.test"}):
                begin = time.monotonic()
                with self.assertRaises(berth.UnavailableError):
                    self.connect(double, **options).hello()
                self.assertLess(time.monotonic() - begin, 2, "what cannot get better is not tried again")


if __name__ == "__main__":
    unittest.main()
