// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Pool
import Service
import Testing
import TestSupport

@Suite("Connect, through every layer but the container", .serialized)
struct ConnectTests {
    /// All that comes, to the end.
    private func all(_ connection: ContainerConnection) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await piece in connection { bytes += piece }
        return bytes
    }

    private static let echo = """
        def serve(c):
            while data := c.recv(65536): c.sendall(data)
            c.close()
        """

    @Test("the end of what is sent arrives there, and what comes after it still comes back")
    func ourEnd() async throws {
        let code =
            "def serve(c):\n  n = 0\n  while d := c.recv(65536): n += len(d)\n  c.sendall(b'got %d' % n); c.close()"
        try await Self.with(code) { listener in
            let connection = try await listener.connect()
            try await connection.write([UInt8](repeating: 7, count: 300_000))
            try await connection.finish(after: [1, 2, 3])
            #expect(try await all(connection).text == "got 300003")
        }
    }

    @Test("the end of what is sent there comes here, and what is written after it still arrives")
    func theirEnd() async throws {
        let code = """
            def serve(c):
              c.sendall(b'hello'); c.shutdown(socket.SHUT_WR)
              got = b''
              while d := c.recv(65536): got += d
              print(got.decode())
            """
        try await Self.with(code) { listener in
            let connection = try await listener.connect()
            #expect(try await all(connection).text == "hello")
            try await connection.write(Array("after ".utf8))
            try await connection.finish(after: Array("the end".utf8))
            #expect(try await listener.lines(1) == ["after the end"])
            try await eventually("it has ended") {
                try await listener.client.executions(in: listener.lease).allSatisfy { $0.argv.first == "python3" }
            }
        }
    }

    @Test("one that is closed after a write has brought there all that was written")
    func close() async throws {
        let code = """
            def serve(c):
              time.sleep(0.2)
              n = 0
              try:
                while d := c.recv(4096): n += len(d)
              finally: print(n)
            """
        try await Self.with(code) { listener in
            let connection = try await listener.connect()
            try await connection.write([UInt8](repeating: 7, count: 100_000))
            connection.close()
            #expect(try await listener.lines(1) == ["100000"])
        }
    }

    @Test("a connection that the other side breaks off ends as reset")
    func reset() async throws {
        let code = "def serve(c):\n  c.recv(1); c.close()"
        try await Self.with(code) { listener in
            let connection = try await listener.connect()
            try await connection.write([UInt8](repeating: 7, count: 1000))
            let error = await refusal { _ = try await all(connection) }
            #expect(error?.code == .aborted, "\(String(describing: error))")
            #expect(error?.message.contains("broke the connection off") == true)
        }
    }

    @Test("what can't be connected to is told with a reason, and with what would be right")
    func refused() async throws {
        try await Self.with(Self.echo) { listener in
            let (client, lease) = (listener.client, listener.lease)
            let nothing = await refusal { _ = try await client.connect(unix: "/tmp/none/s", in: lease) }
            #expect(nothing?.code == .notFound)
            #expect(nothing?.reason == .noSuchFile)
            #expect(nothing?.message.contains("/tmp/none/s") == true)
            #expect(nothing?.message.contains("wait_ms") == true)
            let refused = await refusal { _ = try await client.connect(port: 1, in: lease) }
            #expect(refused?.reason == .connectionRefused)
            #expect(refused?.message.contains("port 1") == true)
            _ = try await client.run(
                .shell("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"\(listener.path).old\")'"),
                in: lease)
            let old = await refusal {
                _ = try await client.connect(unix: SystemString("\(listener.path).old"), in: lease)
            }
            #expect(old?.reason == .connectionRefused)
            try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: listener.path)
            let forbidden = await refusal { _ = try await listener.connect() }
            #expect(forbidden?.code == .permissionDenied)
            #expect(forbidden?.reason == .notPermitted)
            for (words, call) in [
                ("neither", { @Sendable in _ = try await client.connect(unix: "", in: lease) }),
                ("not absolute", { @Sendable in _ = try await client.connect(unix: "x", in: lease) }),
                ("65535", { @Sendable in _ = try await client.connect(port: 65536, in: lease) }),
            ] as [(String, @Sendable () async throws -> Void)] {
                let error = await refusal(call)
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(words) == true, "\(String(describing: error))")
            }
        }
    }

    @Test("a path that is longer than a socket's address is connected to like others")
    func longPath() async throws {
        try await Self.with(Self.echo) { listener in
            let deep = "\(listener.path).d/" + String(repeating: "d", count: 200)
            _ = try await listener.client.run(
                .shell("mkdir -p \(deep) && ln -s \(listener.path) \(deep)/s"), in: listener.lease)
            let connection = try await listener.client.connect(unix: SystemString("\(deep)/s"), in: listener.lease)
            try await connection.finish(after: [1])
            #expect(try await all(connection) == [1])
        }
    }

    @Test("a connection waits for who is to listen, at a path and at a port")
    func wait() async throws {
        try await Self.with(Self.echo) { listener in
            let (client, lease) = (listener.client, listener.lease)
            let path = "\(listener.path).later"
            let early = await refusal {
                _ = try await client.connect(unix: SystemString(path), in: lease, wait: .milliseconds(50))
            }
            #expect(early?.reason == .noSuchFile)
            async let waiting = client.connect(unix: SystemString(path), in: lease, wait: .seconds(30))
            let later = client.execute(
                Command(["python3", "-u", "-c", Self.listening, path, Self.echo], cwd: "/tmp"), in: lease)
            let connection = try await waiting
            try await connection.finish(after: Array("late".utf8))
            #expect(try await all(connection).text == "late")
            later.kill()
        }
    }

    @Test("200 connections at once on one lease each have their own bytes, and programs still run beside them")
    func many() async throws {
        try await Self.with(Self.echo) { listener in
            var connections: [ContainerConnection] = []
            for _ in 0..<200 { connections.append(try await listener.connect()) }
            let open = try await listener.client.executions(in: listener.lease)
            #expect(open.count { $0.argv.prefix(2) == ["berth", "connect"] } == 200)
            let beside = try await listener.client.run(.shell("echo beside"), in: listener.lease)
            #expect(beside.text == "beside\n")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, connection) in connections.enumerated() {
                    group.addTask {
                        let bytes =
                            Array("connection \(number), ".utf8) + [UInt8](repeating: UInt8(number), count: 50_000)
                        async let sent: Void = connection.finish(after: bytes)
                        #expect(try await all(connection) == bytes)
                        try await sent
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("64 MB go both ways at the same time, and arrive as they were")
    func bothWays() async throws {
        let code = """
            def serve(c):
              ours = bytes(range(256)) * 4 * 65536
              h = hashlib.sha256()
              def get():
                n = 0
                while d := c.recv(1 << 18): h.update(d); n += len(d)
                print(n, h.digest() == hashlib.sha256(ours).digest())
              t = threading.Thread(target=get); t.start()
              c.sendall(ours); c.shutdown(socket.SHUT_WR); t.join(); c.close()
            """
        try await Self.with(code) { listener in
            let connection = try await listener.connect()
            let block = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0) }
            async let sent: Void = {
                for _ in 0..<64 { try await connection.write(block) }
                try await connection.finish()
            }()
            var (count, isRight) = (0, true)
            for try await piece in connection {
                let offset = count % 256
                isRight =
                    isRight
                    && piece.withUnsafeBytes { got in
                        block.withUnsafeBytes { sent in
                            guard let sent = sent.baseAddress, let got = got.baseAddress else { return false }
                            return memcmp(sent + offset, got, piece.count) == 0
                        }
                    }
                count += piece.count
            }
            try await sent
            #expect(count == 64 << 20)
            #expect(isRight)
            #expect(try await listener.lines(1) == ["\(64 << 20) True"])
        }
    }

    @Test("who sends there waits for a slow reader, within a bound")
    func slowReader() async throws {
        let code = """
            def serve(c):
              c.settimeout(1)
              n = 0
              try:
                while True: n += c.send(bytes(65536))
              except TimeoutError: print(n)
            """
        try await Self.with(code) { listener in
            let connection = try await listener.connect()
            let sent = try await #require(Int(listener.lines(1)[0]))
            // The windows of client and agent, and what the kernel holds of a socket.
            #expect(sent > 0 && sent < 4 << 20, "\(sent)")
            var count = 0
            for try await piece in connection {
                count += piece.count
                if count >= sent { break }
            }
            #expect(count == sent)
        }
    }

    @Test("connections end as cancelled when their lease is released")
    func release() async throws {
        try await Self.with(Self.echo) { listener in
            let connection = try await listener.connect()
            try await listener.client.release(listener.lease)
            let error = await refusal { _ = try await all(connection) }
            #expect(error?.code == .cancelled, "\(String(describing: error))")
            #expect(error?.message.isEmpty == false)
            let late = await refusal { _ = try await listener.connect() }
            #expect(late?.reason == .noSuchLease)
        }
    }

    @Test("a connection ends at its time-outs")
    func time() async throws {
        try await Self.with(Self.echo) { listener in
            let (client, lease, path) = (listener.client, listener.lease, SystemString(listener.path))
            let short = try await client.connect(unix: path, in: lease, timeout: .milliseconds(100))
            #expect(await refusal { _ = try await all(short) }?.code == .deadlineExceeded)
            let idle = try await client.connect(unix: path, in: lease, idleTimeout: .milliseconds(100))
            let error = await refusal { _ = try await all(idle) }
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.message.contains("100 ms") == true, "\(String(describing: error))")
        }
    }

    @Test("a listener that takes no connections holds nothing up but who connects, and that is told after 10 s")
    func neverAccepts() async throws {
        let code = "l.listen(0)\nprint('ready')\ntime.sleep(1000)"
        try await Self.with(code) { listener in
            var held: [ContainerConnection] = []
            var error: BerthError?
            let began = ContinuousClock.now
            while error == nil, held.count < 10 {
                do throws(BerthError) {
                    held.append(
                        try await listener.client.connect(unix: SystemString(listener.path), in: listener.lease))
                } catch let failure {
                    error = failure
                }
            }
            #expect(error?.reason == .connectionRefused, "\(String(describing: error))")
            #expect(error?.message.contains("in time") == true)
            #expect(ContinuousClock.now - began < .seconds(20))
        }
    }

    @Test("signals but KILL, and a terminal's size, are refused for what has no program")
    func beside() async throws {
        try await Self.with(Self.echo) { listener in
            let connection = try await listener.connect()
            let id = try await connection.id
            let attached = listener.client.attach(id, in: listener.lease)
            for try await event in attached { if case .started = event { break } }
            #expect(await refusal { try await attached.signal("TERM") }?.code == .failedPrecondition)
            #expect(await refusal { try await attached.resize(rows: 1, columns: 1) }?.reason == .noTerminal)
            try await attached.signal(.kill)
            #expect(await refusal { _ = try await all(connection) }?.code == .cancelled)
        }
    }
}
