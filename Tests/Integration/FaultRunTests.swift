// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Synchronization
import Testing
import TestSupport

@Suite("A whole server on an engine that fails at random", .serialized)
struct FaultRunTests {
    /// The members that clients hold now. No member may be held twice.
    private final class Book: Sendable {
        private struct State {
            var held: Set<String> = []
            var seen: Set<String> = []
            var asked = 0
            var acquired = 0
            var refused: [BerthError.Code: Int] = [:]
            var wrong: [String] = []
        }
        private let state = Mutex(State())

        func asked() { state.withLock { $0.asked += 1 } }

        func acquired(_ member: String) {
            state.withLock { state in
                state.acquired += 1
                if !state.held.insert(member).inserted { state.wrong.append("\(member) has two holders") }
                // Containers are used once: a member that comes again was not destroyed.
                if !state.seen.insert(member).inserted { state.wrong.append("\(member) was handed out twice") }
            }
        }

        func gaveUp(_ member: String) { state.withLock { _ = $0.held.remove(member) } }
        func refused(_ error: BerthError) { state.withLock { $0.refused[error.code, default: 0] += 1 } }
        func wrong(_ what: String) { state.withLock { $0.wrong.append(what) } }
        var wrongs: [String] { state.withLock { $0.wrong } }
        var askedCount: Int { state.withLock { $0.asked } }
        var acquiredCount: Int { state.withLock { $0.acquired } }
        var refusals: [BerthError.Code: Int] { state.withLock { $0.refused } }
    }

    @Test("30 s of faults: no member lost or doubled, never over max, and the books balance")
    func run() async throws {
        let seed = UInt64.random(in: 0...(.max))
        print("FaultRunTests.run seed \(seed)")
        let max = 12
        let socket = "/tmp/berth-stub-\(UUID().uuidString.prefix(8)).sock"
        let engine = try await StubEngine.start(socketPath: socket, agent: BuildProducts.program("berth-agent"))
        let server = try await ServerProcess.start(
            .runc,
            [
                "--runtime", "docker", "--docker-host", engine.endpoint, "--image", "stub:latest", "--size", "4",
                "--max",
                "\(max)", "--create-timeout", "2s", "--backoff", "200ms", "--log-level", "info",
            ])
        do {
            let address = try ServerAddress(server.address)
            let book = Book()
            let end = ContinuousClock.now + .seconds(30)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.breakThings(engine, until: end, seed: seed) }
                for index in 0..<48 {
                    group.addTask {
                        var random = SeededGenerator(seed: seed &+ UInt64(index) &+ 1)
                        while ContinuousClock.now < end { try await Self.oneClient(address, book, &random) }
                    }
                }
                try await group.waitForAll()
            }
            engine.setFaults { $0 = StubEngine.Faults() }
            print("asked \(book.askedCount), acquired \(book.acquiredCount), refused \(book.refusals)")
            #expect(book.wrongs.isEmpty, "\(book.wrongs.prefix(5))")
            #expect(book.askedCount > 1000)
            #expect(book.acquiredCount > 100)
            #expect(engine.now.mostContainers <= max)

            let watcher = try await BerthClient.connect(to: address)
            var pool = PoolStats()
            try await eventually("all leases have ended and the pool is full again", within: .seconds(60)) {
                pool = try await watcher.stats().pools[0]
                return pool.leased == 0 && pool.stopping == 0 && pool.starting == 0 && pool.idle == 4
            }
            #expect(pool.creates == pool.destroyed + UInt64(pool.idle), "\(pool)")
            #expect(pool.waiters == 0)
            #expect(engine.now.containers.count == 4)
            watcher.close()
            server.program.signal(SIGTERM)
            #expect(try await server.program.end(within: .seconds(60)) == 0)
            #expect(engine.now.containers.isEmpty)
        } catch {
            server.program.signal(SIGKILL)
            await engine.stop()
            throw NeverHappened(
                description: "seed \(seed): \(error); the log's end:\n\(server.program.err.suffix(4000))")
        }
        await engine.stop()
        try? FileManager.default.removeItem(atPath: server.stateDirectory)
    }

    private static func breakThings(
        _ engine: StubEngine, until end: ContinuousClock.Instant, seed: UInt64
    ) async throws {
        var random = SeededGenerator(seed: seed)
        while ContinuousClock.now < end {
            let kind = Int.random(in: 0..<12, using: &random)
            let delay = Int.random(in: 1...40, using: &random)
            engine.setFaults { faults in
                faults = StubEngine.Faults()
                switch kind {
                case 0: faults.create = (500, "told to")
                case 1: faults.start = (500, "told to")
                case 2: faults.exitsAtOnce = 1
                case 3: faults.removeConflicts = 3
                case 4: faults.remove = (500, "told to")
                case 5: faults.delay = .milliseconds(delay)
                default: break
                }
            }
            if kind == 6, let victim = engine.now.containers.keys.randomElement(using: &random) {
                engine.end(victim, code: 137)
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 50...400, using: &random)))
        }
    }

    /// Uses one connection and a few leases, which end in all possible ways.
    private static func oneClient(
        _ address: ServerAddress, _ book: Book, _ random: inout SeededGenerator
    ) async throws {
        let client = try await BerthClient.connect(to: address)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            do {
                // Most ask for a moment only, so that far more ask than there are members made.
                let patience = Bool.random(using: &random) ? 1...40 : 20...3000
                book.asked()
                let lease = try await client.acquire(wait: .milliseconds(Int.random(in: patience, using: &random)))
                book.acquired(lease.member)
                let way = Int.random(in: 0..<40, using: &random)
                if way > 0 {
                    let output = try await client.execute(Command(["echo", lease.member], cwd: "/"), in: lease)
                        .collect()
                    if output.ended.cause == .exited, output.stdout != Array("\(lease.member)\n".utf8) {
                        book.wrong("\(lease.member) wrote \(output.stdout)")
                    }
                }
                book.gaveUp(lease.member)
                if way == 1 { break }
                try await client.release(lease)
            } catch let error as BerthError {
                book.refused(error)
                let expected: Set<BerthError.Code> = [.unavailable, .deadlineExceeded, .resourceExhausted, .notFound]
                if !expected.contains(error.code) { book.wrong("refused with \(error.code): \(error)") }
            }
        }
        // Its leases that were not released end a while after it.
        client.close()
    }
}
