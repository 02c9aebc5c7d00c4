// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Glibc
import NIOCore
import Pool
import Synchronization
import Testing
import TestSupport

@Suite("What the server holds for callers is bounded in bytes", .serialized)
struct HeldMemoryTests {
    /// Resident memory of this process, which includes the server.
    private func resident() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (Int(words.split(separator: " ")[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Sends `count` Executes that have to wait, on one connection, and returns their results.
    private func waiting(_ server: TestServer, _ request: ExecuteRequest, count: Int) async throws -> [RPCError?] {
        let connection = try await RawConnection.open(server)
        let errors = Mutex<[RPCError]>([])
        for _ in 0..<count {
            connection.rpc.stream(PoolService.execute, request) { event in
                if case .end(let error?) = event { errors.withLock { $0.append(error) } }
            }
            // The client's own queue is bounded too.
            let _: HelloResponse = try await connection.call("Hello", HelloRequest())
        }
        let refused = errors.withLock { $0 }
        connection.close()
        return refused
    }

    @Test(
        "B8: Executes that wait are held up to a client's share, however they look decoded, and the rest is refused",
        arguments: [false, true])
    func waitingExecutes(isAmplified: Bool) async throws {
        let budget = MemoryBudget(limit: 160 << 20, clientLimit: 80 << 20)
        var configuration = PoolConfiguration(size: 1)
        configuration.max = 1
        try await TestServer.with(FleetConfiguration(pools: [configuration]), memory: budget) { server, client in
            let lease = try await client.acquire()
            let request =
                isAmplified
                ? ExecuteRequest(
                    waitMilliseconds: 600_000, argv: ["true"],
                    env: Dictionary(uniqueKeysWithValues: (0..<150_000).map { ("V\($0)", "1") }))
                : ExecuteRequest(
                    waitMilliseconds: 600_000, argv: ["true"], stdin: [UInt8](repeating: 0, count: 4_000_000))
            let size = request.encoded().count
            let before = resident()
            let refused = try await waiting(server, request, count: 24)
            let grown = resident() - before
            #expect(refused.count >= 24 - (80 << 20) / size, "\(refused.count) of \(size) bytes each")
            #expect(refused.count < 24)
            #expect(refused.allSatisfy { $0?.code == .resourceExhausted && $0?.reason == .memoryLimit })
            // The client is in this process too, and so is what decoding takes for a moment.
            print(
                "HeldMemoryTests: 24 waiting calls of \(size) bytes: \(refused.count) refused, \(grown >> 20) MiB grown"
            )
            #expect(grown < 256 << 20, "\(grown)")
            try await eventually("it is given back with the connection") { budget.held < 1 << 20 }
            try await client.release(lease)
        }
    }

    @Test("a request that would become more than there is room for is refused before anything is made of it")
    func amplified() async throws {
        let budget = MemoryBudget(limit: 32 << 20, clientLimit: 16 << 20)
        try await TestServer.with(FleetConfiguration(pools: [PoolConfiguration(size: 1)]), memory: budget) {
            server, client in
            let connection = try await RawConnection.open(server)
            let variables = Dictionary(uniqueKeysWithValues: (0..<60_000).map { ("V\($0)", "") })
            let request = ExecuteRequest(argv: ["true"], env: variables)
            let size = request.encoded().count
            #expect(size < 1 << 20)
            do {
                _ = try await connection.execute(request).next()
                Issue.record("\(size) bytes that become some 20 MB were taken")
            } catch let error as RPCError {
                #expect(error.code == .resourceExhausted && error.reason == .memoryLimit, "\(error)")
                #expect(error.message.contains("while it is read"), "\(error.message)")
            }
            try await eventually("nothing is held") { budget.held < 1 << 20 }
            connection.close()
            // As much of something that stays what it is, is taken.
            let output = try await client.run(Command(["wc", "-c"], stdin: [UInt8](repeating: 1, count: size)))
            #expect(output.ended.exitCode == 0, "\(output.ended)")
        }
    }

    @Test("B8: a running execution counts what its output may take, more as it writes more, and nothing after its end")
    func running() async throws {
        let budget = MemoryBudget(limit: 64 << 20)
        var configuration = PoolConfiguration(size: 1)
        configuration.max = 1
        try await TestServer.with(FleetConfiguration(pools: [configuration]), memory: budget) { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let before = budget.held
            let quiet = connection.execute(
                ExecuteRequest(lease: lease.token, shell: "read line", cwd: "/tmp", keepsStdinOpen: true))
            _ = try await quiet.next()
            let ofQuiet = budget.held - before
            #expect(ofQuiet < 5 << 18, "\(ofQuiet) for one that has written nothing")
            let stats: StatsResponse = try await connection.call("Stats", Empty())
            #expect(stats.heldBytes > 0 && stats.heldBudgetBytes == 64 << 20)
            let loud = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "head -c 8000000 /dev/zero; read line", cwd: "/tmp", keepsStdinOpen: true
                ))
            var count = 0
            while count < 8_000_000, case .some(let event) = try await loud.next() {
                if case .output(let output) = event { count += output.data.count }
                loud.forget()
            }
            #expect(budget.held - before - ofQuiet > 2 << 20, "its ring has grown")
            connection.close()
            try await eventually("nothing is held") { budget.held <= before }
            try await client.release(lease)
        }
    }

    @Test("B8: the more is held, the less a new execution gets, and with nothing left it is refused; all get on")
    func scarcity() async throws {
        let budget = MemoryBudget(limit: 16 << 20, clientLimit: 8 << 20)
        try await TestServer.with(FleetConfiguration(pools: [PoolConfiguration(size: 1)]), memory: budget) {
            server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            var streams: [RawStream] = []
            var refusal: RPCError?
            while refusal == nil, streams.count < 60 {
                let stream = connection.execute(
                    ExecuteRequest(
                        lease: lease.token, shell: "read line; head -c 3000000 /dev/zero", cwd: "/tmp",
                        keepsStdinOpen: true))
                do {
                    _ = try await stream.next()
                    streams.append(stream)
                } catch {
                    refusal = error as? RPCError
                }
            }
            #expect(refusal?.reason == .memoryLimit, "\(streams.count) run")
            #expect(streams.count > 8 && budget.held <= 8 << 20)
            for stream in streams {
                let started = try #require(stream.started)
                let _: InputResponse = try await connection.call(
                    "Input", InputRequest(lease: lease.token, execution: started.execution, data: [10], isEnd: true))
            }
            for stream in streams {
                while try await stream.next() != nil { stream.forget() }
                #expect(stream.ended?.stdoutBytes == 3_000_000)
            }
            connection.close()
            try await client.release(lease)
        }
    }
}
