# SPDX-License-Identifier: Apache-2.0
"""Steps for a server that others may see: what TLS costs, what strangers may take, what a monitor and a refusal cost."""
import contextlib
import hashlib
import http.client
import os
import pathlib
import re
import resource
import secrets
import statistics
import struct
import tempfile
import time

from . import wire
from .plot import columns, digits, microseconds, number, sized
from .steps import step
from .system import Failure, Server, load, memory_of, program, run, tool

KIB, MIB = 1 << 10, 1 << 20


class TLSServer(Server):
    @property
    def address(self):
        return f"tls://127.0.0.1:{self.port}"


@contextlib.contextmanager
def certificate():
    """A certificate of 127.0.0.1 that is its own authority; clients find it by BERTH_TLS_CA meanwhile."""
    openssl = program("openssl", "apt-get install openssl")
    with tempfile.TemporaryDirectory(prefix="berth-bench-tls-") as folder:
        pem, key = f"{folder}/server.pem", f"{folder}/server.key"
        run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
             "-out", pem, "-subj", "/CN=localhost", "-days", "2", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        before = os.environ.get("BERTH_TLS_CA")
        os.environ["BERTH_TLS_CA"] = pem
        try:
            yield pem, key
        finally:
            os.environ.pop("BERTH_TLS_CA")
            if before is not None:
                os.environ["BERTH_TLS_CA"] = before


def calls(port, connections, is_plain):
    """Calls a second of `berth-bench unary`, which speaks TLS if it finds an authority."""
    with without("BERTH_TLS_CA") if is_plain else contextlib.nullcontext():
        found = tool("unary", port, connections, 64, 1)
    if found["failed"]:
        raise Failure(f"{found['failed']} calls failed")
    return found["calls_per_second"]


@contextlib.contextmanager
def without(name):
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


@step("tls", "What TLS costs: calls and output, beside the same server without it")
def tls(results):
    rounds, arguments = 5, ["--runtime", "runc", "--size", "2"]
    with certificate() as (pem, key):
        secured = [*arguments, "--tls-certificate", pem, "--tls-key", key]
        with Server(arguments) as plain, TLSServer(secured) as guarded:
            plain.wait_idle(2)
            guarded.wait_idle(2)
            for connections in (1, 64):
                rates = {"plain": [], "TLS": []}
                for _ in range(rounds):
                    rates["plain"].append(calls(plain.port, connections, True))
                    rates["TLS"].append(calls(guarded.port, connections, False))
                ours, theirs = (statistics.median(rates[name]) for name in ("TLS", "plain"))
                results.data[f"unary, {connections}"] = rates
                results.figure(f"Stats over TLS, 64 in flight on {connections} connection{'s' * (connections > 1)}",
                               f"{number(ours)}/s", f"plain {number(theirs)}/s: {digits(ours / theirs)} times",
                               "≥ 0.6 × plain", ours >= 0.6 * theirs)
            sizes = {}
            for name, server in (("plain", plain), ("TLS", guarded)):
                with without("BERTH_TLS_CA") if name == "plain" else contextlib.nullcontext():
                    report, shown = load(server, "stream", duration=6)
                sizes[name] = report["bytes"] / report["seconds"]
    results.command("berth serve --runtime runc --size 2 --tls-certificate PEM --tls-key KEY")
    results.command(f"berth-bench unary PORT CONNECTIONS 64 1  # {rounds} times each, in turn with plain: the median")
    results.command(shown)
    results.data["stream"] = sizes
    results.figure("stdout over TLS, runc", f"{sized(sizes['TLS'])}/s",
                   f"plain {sized(sizes['plain'])}/s: {digits(sizes['TLS'] / sizes['plain'])} times", "≥ 500 MB/s",
                   sizes["TLS"] >= 500e6)
    results.plots["tls"] = columns("Output bytes a second", ["plain", "TLS"],
                                   {"stdout": [sizes["plain"], sizes["TLS"]]}, sized)


def open_many(port, count, sent):
    """Connections from a hundred addresses, each of which has sent the beginning of something."""
    held = []
    for index in range(count):
        connection = wire.connect(port, source=f"127.0.{1 + index % 100}.1")
        connection.setblocking(False)
        # What the server does not read stays in the kernel.
        with contextlib.suppress(BlockingIOError):
            connection.send(sent)
        held.append(connection)
    return held


@step("hostile", "Memory of 10 000 connections that begin something and do not end it")
def hostile(results):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count, budget = min(10_000, hard - 1000), 64 * MIB
    begun = {
        "nothing": b"",
        "half of a small frame": struct.pack(">IIBB", 1000, 1, wire.REQUEST, 0) + bytes(500),
        "64 KiB of a frame of 4 MiB": struct.pack(">IIBB", 4 * MIB, 1, wire.REQUEST, 0) + bytes(64 * KIB),
    }
    try:
        for what, sent in begun.items():
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(f"max_connections: {count + 200}\nheld_memory: {budget}\nhello_timeout: 1h\n")
                file.flush()
                with Server(["--runtime", "runc", "--size", "0", "--config", file.name]) as server:
                    time.sleep(1)
                    before = memory_of(server.pid)
                    held = open_many(server.port, count, sent)
                    time.sleep(2)
                    # It still answers.
                    server.stats()
                    after = memory_of(server.pid)
                    for connection in held:
                        connection.close()
            grown, allowed = after["private"] - before["private"], budget * 3 // 2 + 24 * MIB + count * 41 * KIB
            results.data[what] = {"connections": len(held), "before": before, "after": after}
            results.figure(f"{len(held):,} connections that have sent {what}", sized(grown),
                           f"{digits(grown / len(held) / KIB)} KiB each; held_memory {sized(budget)}",
                           f"≤ {sized(allowed)}, the stated bound", grown <= allowed)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    results.command(f"berth serve --runtime runc --size 0 --config FILE  # max_connections {count + 200}, held_memory 64m")


@step("scrape", "A scrape of 20 pools")
def scrape(results):
    rounds = 500
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("http: 127.0.0.1:0\npools:\n" + "".join(f"  pool{index}: {{size: 0}}\n" for index in range(20)))
        file.flush()
        with Server(["--runtime", "runc", "--config", file.name]) as server:
            line = server.process.stdout.readline().decode(errors="replace")
            found = re.search(r"http://\S*:(\d+)", line)
            if not found:
                raise Failure(f"no address for metrics: {line}")
            connection, took = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=10), []
            for _ in range(rounds):
                began = time.perf_counter()
                connection.request("GET", "/metrics")
                answer = connection.getresponse()
                size = len(answer.read())
                took.append((time.perf_counter() - began) * 1e6)
                if answer.status != 200:
                    raise Failure(f"/metrics: {answer.status}")
            connection.close()
    took.sort()
    p50, p99 = took[rounds // 2], took[rounds * 99 // 100]
    results.data["microseconds"] = {"p50": p50, "p99": p99, "bytes": size}
    results.command("berth serve --runtime runc --config FILE  # http, and 20 pools of size 0")
    results.figure("GET /metrics with 20 pools, p50", microseconds(p50), f"p99 {microseconds(p99)}; {sized(size)}",
                   "≤ 5 ms", p50 <= 5000)


@step("refusals", "How long a refusal takes, by what the caller shows")
def refusals(results):
    rounds, entries, now = 1000, 1000, int(time.time())
    tokens = ["berth_" + secrets.token_urlsafe(32) for _ in range(entries)]
    lines = [f"sha256:{hashlib.sha256(token.encode()).hexdigest()} tenant=acme created={now - 9}" for token in tokens]
    lines[0] += f" expires={now - 1}"
    lines[-1] += f" expires={now - 1}"
    shown = {"nothing": None, "a wrong token": "berth_" + secrets.token_urlsafe(32), "the first, expired": tokens[0],
             "the last, expired": tokens[-1]}
    with tempfile.TemporaryDirectory(prefix="berth-bench-tokens-") as folder:
        configuration = pathlib.Path(folder, "berth.yaml")
        pathlib.Path(folder, "tokens").write_text("\n".join(lines) + "\n", encoding="utf-8")
        configuration.write_text(f"tokens: {folder}/tokens\nquota_file: {folder}/quota\nhello_timeout: 1h\n"
                                 "tenants: {acme: {}}\n", encoding="utf-8")
        with Server(["--runtime", "runc", "--size", "0", "--config", configuration]) as server:
            connections = {name: wire.connect(server.port) for name in shown}
            took = {name: [] for name in shown}
            for index in range(rounds):
                # In turn: whatever else the machine does happens to all.
                for name, token in shown.items():
                    took[name].append(refused(connections[name], 2 * index + 1, token))
            for connection in connections.values():
                connection.close()
    medians = {name: statistics.median(times) for name, times in took.items()}
    results.command(f"berth serve --runtime runc --size 0 --config FILE  # {entries} tokens of one tenant")
    results.data["medians"] = medians
    for name, median in medians.items():
        results.figure(f"Stats by a caller who shows {name}, p50", microseconds(median),
                       f"{digits(median / medians['nothing'])} times as long as with nothing")


def refused(connection, stream, token):
    """Microseconds until a call is refused."""
    data = wire.field(1, wire.POOL) + wire.field(2, "Stats")
    if token:
        data += wire.field(5, wire.field(1, "authorization") + wire.field(2, f"Bearer {token}"))
    frame = wire.frame(stream, wire.REQUEST, 0, data)
    began = time.perf_counter()
    connection.sendall(frame)
    head = receive(connection, 10)
    size, _, _, _ = struct.unpack(">IIBB", head)
    body = receive(connection, size)
    took = (time.perf_counter() - began) * 1e6
    if b"does not know who calls" not in body:
        raise Failure("a call was not refused")
    return took


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise Failure("the server closed the connection")
        data += piece
    return data
