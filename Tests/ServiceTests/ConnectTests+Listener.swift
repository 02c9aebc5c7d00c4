// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Service
import Testing
import TestSupport

extension ConnectTests {
    /// A listener in a lease, a Python function `serve(c)` that gets each connection, in a thread of its own.
    struct Listener {
        let server: TestServer
        let client: BerthClient
        let lease: Lease
        let path: String
        let program: Execution

        func connect() async throws -> ContainerConnection {
            try await client.connect(unix: SystemString(path), in: lease)
        }

        /// What the program has printed so far, once there are so many lines after the first.
        func lines(_ count: Int) async throws -> [String] {
            var text = ""
            for try await event in program {
                if case .output(let output) = event { text += output.data.text }
                let lines = text.split(separator: "\n").map(String.init)
                if lines.count >= count, text.hasSuffix("\n") { return lines }
            }
            throw NeverHappened(description: "\(count) lines; there were: \(text)")
        }
    }

    static func with(
        _ serve: String, limits: ServiceLimits = ServiceLimits(), _ body: (Listener) async throws -> Void
    ) async throws {
        try await TestServer.with(limits: limits) { server, client in
            let lease = try await client.acquire()
            let here = "/tmp/berth-connect-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: here, withIntermediateDirectories: false)
            try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: here)
            defer { try? FileManager.default.removeItem(atPath: here) }
            let program = client.execute(
                Command(["python3", "-u", "-c", listening, "\(here)/s", serve], cwd: "/tmp"), in: lease)
            let listener = Listener(
                server: server, client: client, lease: lease, path: "\(here)/s", program: program)
            #expect(try await listener.lines(1) == ["ready"])
            try await body(listener)
            program.kill()
            try await client.release(lease)
        }
    }

    static let listening = """
        import hashlib, os, socket, struct, sys, threading, time
        l = socket.socket(socket.AF_UNIX)
        l.bind(sys.argv[1])
        l.listen(256)
        exec(sys.argv[2])
        print("ready")
        while True:
            c, _ = l.accept()
            threading.Thread(target=serve, args=(c,), daemon=True).start()
        """
}
