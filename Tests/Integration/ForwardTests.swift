// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// `berth forward`, as sockets at both of its ends see it.
@Suite("Forwarded connections, byte by byte", .serialized)
struct ForwardTests {
    /// What a connection is to do is its first byte.
    private static let listener = """
        import hashlib, socket, struct, threading
        def serve(c):
            what = c.recv(1)
            if what == b"d":  # Data, as much as is asked for.
                count = int(c.recv(16))
                block = bytes(range(256)) * 1024
                while count > 0: count -= c.send(block[:count])
                c.shutdown(socket.SHUT_WR)
                c.recv(1)
            elif what == b"h":  # Half-closed by who connects: the hash comes after the end.
                got = hashlib.sha256()
                while data := c.recv(65536): got.update(data)
                c.sendall(got.hexdigest().encode())
            elif what == b"l":  # Half-closed here: what comes after that still arrives.
                c.sendall(b"mine")
                c.shutdown(socket.SHUT_WR)
                got = b""
                while data := c.recv(65536): got += data
                open("/tmp/got", "wb").write(got)
            elif what == b"r":  # Broken off.
                c.sendall(b"begun")
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif what == b"g":
                c.sendall(open("/tmp/got", "rb").read())
            elif what == b"n":
                open("/tmp/got", "wb").close()
                c.sendall(b"n")
            elif what == b"w":  # Until who connects breaks it off, or closes it.
                c.sendall(b"w")
                while True:
                    try:
                        if not c.recv(65536): break
                    except ConnectionError: break
                open("/tmp/got", "wb").write(b"gone")
            c.close()
        l = socket.socket()
        l.bind(("127.0.0.1", 8000)); l.listen(64)
        while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
        """

    /// Runs Python here with a forwarding to the listener, whose port is `sys.argv[1]` and whose process `sys.argv[2]`, and
    /// `connect`, which makes a connection with a first byte.
    private func run(_ python: String) async throws -> String {
        var out = ""
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "1"]) { server in
            var environment = ["BERTH_SERVER": server.address]
            let lease = try await berth(["acquire"], environment: environment)
            environment["BERTH_LEASE"] = lease.out.trimmingCharacters(in: .whitespacesAndNewlines)
            let listener = try await berth(
                ["run", "--detach", "--timeout", "10m", "--", "python3", "-c", Self.listener], environment: environment)
            #expect(listener.status == 0, "\(listener)")
            let forward = try Program(
                try BuildProducts.program("berth"), ["forward", "0:8000", "--wait", "20s"], environment: environment)
            try await eventually("it listens") { forward.out.contains("\n") }
            let port = try #require(forward.out.split(separator: " ").first?.split(separator: ":").last)
            let head = """
                import os, socket, sys
                def connect(what):
                    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
                    c.sendall(what)
                    return c
                def rest(c):
                    got = b""
                    while data := c.recv(1 << 20): got += data
                    return got

                """
            let program = try Program(
                try tool("python3"), ["-c", head + python, String(port), String(forward.pid)])
            #expect(try await program.end(within: .seconds(120)) == 0, "\(program.err)\(forward.err)")
            forward.signal(SIGINT)
            _ = try await forward.end(within: .seconds(10))
            out = program.out
        }
        return out
    }

    @Test("what is forwarded passes on one thread: no piece of it is handed from one to another")
    func threads() async throws {
        let out = try await run(
            """
            def times():
                tasks = f"/proc/{sys.argv[2]}/task"
                return {t: int(open(f"{tasks}/{t}/schedstat").read().split()[0]) for t in os.listdir(tasks)}
            c = connect(b"d")
            before, size = times(), 64 << 20
            c.sendall(b"%016d" % size)
            room, got = bytearray(1 << 20), 0
            while count := c.recv_into(room): got += count
            used = [value - before.get(task, 0) for task, value in times().items()]
            print(got == size, max(used) > 0.9 * sum(used), used)
            """)
        #expect(out.hasPrefix("True True"), "\(out)")
    }

    @Test("either side ends its half while the other half goes on, and a reset there is one here")
    func ends() async throws {
        let out = try await run(
            """
            import hashlib
            data = bytes(range(251)) * 20000
            c = connect(b"h")
            c.sendall(data)
            c.shutdown(socket.SHUT_WR)
            print(rest(c).decode() == hashlib.sha256(data).hexdigest())
            c = connect(b"l")
            print(rest(c))
            c.sendall(b"after the end")
            c.close()
            while (got := rest(connect(b"g"))) != b"after the end": pass
            c = connect(b"r")
            try: print("no reset", rest(c))
            except ConnectionResetError: print("reset")
            """)
        #expect(out == "True\nb'mine'\nreset\n")
    }

    @Test("what is broken off here ends there, also while nothing is read here")
    func left() async throws {
        let out = try await run(
            """
            import struct
            for linger in (0, 1):
                c = connect(b"w")
                c.recv(1)
                if linger: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                c.close()
                while (got := rest(connect(b"g"))) != b"gone": pass
                rest(connect(b"n"))
            c = connect(b"d")
            c.sendall(b"%016d" % (64 << 20))
            c.recv(1)
            c.close()
            print(len(rest(connect(b"g"))))
            """)
        #expect(out == "0\n")
    }
}
