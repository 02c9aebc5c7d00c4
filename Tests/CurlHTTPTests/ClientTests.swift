// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Glibc
import Testing
import TestSupport

@Suite("the HTTP client against a real server")
struct ClientTests {
    private func with(_ name: String, _ body: (HTTPClient, StubEngine) async throws -> Void) async throws {
        signal(SIGPIPE, SIG_IGN)
        let engine = try await StubEngine.start(socketPath: "/tmp/berth-curl-\(name)-\(getpid()).sock")
        let client = try HTTPClient(endpoint: .unixSocket(engine.path))
        do { try await body(client, engine) } catch {
            await engine.stop()
            throw error
        }
        client.shutdown()
        await engine.stop()
    }

    private func kind(_ body: () async throws -> Void) async throws -> HTTPError.Kind {
        do { try await body() } catch let error as HTTPError {
            #expect(!error.message.isEmpty)
            return error.kind
        }
        throw NeverHappened(description: "an error")
    }

    private var descriptors: Int {
        var count = 0
        for descriptor in 0..<Int32(4096) where fcntl(descriptor, F_GETFD) >= 0 { count += 1 }
        return count
    }

    private var residentKilobytes: Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let text = line.withUnsafeBufferPointer {
                String(decoding: $0.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
            }
            if text.hasPrefix("VmRSS:") { return Int(text.filter(\.isNumber)) ?? 0 }
        }
        return 0
    }

    @Test("status, headers and body of a response come whole")
    func whole() async throws {
        try await with("whole") { client, _ in
            let response = try await client.send(HTTPRequest(.get, "/version"))
            #expect(response.status == 200 && response.header("Content-Length") == "\(response.body.count)")
            let missing = try await client.send(HTTPRequest(.get, "/nothing"))
            #expect(missing.status == 404 && !missing.isSuccess)
        }
    }

    @Test("body and query reach the server as they were")
    func body() async throws {
        try await with("body") { client, engine in
            let request = HTTPRequest(
                .post, "/containers/create", query: [("name", "a b&c/é")], body: Array(#"{"Labels":{}}"#.utf8))
            let response = try await client.send(request)
            #expect(response.status == 201)
            #expect(engine.now.containers["a b&c/é"]?.body == #"{"Labels":{}}"#)
        }
    }

    @Test("10 000 requests in a row neither leak descriptors nor memory")
    func sequential() async throws {
        try await with("row") { client, _ in
            for _ in 0..<500 { _ = try await client.send(HTTPRequest(.get, "/version")) }
            let (descriptors, memory) = (descriptors, residentKilobytes)
            let start = ContinuousClock.now
            for _ in 0..<10_000 { _ = try await client.send(HTTPRequest(.get, "/version")) }
            print("10 000 requests in \(ContinuousClock.now - start), \(residentKilobytes - memory) kB more")
            // Other tests of this process open some of their own meanwhile.
            #expect(self.descriptors <= descriptors + 32)
            #expect(residentKilobytes < memory + 32_768)
        }
    }

    @Test("100 requests at a time are all answered")
    func concurrent() async throws {
        try await with("100") { client, engine in
            engine.setFaults { $0.delay = .milliseconds(50) }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<100 { group.addTask { try await client.send(HTTPRequest(.get, "/version")).status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(engine.count(.version) == 100)
        }
    }

    @Test("a cancelled task ends at once and closes its connection")
    func cancel() async throws {
        try await with("cancel") { client, engine in
            engine.setFaults { $0.neverAnswers = [.version] }
            let task = Task { try await client.send(HTTPRequest(.get, "/version")) }
            try await engine.waitFor("the call") { $0.calls[.version] == 1 }
            let start = ContinuousClock.now
            task.cancel()
            #expect(try await kind { _ = try await task.value } == .cancelled)
            #expect(ContinuousClock.now - start < .seconds(1))
            try await engine.waitFor("the connection closed") { $0.connections == 0 }
        }
    }

    @Test("a task that was cancelled before sends nothing that stays")
    func cancelledBefore() async throws {
        try await with("before") { client, engine in
            engine.setFaults { $0.neverAnswers = [.version] }
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await client.send(HTTPRequest(.get, "/version"))
            }
            #expect(try await kind { _ = try await task.value } == .cancelled)
            try await engine.waitFor("no connection") { $0.connections == 0 }
        }
    }

    @Test("a server that does not answer in time is timed out")
    func timeout() async throws {
        try await with("slow") { client, engine in
            engine.setFaults { $0.neverAnswers = [.version] }
            let request = HTTPRequest(.get, "/version", timeout: .milliseconds(100))
            let kind = try await kind { _ = try await client.send(request) }
            #expect(kind == .timedOut)
        }
    }

    @Test("a body over its bound is refused")
    func tooLarge() async throws {
        try await with("large") { client, _ in
            let request = HTTPRequest(.get, "/version", maxBodyBytes: 10)
            let kind = try await kind { _ = try await client.send(request) }
            #expect(kind == .bodyTooLarge)
        }
    }

    @Test("no socket, nobody listening and no permission are told apart")
    func unreachable() async throws {
        let path = "/tmp/berth-curl-dead-\(getpid()).sock"
        let client = try HTTPClient(endpoint: .unixSocket(path))
        #expect(try await kind { _ = try await client.send(HTTPRequest(.get, "/")) } == .noSuchSocket)
        // A socket without a listener.
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            close(descriptor)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(try await kind { _ = try await client.send(HTTPRequest(.get, "/")) } == .connectionRefused)
        let nowhere = try HTTPClient(endpoint: .tcp(host: "127.0.0.1", port: 1))
        #expect(try await kind { _ = try await nowhere.send(HTTPRequest(.get, "/")) } == .connectionRefused)
    }

    @Test("lines come one by one, the last one without an end too, and a slow reader loses none")
    func lines() async throws {
        try await with("lines") { client, engine in
            engine.setFaults { $0.pull = String(repeating: "x", count: 100_000) }
            var lines: [Int] = []
            let request = HTTPRequest(.post, "/images/create", maxBodyBytes: 120_000)
            let response = try await client.lines(request) { line in
                lines.append(line.count)
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(response.status == 200 && lines.count == 2 && lines[1] > 100_000)
            let small = HTTPRequest(.post, "/images/create", maxBodyBytes: 50_000)
            #expect(try await kind { _ = try await client.lines(small) { _ in } } == .bodyTooLarge)
        }
    }

    @Test("a shut down client answers that it is")
    func shutdown() async throws {
        try await with("down") { client, engine in
            engine.setFaults { $0.neverAnswers = [.version] }
            let task = Task { try await client.send(HTTPRequest(.get, "/version")) }
            try await engine.waitFor("the call") { $0.calls[.version] == 1 }
            client.shutdown()
            #expect(try await kind { _ = try await task.value } == .cancelled)
            #expect(try await kind { _ = try await client.send(HTTPRequest(.get, "/version")) } == .cancelled)
        }
    }
}
