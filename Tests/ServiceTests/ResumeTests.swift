// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Pool
import Testing
import TestSupport

@Suite("Executions that outlive their streams")
struct ResumeTests {
    /// The output of `seq 1 count`.
    private func lines(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 1...count { bytes += Array("\(number)\n".utf8) }
        return bytes
    }

    /// Reads an execution over connections that are cut repeatedly.
    /// - Returns: what came, at its offset; gaps are zeros, and are returned separately.
    private func readInPieces(
        _ server: TestServer, _ request: ExecuteRequest, cuts: Int, total: Int, seed: UInt64
    ) async throws -> (output: [UInt8], gaps: [Range<UInt64>], ended: Ended) {
        var random = SeededGenerator(seed: seed)
        var output: [UInt8] = []
        var gaps: [Range<UInt64>] = []
        var connection = try await RawConnection.open(server)
        var stream = connection.execute(request)
        var id: String?
        for cut in 0...cuts {
            let begin = output.count
            var acknowledged = UInt64(begin)
            let goal = cut == cuts ? Int.max : begin + Int(random.next() % UInt64(2 * total / (cuts + 1)))
            while Int(stream.position.stdout) < goal || stream.started == nil {
                guard try await stream.next() != nil else { break }
                // At the latest at half of the window, which is never full then for good.
                let isDue = stream.position.stdout >= acknowledged + (32 << 10) || random.next() % 4 == 0
                guard isDue, stream.ended == nil else { continue }
                acknowledged = stream.position.stdout
                try await connection.acknowledge(stream)
            }
            id = id ?? stream.started?.execution
            // Its own bytes and gaps, put in their places.
            var piece = stream.stdout[...]
            for gap in stream.dropped {
                let before = Int(gap.lowerBound) - output.count
                output += piece.prefix(before)
                piece = piece.dropFirst(before)
                output += [UInt8](repeating: 0, count: gap.count)
                gaps.append(gap)
            }
            output += piece
            connection.close()
            if let ended = stream.ended { return (output, gaps, ended) }
            connection = try await RawConnection.open(server)
            stream = connection.attach(
                AttachRequest(execution: id ?? "", stdoutOffset: UInt64(output.count), windowBytes: 64 << 10))
        }
        throw NeverHappened(description: "the end")
    }

    @Test("a connection cut 200 times: with WAIT, what comes together is the program's output, byte for byte")
    func cutAndWait() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        let expected = lines(1_500_000)
        try await TestServer.with { server, _ in
            let request = ExecuteRequest(
                shell: "seq 1 1500000", cwd: "/tmp", windowBytes: 64 << 10, resumableMilliseconds: 60_000,
                unwatched: .wait)
            let read = try await readInPieces(server, request, cuts: 200, total: expected.count, seed: seed)
            #expect(read.gaps.isEmpty, "seed \(seed)")
            #expect(read.output == expected, "seed \(seed)")
            #expect(read.ended.cause == .exited)
            #expect(read.ended.stdoutBytes == expected.count)
        }
    }

    @Test("a connection cut 200 times: with RUN_ON, what is missing is told exactly")
    func cutAndRunOn() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        let expected = lines(1_500_000)
        try await TestServer.with { server, _ in
            let request = ExecuteRequest(
                shell: "seq 1 1500000", cwd: "/tmp", windowBytes: 64 << 10, resumableMilliseconds: 60_000)
            let read = try await readInPieces(server, request, cuts: 200, total: expected.count, seed: seed)
            #expect(read.output.count == expected.count, "seed \(seed)")
            #expect(read.ended.stdoutBytes == expected.count)
            var wanted = expected
            for gap in read.gaps {
                for index in gap { wanted[Int(index)] = 0 }
            }
            #expect(read.output == wanted, "seed \(seed)")
        }
    }

    @Test("after the end, Attach replays the last of it and ends with the same end; then it is kept no longer")
    func afterTheEnd() async throws {
        let clock = ManualClock()
        try await TestServer.with(clock: clock) { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let first = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "seq 1 400000; echo oops >&2; exit 3", cwd: "/tmp",
                    resumableMilliseconds: 5000))
            let ended = try await first.finish()
            let id = try #require(first.started?.execution)

            let again = connection.attach(AttachRequest(lease: lease.token, execution: id))
            #expect(try await again.finish() == ended)
            #expect(again.started?.watcher != first.started?.watcher)
            let gap = try #require(again.dropped.first)
            #expect(again.dropped.count == 1)
            #expect(gap.lowerBound == 0)
            #expect(again.stdout.count >= 1 << 20)
            #expect(again.stdout[...] == first.stdout[Int(gap.upperBound)...])
            #expect(again.stderr.text == "oops\n")

            // Exactly from where one is.
            let rest = connection.attach(
                AttachRequest(
                    lease: lease.token, execution: id, stdoutOffset: UInt64(first.stdout.count - 7), stderrOffset: 2))
            _ = try await rest.finish()
            #expect(rest.stdout[...] == first.stdout.suffix(7))
            #expect(rest.stderr.text == "ps\n")
            let now = connection.attach(AttachRequest(lease: lease.token, execution: id, isFromNow: true))
            _ = try await now.next()
            guard case .ended = try await now.next() else { throw NeverHappened(description: "the end") }

            let over = connection.attach(
                AttachRequest(lease: lease.token, execution: id, stdoutOffset: ended.stdoutBytes + 1))
            let error = await #expect(throws: RPCError.self) { _ = try await over.finish() }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("past the end") == true, "\(error?.message ?? "")")

            // The lease may end; what is kept stays.
            try await client.release(lease)
            let later = connection.attach(AttachRequest(lease: lease.token, execution: id, isFromNow: true))
            #expect(try await later.finish() == ended)
            clock.advance(by: .seconds(6))
            try await eventually("it is kept no longer") {
                let late = connection.attach(AttachRequest(lease: lease.token, execution: id))
                do {
                    _ = try await late.finish()
                    return false
                } catch let error as RPCError {
                    return error.code == .notFound
                }
            }
            connection.close()
        }
    }

    @Test("when nobody comes in its time, it is cancelled; who attaches in time stops that")
    func timeWithoutWatchers() async throws {
        let clock = ManualClock()
        try await TestServer.with(clock: clock) { server, client in
            let lease = try await client.acquire(isDetached: true)
            let first = try await RawConnection.open(server)
            let stream = first.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "echo ready; sleep 1000", cwd: "/tmp", resumableMilliseconds: 5000))
            try await stream.read(stdout: 6)
            let id = try #require(stream.started?.execution)
            first.close()
            let second = try await RawConnection.open(server)
            func list() async throws -> [ExecutionInfo] {
                let answer: ListExecutionsResponse = try await second.call(
                    "ListExecutions", ListExecutionsRequest(lease: lease.token))
                return answer.executions
            }
            try await eventually("nobody watches") { try await list().first?.watchers == 0 }
            clock.advance(by: .seconds(4))
            let resumed = second.attach(AttachRequest(lease: lease.token, execution: id))
            try await resumed.read(stdout: 6)
            #expect(resumed.stdout.text == "ready\n")
            clock.advance(by: .seconds(4))
            let info = try #require(try await list().first)
            #expect(info.ended == nil)
            #expect(info.argv == ["/bin/sh", "-c", "echo ready; sleep 1000"])
            #expect(info.ageMilliseconds == 8000)
            #expect(info.watchers == 1)
            #expect(info.stdoutBytes == 6)
            #expect(info.resumableMilliseconds == 5000)

            // Detach is the end of the stream and nothing else.
            let watcher = try #require(resumed.started?.watcher)
            let _: Empty = try await second.call(
                "Detach", DetachRequest(lease: lease.token, execution: id, watcher: watcher))
            let error = await #expect(throws: RPCError.self) { _ = try await resumed.finish() }
            #expect(error?.code == .cancelled)
            clock.advance(by: .seconds(6))
            try await eventually("it is cancelled") { try await list().first?.ended?.cause == .cancelled }
            second.close()
        }
    }

    @Test("an execution that is not resumable is cancelled when its last stream is detached; an observer is none")
    func detached() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(lease: lease.token, shell: "echo ready; sleep 1000", cwd: "/tmp"))
            try await stream.read(stdout: 6)
            let started = try #require(stream.started)
            let observer = connection.attach(
                AttachRequest(lease: lease.token, execution: started.execution, isObserver: true))
            try await observer.read(stdout: 6)
            let _: Empty = try await connection.call(
                "Detach",
                DetachRequest(lease: lease.token, execution: started.execution, watcher: started.watcher))
            #expect(try await observer.finish().cause == .cancelled)
            let again = await #expect(throws: RPCError.self) {
                let _: Empty = try await connection.call(
                    "Detach",
                    DetachRequest(lease: lease.token, execution: started.execution, watcher: started.watcher))
            }
            #expect(again?.code == .notFound)
            connection.close()
        }
    }

    @Test("no more than 64 ended executions of a lease are kept: the oldest end goes first")
    func bounded() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            var ids: [String] = []
            for index in 0..<70 {
                let stream = connection.execute(
                    ExecuteRequest(
                        lease: lease.token, argv: ["echo", "\(index)"], cwd: "/tmp", resumableMilliseconds: 60_000))
                _ = try await stream.finish()
                ids.append(try #require(stream.started?.execution))
            }
            let answer: ListExecutionsResponse = try await connection.call(
                "ListExecutions", ListExecutionsRequest(lease: lease.token))
            #expect(answer.executions.map(\.execution) == ids.suffix(64))
            connection.close()
        }
    }

    @Test("an execution is found with its lease only, and all that is wrong is told with the same words")
    func wrongLease() async throws {
        try await TestServer.with(PoolConfiguration(size: 2)) { server, client in
            let lease = try await client.acquire()
            let other = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(lease: lease.token, argv: ["sleep", "1000"], cwd: "/tmp"))
            _ = try await stream.next()
            let id = try #require(stream.started?.execution)
            var words: Set<String> = []
            for (token, execution) in [(other.token, id), (other.token, "nonsense"), ("", id), (lease.token, "")] {
                let error = await #expect(throws: RPCError.self) {
                    _ = try await connection.attach(AttachRequest(lease: token, execution: execution)).finish()
                }
                #expect(error?.code == .notFound)
                words.insert(error?.message ?? "")
            }
            #expect(words.count == 1)
            connection.close()
        }
    }
}
