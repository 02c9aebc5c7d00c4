// SPDX-License-Identifier: Apache-2.0

import Berth
import Foundation
import TestSupport
import Testing

/// Item 3 of Connect: `berth forward`, with what people use it for.
@Suite("Connections into containers, on the command line", .serialized)
struct ConnectTests {
    /// `berth forward` as a process of its own, which has said where it listens.
    private struct Forwarding {
        let program: Program
        /// What it listens on, one for each mapping.
        let addresses: [String]

        static func start(_ server: ServerProcess, _ lease: String, _ arguments: [String]) async throws -> Forwarding {
            let program = try Program(
                try BuildProducts.program("berth"), ["forward"] + arguments,
                environment: ["BERTH_SERVER": server.address, "BERTH_LEASE": lease])
            let count = arguments.count { $0.contains(":") }
            try await eventually("it listens") {
                guard program.isRunning else { throw NeverHappened(description: "it ended: \(program.err)") }
                return program.out.split(separator: "\n").count == count
            }
            return Forwarding(
                program: program,
                addresses: program.out.split(separator: "\n").map { String($0.prefix { $0 != " " }) })
        }

        func stop() async throws {
            program.signal(SIGINT)
            #expect(try await program.end(within: .seconds(10)) == 0, "\(program.err)")
        }
    }

    /// A program of the lease that goes on in the background.
    private func start(_ server: ServerProcess, _ lease: String, _ python: String) async throws {
        let result = try await berth(
            ["run", "--detach", "--timeout", "10m", "--", "python3", "-c", python],
            environment: ["BERTH_SERVER": server.address, "BERTH_LEASE": lease])
        #expect(result.status == 0, "\(result)")
    }

    private func acquire(_ server: ServerProcess) async throws -> String {
        let result = try await berth(["acquire"], environment: ["BERTH_SERVER": server.address])
        return result.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func curl(_ arguments: [String]) async throws -> (status: Int32, out: String, err: String) {
        let program = try Program(try tool("curl"), ["--silent", "--show-error", "--max-time", "60"] + arguments)
        let status = try await program.end(within: .seconds(70))
        return (status, program.out, program.err)
    }

    /// A web server with a file of 20 MB, which says how much was posted, and with what hash.
    private static func web(_ listener: String) -> String {
        """
        import hashlib, http.server, os, socketserver
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                if self.close_connection: self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self): self.answer(bytes(range(250)) * 80000 if self.path == "/large" else self.path.encode())
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode())
            def log_message(self, *_): pass
            def address_string(self): return ""
        class Server(socketserver.ThreadingMixIn, \(listener)): daemon_threads = True; request_queue_size = 256
        """
    }

    private static let webAtPort =
        web("http.server.HTTPServer") + "\nServer((\"127.0.0.1\", 8000), Handler).serve_forever()"
    private static let webAtPath =
        web("socketserver.UnixStreamServer") + "\nServer(\"/tmp/web.sock\", Handler).serve_forever()"

    @Test("250 connections that are asked for at the same moment are all made, in a container with 128 processes")
    func burst() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let code = """
                import selectors, socket
                s = socket.create_server(("127.0.0.1", 9000), backlog=512)
                print("listening", flush=True)
                kept = []
                while True:
                    c, _ = s.accept()
                    c.sendall(b"hello")
                    kept.append(c)
                """
            let listener = client.execute(Command(["python3", "-c", code], timeout: .seconds(120)), in: lease)
            for try await event in listener { if case .output = event { break } }
            try await withThrowingTaskGroup(of: ContainerConnection.self) { group in
                for _ in 0..<250 {
                    group.addTask { try await client.connect(port: 9000, in: lease) }
                }
                var connections: [ContainerConnection] = []
                for try await connection in group { connections.append(connection) }
                #expect(connections.count == 250)
            }
            try await client.release(lease)
        }
    }

    @Test("what docs/connect.md shows at the command line comes out as it says")
    func page() async throws {
        let shell = try ContextTests.examples("sh", in: "docs/connect.md")
        #expect(shell.count == 1)
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            // A process of its own, not a function: it is to be ended by its number.
            let own =
                "unset -f berth; mkdir bin; ln -s '\(try BuildProducts.program("berth"))' bin/berth; PATH=$PWD/bin:$PATH\n"
            let result = try await server.shell(own + shell[0].code)
            #expect(result.status == 0, "\(result)")
            #expect(result.out == shell[0].output, "\(result)")
        }
    }

    @Test(
        "curl uses a web server at a port and at a unix socket of a container without network, over ports and unix sockets here",
        arguments: Runtime.allCases)
    func web(_ runtime: Runtime) async throws {
        let image = runtime == .docker ? ["--image", "python:3.9-slim"] : []
        try await ServerProcess.with(runtime, ["--size", "1", "--max", "2"] + image) { server in
            let lease = try await acquire(server)
            let here = "/tmp/berth-forward-\(UUID().uuidString.prefix(8))"
            let forwarding = try await Forwarding.start(
                server, lease, ["0:8000", "0:/tmp/web.sock", "\(here).sock:8000", "--wait", "20s"])
            try await start(server, lease, Self.webAtPort)
            try await start(server, lease, Self.webAtPath)
            #expect(forwarding.addresses[2] == "\(here).sock")
            #expect(
                try FileManager.default.attributesOfItem(atPath: "\(here).sock")[.posixPermissions] as? Int == 0o600)
            let whole = Data(repeatElement(Data((0..<250).map { UInt8($0) }), count: 80_000).joined())
            let body = String(repeating: "0123456789abcdef", count: 5 << 16)
            try body.write(toFile: "\(here).body", atomically: true, encoding: .utf8)
            defer { try? FileManager.default.removeItem(atPath: "\(here).body") }
            let hash = try Program(try tool("sha256sum"), [], input: body)
            _ = try await hash.end()
            for address in forwarding.addresses {
                let way = address.hasPrefix("/") ? ["--unix-socket", address] : []
                let base = address.hasPrefix("/") ? "http://web" : "http://\(address)"
                let twice = try await curl(way + ["\(base)/a", "\(base)/b"])
                #expect(twice.out == "/a/b", "\(twice)")
                let large = try await curl(way + ["--output", "\(here).large", "\(base)/large"])
                #expect(large.status == 0, "\(large)")
                #expect(try Data(contentsOf: URL(fileURLWithPath: "\(here).large")) == whole)
                try FileManager.default.removeItem(atPath: "\(here).large")
                let posted = try await curl(
                    way + ["--header", "Expect:", "--data-binary", "@\(here).body", base + "/"])
                #expect(posted.out == "\(body.utf8.count) \(hash.out.prefix(64))", "\(posted)")
            }
            try await forwarding.stop()
            #expect(!FileManager.default.fileExists(atPath: "\(here).sock"))
            #expect(forwarding.program.err == "")
            _ = try await berth(["release", lease], environment: ["BERTH_SERVER": server.address])
        }
    }

    @Test(
        "a connection that fails is one line, the others go on, and the end of the lease ends the forwarding, with words"
    )
    func failures() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            let lease = try await acquire(server)
            let forwarding = try await Forwarding.start(server, lease, ["0:8000", "0:/tmp/none"])
            #expect(try await curl(["http://\(forwarding.addresses[1])/"]).status != 0)
            try await eventually("it is told") { forwarding.program.err.contains("\n") }
            #expect(forwarding.program.err.split(separator: "\n").count == 1, "\(forwarding.program.err)")
            #expect(forwarding.program.err.contains("/tmp/none"), "\(forwarding.program.err)")
            try await start(server, lease, Self.webAtPort)
            try await eventually("it is served") {
                try await curl(["http://\(forwarding.addresses[0])/still"]).out == "/still"
            }
            _ = try await berth(["release", lease], environment: ["BERTH_SERVER": server.address])
            #expect(try await forwarding.program.end(within: .seconds(20)) == 1)
            #expect(forwarding.program.err.contains("the lease has ended"), "\(forwarding.program.err)")
            let none = try await berth(["forward", "0:80"], environment: ["BERTH_SERVER": server.address])
            #expect(none.status == 2, "\(none)")
            let wrong = try await berth(["forward", lease, "80:x"], environment: ["BERTH_SERVER": server.address])
            #expect(wrong.status == 2 && wrong.err.contains("is not a mapping"), "\(wrong)")
        }
    }

    @Test("100 transfers at a time through one forwarding are whole, with 20 connections at a time")
    func many() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            let lease = try await acquire(server)
            let forwarding = try await Forwarding.start(
                server, lease, ["0:/tmp/web.sock", "--wait", "20s", "--connections", "20"])
            try await start(server, lease, Self.webAtPath)
            let address = forwarding.addresses[0]
            let result = try await curl(
                ["--parallel", "--parallel-immediate", "--parallel-max", "100"]
                    // Else curl keeps connections that it has no use for any more, and those that wait would wait for ever.
                    + ["--header", "Connection: close"]
                    + (0..<100).flatMap { ["http://\(address)/number-\($0)", "--output", "-"] })
            #expect(result.status == 0, "\(result.err)")
            for number in 0..<100 { #expect(result.out.contains("/number-\(number)")) }
            try await forwarding.stop()
            #expect(forwarding.program.err == "")
        }
    }

    @Test("a connection is the user's: who listens sees the user, and no process of it is left")
    func credentials() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            let lease = try await acquire(server)
            let forwarding = try await Forwarding.start(server, lease, ["0:/tmp/who.sock", "--wait", "20s"])
            try await start(
                server, lease,
                """
                import os, pathlib, socket, struct, time
                def is_left():
                    for file in pathlib.Path("/proc").glob("[0-9]*/comm"):
                        try:
                            if file.read_text().strip() == "berth-connect": return True
                        except OSError: pass  # It has ended meanwhile.
                    return False
                l = socket.socket(socket.AF_UNIX); l.bind("/tmp/who.sock"); l.listen(8)
                while True:
                    c, _ = l.accept(); c.recv(1000)
                    pid, uid, gid = struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                    # It ends once it has handed the socket over: that may take a moment.
                    end = time.monotonic() + 10
                    while is_left() and time.monotonic() < end: time.sleep(0.01)
                    text = f"{uid == os.getuid()} {gid == os.getgid()} {is_left()}"
                    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + text.encode()); c.close()
                """)
            #expect(try await curl(["http://\(forwarding.addresses[0])/"]).out == "True True False")
            try await forwarding.stop()
        }
    }

    @Test("a program that ends what connects is told as that, and costs nothing else")
    func killed() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            let lease = try await acquire(server)
            let forwarding = try await Forwarding.start(
                server, lease, ["0:/tmp/never.sock", "0:8000", "--wait", "60s"])
            try await start(
                server, lease,
                """
                import os, time
                killed = False
                while not killed:
                    for p in filter(str.isdigit, os.listdir("/proc")):
                        try:
                            if open(f"/proc/{p}/comm").read() == "berth-connect\\n": os.kill(int(p), 9); killed = True
                        except OSError: pass
                """)
            #expect(try await curl(["http://\(forwarding.addresses[0])/"]).status != 0)
            try await eventually("it is told") {
                forwarding.program.err.contains("ended by another program")
            }
            try await start(server, lease, Self.webAtPort)
            #expect(try await curl(["http://\(forwarding.addresses[1])/well"]).out == "/well")
            try await forwarding.stop()
        }
    }
}
