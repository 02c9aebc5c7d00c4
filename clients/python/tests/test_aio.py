# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio, against the same double."""

import asyncio
import gc
import os
import ssl
import threading
import time
import unittest
from typing import Any, Awaitable, Callable, Dict, List, Optional

import berth
import berth.aio
from berth.v1 import pool_pb2

from .double import Asked, Double, Handler, certificate
from .test_client import WINDOW, Credit, echo


class AsyncClientTests(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        gc.collect()
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.threads = threading.active_count()
        self.doubles: List[Double] = []
        self.clients: List[berth.aio.Client] = []

    async def asyncTearDown(self) -> None:
        for client in self.clients:
            await client.close()
        for double in self.doubles:
            double.close()
        gc.collect()
        self.assertEqual(threading.active_count(), self.threads, "threads are left")
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.descriptors, "descriptors are left")
        others = asyncio.all_tasks() - {asyncio.current_task()}
        self.assertFalse([task for task in others if task.get_coro().__qualname__.startswith("Client")])  # type: ignore

    def serve(self, handlers: Optional[Dict[str, Handler]] = None, **options: Any) -> Double:
        self.doubles.append(Double(handlers, **options))
        return self.doubles[-1]

    def connect(self, double: Double, **options: Any) -> berth.aio.Client:
        self.clients.append(berth.aio.Client(double.address, **options))
        return self.clients[-1]

    async def asked(self, double: Double, method: str) -> Asked:
        """Without holding up the loop."""
        end = time.monotonic() + 5
        while double.asked.empty() and time.monotonic() < end:
            await asyncio.sleep(0.001)
        return double.next(method)

    async def test_many_calls_at_a_time(self) -> None:
        client = self.connect(self.serve({"Execute": echo}))
        results = await asyncio.gather(*(client.run([f"{number}"]) for number in range(100)))
        self.assertEqual([result.text for result in results], [f"{number}" for number in range(100)])

    async def test_output_comes_as_it_is_written(self) -> None:
        double = self.serve({"Execute": lambda asked: asked.started()})
        double.handlers["Execute"] = double.asked.put
        async with self.connect(double).execute(["x"]) as execution:
            asked = await self.asked(double, "Execute")
            asked.started()
            asked.output(0, b"one")
            events = execution.__aiter__()
            self.assertEqual(await events.__anext__(), berth.Output(berth.Stream.STDOUT, 0, b"one"))
            asked.output(0, b"two", 1)
            self.assertEqual(await events.__anext__(), berth.Output(berth.Stream.STDERR, 0, b"two"))
            asked.exited(4)
            self.assertEqual((await execution.wait()).exit_code, 4)

    async def test_credit_is_given_back_as_output_is_consumed(self) -> None:
        credit = Credit(3_000_000)
        client = self.connect(self.serve(credit.handlers()), window=WINDOW)
        self.assertEqual(len((await client.run(["yes"])).stdout), 3_000_000)
        self.assertLessEqual(credit.most_ahead, WINDOW)

    async def test_a_stalled_stream_takes_a_window_and_hinders_no_other_call(self) -> None:
        credit = Credit(3_000_000)
        client = self.connect(self.serve(credit.handlers()), window=WINDOW)
        async with client.execute(["yes"]) as stalled:
            self.assertEqual(await stalled.id(), "e1")
            for _ in range(200):
                await client.hello()
            self.assertLessEqual(stalled._call.size, WINDOW + 8192)
            self.assertEqual(len((await stalled.result()).stdout), 3_000_000)

    async def test_when_the_server_goes_every_open_call_fails_within_a_second(self) -> None:
        double = self.serve({"Execute": lambda asked: asked.started()})
        client = self.connect(double)
        await client.hello()
        calls: List[Awaitable[object]] = []
        for _ in range(5):
            calls += [client.acquire(), client.run(["sleep"]), client.stats()]
        tasks = [asyncio.ensure_future(call) for call in calls]
        for _ in range(10):
            while double.asked.empty():
                await asyncio.sleep(0.001)
            double.asked.get()
        double.peers[0].kill()
        begin = time.monotonic()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        self.assertLess(time.monotonic() - begin, 1)
        self.assertEqual({type(failure) for failure in failures}, {berth.UnavailableError})
        self.assertEqual((await client.hello()).version, "double/1", "and a new call connects again")

    async def test_a_lease_of_a_cancelled_task_is_released(self) -> None:
        double = self.serve()
        client = self.connect(double)
        task = asyncio.ensure_future(client.acquire())
        asked = await self.asked(double, "Acquire")
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        asked.answer(pool_pb2.AcquireResponse(lease="late"))
        release = await self.asked(double, "Release")
        self.assertEqual(pool_pb2.ReleaseRequest.FromString(release.payload).lease, "late")

    async def test_a_context_of_a_cancelled_task_is_closed(self) -> None:
        double = self.serve()
        lease = self.connect(double).lease("l1")
        context = berth.aio.Context(lease, "c1")
        for method, opening in (("OpenContext", lease.context("python")), ("ForkContext", context.fork())):
            task = asyncio.ensure_future(opening)
            asked = await self.asked(double, method)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            # Both answers have the id in the same field.
            asked.answer(pool_pb2.OpenContextResponse(context="late"))
            close = pool_pb2.CloseContextRequest.FromString((await self.asked(double, "CloseContext")).payload)
            self.assertEqual((close.lease, close.context), ("l1", "late"))

    async def test_leaving_an_execution_detaches_from_it_also_before_it_started(self) -> None:
        double = self.serve()
        client = self.connect(double)
        for starts_first in (True, False):
            async with client.execute(["yes"]) as execution:
                asked = await self.asked(double, "Execute")
                if starts_first:
                    asked.started("e9", 4)
                    self.assertEqual(await execution.id(), "e9")
            if not starts_first:
                asked.started("e9", 4)
            detach = await self.asked(double, "Detach")
            self.assertEqual(pool_pb2.DetachRequest.FromString(detach.payload).execution, "e9")

    async def test_one_task_may_write_while_another_iterates(self) -> None:
        execution: List[Asked] = []

        def take(asked: Asked) -> None:
            asked.answer(pool_pb2.InputResponse(offset=2))
            execution[0].output(0, b"hi")
            execution[0].exited()

        double = self.serve({"Input": take})
        async with self.connect(double).execute(["cat"], keep_stdin_open=True) as running:
            both = asyncio.gather(running.result(), running.write(b"hi"))
            execution.append(await self.asked(double, "Execute"))
            execution[0].started()
            result, _ = await asyncio.wait_for(both, 5)
            self.assertEqual(result.stdout, b"hi")

    async def test_deadlines(self) -> None:
        client = self.connect(self.serve())
        calls: List[Callable[[], Awaitable[object]]] = [
            lambda: client.acquire(deadline=0.1), lambda: client.run(["sleep"], deadline=0.1)
        ]
        for call in calls:
            begin = time.monotonic()
            with self.assertRaises(berth.DeadlineExceededError):
                await call()
            self.assertLess(time.monotonic() - begin, 2)

    async def test_without_a_server_a_call_fails_when_the_connect_time_out_is_up(self) -> None:
        with Double() as double:
            address = double.address
        begin = time.monotonic()
        with self.assertRaises(berth.UnavailableError):
            await berth.aio.Client(address, connect_timeout=0.3).hello()
        self.assertLess(time.monotonic() - begin, 1)

    async def test_tls(self) -> None:
        with certificate("berth.test") as path:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path)
            double = self.serve({"Execute": echo}, tls=context)
            client = self.connect(double, tls=ssl.create_default_context(cafile=path), server_name="berth.test")
            self.assertEqual((await client.run(["a"])).text, "a")
            with self.assertRaises(berth.UnavailableError):
                await self.connect(double, tls=True).hello()
            await client.close()


if __name__ == "__main__":
    unittest.main()
