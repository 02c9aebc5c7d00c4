#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance driver of the Python clients: replays scenarios, prints transcripts.

    conformance.py FILE [SCENARIO…]        the synchronous client
    conformance.py --async FILE [SCENARIO…]

The format is in proto/vectors/README.md.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
import time
import zlib
from typing import Any, Awaitable, Callable, Dict, List, Tuple, TypeVar, Union
from urllib.parse import unquote_to_bytes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))

import berth  # noqa: E402
import berth.aio  # noqa: E402
from berth.v1 import pool_pb2  # noqa: E402

T = TypeVar("T")
OPTIONS = {"wait_ms", "timeout_ms", "grace_ms", "idle_timeout_ms", "cpu_time_ms", "deadline_ms", "resumable_ms"}
STREAMS = (berth.Stream.STDOUT, berth.Stream.STDERR)


class Step:
    """A verb and its words."""

    def __init__(self, line: str) -> None:
        self.verb, *words = line.split()
        self._words: Dict[str, List[bytes]] = {}
        for word in words:
            key, _, value = word.partition("=")
            self._words.setdefault(key, []).append(unquote_to_bytes(value))

    def __contains__(self, key: str) -> bool:
        return key in self._words

    def data(self, key: str, default: bytes = b"") -> bytes:
        return self._words.pop(key, [default])[0]

    def text(self, key: str, default: str = "") -> str:
        return self.data(key, default.encode()).decode("utf-8", "surrogateescape")

    def number(self, key: str, default: int = 0) -> int:
        return int(self.data(key, b"%d" % default))

    def all(self, key: str) -> List[str]:
        return [value.decode("utf-8", "surrogateescape") for value in self._words.pop(key, [])]

    def unused(self) -> List[str]:
        return sorted(self._words)


def quoted(data: bytes) -> str:
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x25 else f"%{b:02X}" for b in data)


def shown_path(path: str) -> str:
    return quoted(os.fsencode(path))


def shown(data: bytes) -> str:
    return quoted(data) if len(data) <= 128 else f"bytes={len(data)} crc32={zlib.crc32(data):08x}"


def end_words(end: berth.End) -> str:
    words = end.cause.name.lower()
    if end.cause is berth.EndCause.EXITED or end.exit_code:
        words += f" code={end.exit_code}"
    if end.signal:
        words += f" signal={end.signal}"
    if end.start_failure:
        words += f" failure={end.start_failure.name.lower()}"
    for name in ("stdout_truncated", "stderr_truncated"):
        if getattr(end, name):
            words += f" {name}={getattr(end, name)}"
    return words + (" context_lost=1" if end.context_lost else "")


def shown_words(event: Union[berth.Display, berth.Failure, berth.Prompt]) -> str:
    """A display, a failure or a prompt."""
    if isinstance(event, berth.Display):
        words = "display" + (f" id={shown(event.id.encode())}" if event.id else "")
        words += (" update=1" if event.update else "") + (" result=1" if event.is_result else "")
        words += "".join(f" {quoted(mime.encode())}={shown(data)}" for mime, data in sorted(event.data.items()))
        return words + "".join(f" left-out={quoted(mime.encode())}:{n}" for mime, n in sorted(event.left_out.items()))
    if isinstance(event, berth.Failure):
        words = f"failure {quoted(event.name.encode())}" + (f" {shown(event.message.encode())}" if event.message else "")
        return words + (f" last={shown(event.traceback[-1].encode())}" if event.traceback else "")
    return f"prompt {shown(event.text.encode())}" + (" password=1" if event.password else "")


class Watched:
    """An execution, and what of its output was taken and not yet shown."""

    def __init__(self, execution: Any, lease: str) -> None:
        self.execution = execution
        self.lease = lease
        self.id = ""
        self.events = execution.__aiter__() if hasattr(execution, "__aiter__") else iter(execution)
        self.buffers = {stream: bytearray() for stream in STREAMS}
        self.dropped = {stream: 0 for stream in berth.Stream}


class Connected:
    """A connection, of either client: a socket, or a reader and a writer."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self.kept = bytearray()
        self.end = ""

    async def send(self, data: bytes, end: bool) -> str:
        """What a step's line adds: nothing, or how it failed."""
        try:
            if isinstance(self._made, tuple):
                writer = self._made[1]
                writer.write(data)
                await writer.drain()
                if end:
                    writer.write_eof()
            else:
                # On a thread, so that what comes can be taken meanwhile.
                await asyncio.get_running_loop().run_in_executor(None, self._send, data, end)
        except (BrokenPipeError, ConnectionResetError):
            return " broken"
        except ConnectionAbortedError:
            return " aborted"
        return ""

    def _send(self, data: bytes, end: bool) -> None:
        self._made.sendall(data)
        if end:
            self._made.shutdown(socket.SHUT_WR)

    async def take(self, count: float) -> None:
        """Takes what comes, until so much is there, or the end."""
        while len(self.kept) < count and not self.end:
            try:
                is_pair = isinstance(self._made, tuple)
                data = await self._made[0].read(65536) if is_pair else self._made.recv(65536)
                self.kept += data
                self.end = "" if data else "end"
            except ConnectionResetError:
                self.end = "reset"
            except ConnectionAbortedError:
                self.end = "aborted"

    async def close(self) -> None:
        if not isinstance(self._made, tuple):
            return self._made.close()  # type: ignore[no-any-return]
        self._made[1].close()
        await self._made[1].wait_closed()


class Driver:
    """Does steps with either client: what a call returns is awaited if it wants to be."""

    def __init__(self, make_client: Callable[..., Any]) -> None:
        self._make_client = make_client

    async def run(self, path: str, wanted: List[str]) -> None:
        steps: List[str] = []
        name = ""
        with open(path, encoding="ascii") as file:
            for line in map(str.strip, file):
                if line.startswith("scenario "):
                    name, steps = line.split()[1], []
                elif line == "end":
                    if not wanted or name in wanted:
                        await self._replay(name, steps)
                elif line and line[0] not in "#=":
                    steps.append(line)

    async def _replay(self, name: str, steps: List[str]) -> None:
        self._clients: Dict[str, Any] = {"main": self._make_client()}
        self._leases: Dict[str, Any] = {}
        self._contexts: Dict[str, Tuple[Any, str]] = {}
        self._watched: Dict[str, Watched] = {}
        self._archives: Dict[str, bytes] = {}
        self._connected: Dict[str, Connected] = {}
        say(f"scenario {name}")
        for line in steps:
            await self._do(Step(line))
        for client in self._clients.values():
            await done(client.close())
        say("end")

    async def _do(self, step: Step) -> None:
        begin = time.monotonic()
        within = step.number("within_ms") / 1000
        gives_reason = step.number("reason") == 1
        method = getattr(self, "do_" + step.verb.replace("-", "_"), None)
        try:
            if method is None:
                say(f"unsupported {step.verb}")
            else:
                # Before the step takes its words: what its line is called when it fails.
                name = step.verb
                for key in {
                    "acquire": "as", "start": "as", "attach": "as", "read-archive": "as", "open-context": "as", "run": "",
                    "fork-context": "as", "dial": "as",
                }.get(step.verb, "exec lease archive path context").split():
                    if key in step and not (key == "lease" and ("path" in step or "archive" in step)):
                        name += " " + quoted(Step.data(copy_of(step), key))
                        break
                await method(step)
                for key in step.unused():
                    say(f"unsupported {step.verb} {key}")
        except berth.BerthError as error:
            print(f"{name}: {error}", file=sys.stderr)
            say(f"{name} error {error.code.name}" + (f" reason={error.reason.name}" if gives_reason else ""))
        except Exception as error:  # noqa: BLE001
            say(f"failed {quoted(repr(error).encode())}")
        if within and time.monotonic() - begin > within:
            say("late")

    # MARK: Steps

    def _client(self, step: Step) -> Any:
        return self._clients[step.text("client", "main")]

    def _lease(self, step: Step) -> Any:
        """The lease, as the step's client sees it."""
        lease = self._leases[step.text("lease")]
        return self._clients[step.text("client")].lease(lease.token) if "client" in step else lease

    def _where(self, step: Step) -> Any:
        return self._lease(step) if "lease" in step else self._client(step)

    async def do_connect(self, step: Step) -> None:
        name = step.text("as")
        options: Dict[str, Any] = {}
        if "window" in step:
            options["window"] = step.number("window")
        if "connect_timeout_ms" in step:
            options["connect_timeout"] = step.number("connect_timeout_ms") / 1000
        if "address" in step:
            options["address"] = step.text("address")
        try:
            self._clients[name] = self._make_client(**options)
            say(f"connected {name}")
        except ValueError as error:
            say(f"connect {name} refused {shown(str(error).encode())}")

    async def do_close(self, step: Step) -> None:
        name = step.text("client")
        await done(self._clients[name].close())
        say(f"closed {name}")

    async def do_hello(self, step: Step) -> None:
        server = await done(self._client(step).hello())
        say("hello pools=" + ",".join(server.pools))

    async def do_acquire(self, step: Step) -> None:
        name = step.text("as")
        options: Dict[str, Any] = {"pool": step.text("pool") or None, "detached": step.number("detached") == 1}
        for key in ("wait", "ttl"):
            if key + "_ms" in step:
                options[key] = step.number(key + "_ms") / 1000
        self._leases[name] = await done(self._client(step).acquire(**options))
        say(f"acquired {name}")

    async def do_token(self, step: Step) -> None:
        self._leases[step.text("as")] = self._client(step).lease(step.text("token"))

    async def do_renew(self, step: Step) -> None:
        name = copy_of(step).text("lease")
        ttl = step.number("ttl_ms") / 1000 if "ttl_ms" in step else None
        await done(self._lease(step).renew(ttl))
        say(f"renewed {name}")

    async def do_release(self, step: Step) -> None:
        name = copy_of(step).text("lease")
        await done(self._lease(step).release())
        say(f"released {name}")

    async def do_stats(self, step: Step) -> None:
        stats = await done(self._client(step).stats())
        say("stats " + " ".join(f"{field}={value_of(stats, field)}" for field in step.all("field")))

    async def do_await(self, step: Step) -> None:
        field, wanted = step.text("field"), step.text("value")
        client = self._client(step)
        end = time.monotonic() + step.number("timeout_ms", 5000) / 1000
        value = value_of(await done(client.stats()), field)
        while value != wanted and time.monotonic() < end:
            await asyncio.sleep(0.02)
            value = value_of(await done(client.stats()), field)
        say(f"await {field}={value}")

    def _program(self, step: Step) -> Dict[str, Any]:
        options: Dict[str, Any] = {}
        if "argv" in step:
            options["argv"] = step.all("argv")
            options["argv"][-1] *= step.number("argv_repeat", 1)
        for key in ("shell", "code", "language", "cwd", "pool"):
            if key in step:
                options[key] = step.text(key)
        if "env" in step:
            options["env"] = dict(word.partition("=")[::2] for word in step.all("env"))
        if "stdin" in step:
            options["stdin"] = step.data("stdin") * step.number("stdin_repeat", 1)
        for key in OPTIONS:
            if key in step:
                options[key[:-3]] = step.number(key) / 1000
        for key, name in (("uid", "uid"), ("max_output_bytes", "max_output"), ("window", "window")):
            if key in step:
                options[name] = step.number(key)
        for key in ("merge_output", "no_echo"):
            if key in step:
                options[key] = step.number(key) == 1
        if "keep_background" in step:
            options["keep_background"] = step.number("keep_background") == 1
        if "stdin_open" in step:
            options["keep_stdin_open"] = step.number("stdin_open") == 1
        if "output_policy" in step:
            options["kill_at_max_output"] = step.text("output_policy") == "kill"
        if "unwatched" in step:
            options["wait_unwatched"] = step.text("unwatched") == "wait"
        if "terminal" in step:
            rows, columns = step.text("terminal").split("x")
            options["terminal"] = (int(rows), int(columns))
        return options

    def _piece(self, step: Step, options: Dict[str, Any], method: str) -> Any:
        """Calls a method of a context, if the step names one."""
        if "context" not in step:
            return None
        context, _ = self._contexts[step.text("context")]
        return getattr(context, method)(**options)

    async def do_run(self, step: Step) -> None:
        options = self._program(step)
        result = await done(self._piece(step, options, "run") or self._where(step).run(**options))
        for name, data in (("stdout", result.stdout), ("stderr", result.stderr)):
            if data:
                say(f"{name} {shown(data)}")
        for display in result.displays:
            say(shown_words(display))
        if result.failure is not None:
            say(shown_words(result.failure))
        if result.value is not None:
            say(f"value {shown(result.value.encode())}")
        say(f"ended {end_words(result.end)}")

    async def do_start(self, step: Step) -> None:
        name = step.text("as")
        options = self._program(step)
        other = copy_of(step)
        lease = self._contexts[other.text("context")][1] if "context" in step else other.text("lease")
        execution = await done(self._piece(step, options, "execute") or self._where(step).execute(**options))
        await self._started(execution, name, lease)
        say(f"started {name}")

    async def do_attach(self, step: Step) -> None:
        name = step.text("as")
        options: Dict[str, Any] = {}
        for key in ("stdout_offset", "stderr_offset", "window"):
            if key in step:
                options[key] = step.number(key)
        for key in ("from_now", "observe"):
            if key in step:
                options[key] = step.number(key) == 1
        of = self._watched[step.text("exec")]
        token = self._leases[of.lease].token if of.lease else ""
        lease = self._client(step).lease(token)
        execution = await done(lease.attach(of.id, **options))
        await self._started(execution, name, of.lease)
        say(f"attached {name}")

    async def _started(self, execution: Any, name: str, lease: str) -> None:
        watched = Watched(execution, lease)
        watched.id = await execution.id() if callable(execution.id) else execution.id
        self._watched[name] = watched

    async def _event(self, watched: Watched) -> Any:
        """The next one; None at the end."""
        try:
            return await watched.events.__anext__() if hasattr(watched.events, "__anext__") else next(watched.events)
        except (StopIteration, StopAsyncIteration):
            return None

    async def _take(self, watched: Watched) -> bool:
        event = await self._event(watched)
        if event is None:
            return False
        if isinstance(event, berth.Output):
            watched.buffers[event.stream] += event.data
        elif isinstance(event, berth.Dropped):
            watched.dropped[event.stream] += event.bytes
        return True

    async def do_read(self, step: Step) -> None:
        name, count = step.text("exec"), step.number("bytes")
        stream = berth.Stream[step.text("stream", "stdout").upper()]
        watched = self._watched[name]
        buffer = watched.buffers[stream]
        while len(buffer) < count and await self._take(watched):
            pass
        say(f"{name} {stream.name.lower()} {shown(bytes(buffer[:count]))}")
        del buffer[:count]

    async def do_finish(self, step: Step) -> None:
        name = step.text("exec")
        watched = self._watched[name]
        failure = None
        try:
            while await self._take(watched):
                pass
        except berth.BerthError as error:
            print(f"finish {name}: {error}", file=sys.stderr)
            failure = error
        for stream in STREAMS:
            if watched.buffers[stream]:
                say(f"{name} {stream.name.lower()} {shown(bytes(watched.buffers[stream]))}")
        for stream in berth.Stream:
            if watched.dropped[stream]:
                say(f"{name} dropped {stream.name.lower()}={watched.dropped[stream]}")
        say(f"{name} error {failure.code.name}" if failure else f"{name} ended {end_words(watched.execution.end)}")

    async def do_events(self, step: Step) -> None:
        """What comes, in its order; neighbouring output of one stream is one line."""
        name, wanted = step.text("exec"), step.number("shown", 1 << 30)
        watched = self._watched[name]
        lines: List[str] = []
        stream, joined, count, is_over = "", b"", 0, False
        while count < wanted and not is_over:
            event = None
            try:
                event = await self._event(watched)
                words = f"ended {end_words(watched.execution.end)}" if event is None else ""
            except berth.BerthError as error:
                words = f"error {error.code.name}"
            is_over = event is None
            if joined and not (isinstance(event, berth.Output) and event.stream.name.lower() == stream):
                lines.append(f"{stream} {shown(joined)}")
                joined = b""
            if isinstance(event, berth.Output):
                stream, joined = event.stream.name.lower(), joined + event.data
                continue
            if isinstance(event, berth.Dropped):
                words = f"dropped {event.stream.name.lower()}={event.bytes}"
            elif event is not None:
                words = shown_words(event)
                count += 1
            lines.append(words)
        lines = [f"{name} {line}" for line in lines]
        if step.number("digest"):
            digest = zlib.crc32("".join(line + "\n" for line in lines).encode())
            lines = [f"{name} events {len(lines)} crc32={digest:08x}"]
        for line in lines:
            say(line)

    async def do_text(self, step: Step) -> None:
        name = step.text("exec")
        watched = self._watched[name]
        texts = {stream: "" for stream in STREAMS}
        pieces = watched.execution.text()
        if hasattr(pieces, "__aiter__"):
            async for piece in pieces:
                texts[piece.stream] += piece.text
        else:
            for piece in pieces:
                texts[piece.stream] += piece.text
        for stream in STREAMS:
            if texts[stream]:
                say(f"{name} {stream.name.lower()} {shown(texts[stream].encode())}")
        say(f"{name} ended {end_words(watched.execution.end)}")

    async def do_input(self, step: Step) -> None:
        name = step.text("exec")
        data = step.data("data") * step.number("repeat", 1)
        execution = self._watched[name].execution
        await done(execution.close_stdin(data) if step.number("end") else execution.write(data))
        say(f"input {name}")

    async def do_signal(self, step: Step) -> None:
        name, signal = step.text("exec"), step.text("signal")
        await done(self._watched[name].execution.signal(int(signal) if signal.isdigit() else signal))
        say(f"signal {name}")

    async def do_cancel(self, step: Step) -> None:
        name = step.text("exec")
        await done(self._watched[name].execution.cancel())
        say(f"cancel {name}")

    async def do_resize(self, step: Step) -> None:
        name = step.text("exec")
        await done(self._watched[name].execution.resize(step.number("rows"), step.number("columns")))
        say(f"resize {name}")

    async def do_detach(self, step: Step) -> None:
        name = step.text("exec")
        await done(self._watched[name].execution.close())
        say(f"detach {name}")

    async def do_open_context(self, step: Step) -> None:
        name, lease = step.text("as"), copy_of(step).text("lease")
        language = step.text("language")
        options = {key: value for key, value in self._program(step).items() if key in ("env", "cwd", "uid")}
        self._contexts[name] = await done(self._lease(step).context(language, **options)), lease
        say(f"opened {name}")

    async def do_fork_context(self, step: Step) -> None:
        name = step.text("as")
        context, lease = self._contexts[step.text("context")]
        self._contexts[name] = await done(context.fork()), lease
        say(f"forked {name}")

    async def do_close_context(self, step: Step) -> None:
        name = step.text("context")
        await done(self._contexts[name][0].close())
        say(f"closed-context {name}")

    async def do_contexts(self, step: Step) -> None:
        infos = await done(self._lease(step).contexts())
        for info in infos:
            state = "running" if info.execution else "idle"
            say(f"context {quoted(info.language.encode())} pieces={info.pieces} {state}")
        say(f"contexts {len(infos)}")

    async def do_complete(self, step: Step) -> None:
        context, _ = self._contexts[step.text("context")]
        cursor = step.number("cursor") if "cursor" in step else None
        found = await done(context.complete(step.text("code"), cursor))
        matches = "".join(f" {quoted(match.encode())}" for match in found.matches)
        say(f"complete start={found.start} end={found.end}{matches}")

    async def do_inspect(self, step: Step) -> None:
        context, _ = self._contexts[step.text("context")]
        cursor = step.number("cursor") if "cursor" in step else None
        found = await done(context.inspect(step.text("code"), cursor, detail=step.number("detail") == 1))
        for mime, data in sorted(found.items()):
            say(f"form {quoted(mime.encode())} {shown(data)}")
        say(f"inspected {1 if found else 0}")

    async def do_dial(self, step: Step) -> None:
        name = step.text("as")
        options: Dict[str, Any] = {}
        for key in ("wait", "timeout", "idle_timeout"):
            if key + "_ms" in step:
                options[key] = step.number(key + "_ms") / 1000
        for key in ("port", "window"):
            if key in step:
                options[key] = step.number(key)
        if "path" in step:
            options["unix"] = step.text("path")
        lease = self._lease(step)
        made = await lease.open_connection(**options) if hasattr(lease, "open_connection") else lease.connect(**options)
        self._connected[name] = Connected(made)
        say(f"dialled {name}")

    async def do_send(self, step: Step) -> None:
        name = step.text("conn")
        data = step.data("data") * step.number("repeat", 1)
        say(f"send {name}" + await self._connected[name].send(data, step.number("end") == 1))

    async def do_receive(self, step: Step) -> None:
        await self._receive(step.text("conn"), step.number("bytes") if "bytes" in step else 1 << 40)

    async def _receive(self, name: str, count: int) -> None:
        connected = self._connected[name]
        await connected.take(count)
        if connected.kept[:count]:
            say(f"{name} received {shown(bytes(connected.kept[:count]))}")
        del connected.kept[:count]
        if connected.end and not connected.kept:
            say(f"{name} {connected.end}")

    async def do_exchange(self, step: Step) -> None:
        name = step.text("conn")
        data = step.data("data") * step.number("repeat", 1)
        connected = self._connected[name]
        loop = asyncio.get_running_loop()
        if isinstance(connected._made, tuple):
            sending = loop.create_task(connected.send(data, True))
        else:
            sending = loop.run_in_executor(None, connected._send, data, True)  # type: ignore[assignment]
        await self._receive(name, 1 << 40)
        await sending

    async def do_hang_up(self, step: Step) -> None:
        name = step.text("conn")
        await self._connected[name].close()
        say(f"hung-up {name}")

    async def do_executions(self, step: Step) -> None:
        infos = await done(self._lease(step).executions())
        running = sum(info.end is None for info in infos)
        say(f"executions running={running} ended={len(infos) - running}")

    async def do_write_file(self, step: Step) -> None:
        path = step.text("path")
        options: Dict[str, Any] = {"create_parents": step.number("parents") == 1}
        if "mode" in step:
            options["mode"] = int(step.text("mode"), 8)
        data = step.data("data") * step.number("repeat", 1)
        await done(self._lease(step).write_file(path, data, **options))
        say(f"wrote {shown_path(path)}")

    async def do_read_file(self, step: Step) -> None:
        path = step.text("path")
        offset, length = step.number("offset"), step.number("length")
        reader = await done(self._lease(step).open_file(path, offset=offset, length=length))
        data = await done(reader.read())
        say(f"file {shown_path(path)} size={reader.info.size} mode={reader.info.mode:04o}")
        if data:
            say(f"data {shown(data)}")

    async def do_list(self, step: Step) -> None:
        entries = await done(self._lease(step).list_directory(step.text("path")))
        for entry in entries:
            size = f" size={entry.size}" if entry.type is berth.FileType.REGULAR else ""
            say(f"entry {shown_path(entry.name)} {entry.type.name.lower()}{size} mode={entry.mode:04o}")
        say(f"listed {len(entries)}")

    async def do_remove(self, step: Step) -> None:
        path = step.text("path")
        await done(self._lease(step).remove(path, recursive=step.number("recursive") == 1))
        say(f"removed {shown_path(path)}")

    async def do_stat(self, step: Step) -> None:
        path = step.text("path")
        info = await done(self._lease(step).stat(path, follow=step.number("follow") == 1))
        size = f" size={info.size}" if info.type is berth.FileType.REGULAR else ""
        target = f" target={quoted(info.link_target)}" if info.link_target else ""
        say(f"info {shown_path(info.name)} {info.type.name.lower()}{size} mode={info.mode:04o}{target}")

    async def do_make_directory(self, step: Step) -> None:
        path = step.text("path")
        options: Dict[str, Any] = {"parents": step.number("parents") == 1}
        if "mode" in step:
            options["mode"] = int(step.text("mode"), 8)
        await done(self._lease(step).make_directory(path, **options))
        say(f"made {shown_path(path)}")

    async def do_rename(self, step: Step) -> None:
        path = step.text("path")
        await done(self._lease(step).rename(path, step.text("to"), no_replace=step.number("no_replace") == 1))
        say(f"renamed {shown_path(path)}")

    async def do_change_mode(self, step: Step) -> None:
        path = step.text("path")
        await done(self._lease(step).change_mode(path, int(step.text("mode"), 8)))
        say(f"changed {shown_path(path)}")

    async def do_read_archive(self, step: Step) -> None:
        name = step.text("as")
        reader = await done(self._lease(step).read_archive(step.text("path")))
        self._archives[name] = await done(reader.read())
        say(f"archive {name}")

    async def do_write_archive(self, step: Step) -> None:
        archive = self._archives[step.text("archive")]
        files = await done(self._lease(step).write_archive(step.text("path"), archive))
        say(f"unpacked files={files}")

    async def do_world(self, step: Step) -> None:
        say(f"@{step.text('action')}")
        # The loop goes on meanwhile, as it does in a program.
        if not await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            raise RuntimeError("stdin has ended while the world was to change")


def say(line: str) -> None:
    print(line, flush=True)


def copy_of(step: Step) -> Step:
    """To look at a word without using it up."""
    other = Step(step.verb)
    other._words = dict(step._words)
    return other


async def done(value: Union[T, Awaitable[T]]) -> T:
    return await value if inspect.isawaitable(value) else value


def value_of(stats: Any, field: str) -> str:
    if field in ("connections", "executions"):
        return str(getattr(stats, field))
    pool = stats.pools[0]
    if field == "breaker":
        return pool_pb2.BreakerState.Name(pool.breaker).lower()
    return str(getattr(pool, field))


def main(arguments: List[str]) -> None:
    is_async = arguments[:1] == ["--async"]
    path, *wanted = arguments[1 if is_async else 0 :]
    asyncio.run(Driver(berth.aio.Client if is_async else berth.Client).run(path, wanted))


if __name__ == "__main__":
    main(sys.argv[1:])
