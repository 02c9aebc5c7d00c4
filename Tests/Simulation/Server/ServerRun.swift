// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Service
internal import SimulationModel

/// A server, its clients and its book, which live through one story.
package final class ServerRun {
    package let world: World
    private let server: SimulatedServer
    let book: ServerBook
    private var clients: [SimulatedClient] = []
    private let pool: PoolConfiguration
    private var keys: UInt32 = 0
    private let keyBase: UInt32

    /// Call it while the world lives.
    init(_ world: World, seed: UInt64) {
        self.world = world
        var random = Randomness(seed: seed)
        let max = 1 + random.below(6)
        var pool = PoolConfiguration(
            name: "a", size: random.below(max + 1), max: max, batch: 1 + random.below(3),
            backoff: .seconds(1 + random.below(60)), createTimeout: .seconds(30),
            leaseTime: .seconds(2 + random.below(120)))
        pool.reuse = random.chance(0.5) ? .reset : .never
        pool.healthInterval = random.chance(0.5) ? .seconds(5 + random.below(30)) : nil
        self.pool = pool
        server = SimulatedServer(world, pool: pool, heldBytes: [4 << 20, 16 << 20, 256 << 20][random.below(3)])
        book = ServerBook(world)
        keyBase = UInt32(truncatingIfNeeded: random.next())
        clients = (0..<(1 + random.below(5))).map { SimulatedClient($0, server, book) }
        server.runtime.onEnd = { [book] _, end in book.told(end) }
        world.pass(.seconds(Int64(random.below(3))))
    }

    // MARK: Living

    func live(_ event: ServerEvent) {
        world.pass(.microseconds(Int64(event.gap)))
        world.trace("\(event)", 20, UInt64(event.pick), UInt64(event.value))
        sing()
        apply(event)
        world.pass(.nanoseconds(0))
        check()
    }

    private func apply(_ event: ServerEvent) {
        let client = clients[Int(event.pick) % clients.count]
        let value = event.value
        switch event.kind {
        case .connect: client.connect()
        case .leave: client.leave(isCut: value % 2 == 0)
        case .acquire:
            client.acquire(
                wait: value % 3 == 0 ? 1 + value / 3 % 30_000 : 0, ttl: value % 2 == 0 ? 2000 + value / 2 % 60_000 : 0)
        case .release: client.release(value)
        case .renew: client.renew(value)
        case .execute: if let lease = client.lease(value) { execute(client, lease, value) }
        case .executeAlone: execute(client, nil, value)
        case .attach: client.attach(value, window: window(value / 16), .prompt)
        case .signal: client.signal(value, value / 16)
        case .stall: client.wire?.stall(.milliseconds(Int64(value % 20_000)))
        case .pauseReading: client.pauseReading(.milliseconds(Int64(value % 90_000)))
        case .breakRules: client.breakRules(value)
        case .memberDies:
            guard let container = pick(value) else { return }
            book.memberLost(container.member.description)
            container.die(outOfMemory: value % 3 == 0)
        case .agentStalls: pick(value)?.wire?.stall(.milliseconds(Int64(value % 3000)))
        case .runtimeChanges:
            var faults = SimulatedRuntime.Faults()
            if value & 1 == 0 { faults.createFails = 0.3 }
            if value & 2 == 0 { faults.createHangs = 0.2 }
            if value & 4 == 0 { faults.createIsLate = 0.2 }
            if value & 8 == 0 { faults.removalFails = 0.3 }
            if value & 16 == 0 { faults.isMute = 0.2 }
            server.runtime.faults = faults
        case .pass: world.pass(.milliseconds(Int64(value % 30_000)))
        }
    }

    /// What a canary does by itself.
    private func sing() {
        switch world.canary {
        case .memoryIsNotGivenBack where world.chance(0.05): server.memory.account(of: "10.0.0.9").take(1)
        case .memoryIsNotCounted where world.chance(0.05): server.memory.account(of: "10.0.0.9").give(64 << 20)
        default: break
        }
    }

    private func pick(_ value: UInt32) -> SimulatedRuntime.Container? {
        let containers = server.runtime.containers
        return containers.isEmpty ? nil : containers[Int(value) % containers.count]
    }

    private func window(_ value: UInt32) -> UInt64 { [0, 64 << 10, 64 << 10, 256 << 10, 1 << 20][Int(value) % 5] }

    private func execute(_ client: SimulatedClient, _ lease: ServerBook.Lease?, _ value: UInt32) {
        guard client.connection != nil else { return }
        keys += 1
        var random = Randomness(seed: UInt64(value) << 32 | UInt64(keys))
        let key = keyBase &+ keys
        let timeout = UInt32([300, 3000, 20_000, 20_000][random.below(4)])
        var request = ExecuteRequest(
            lease: lease?.token ?? "", argv: ["program", SystemString("\(key)")], timeoutMilliseconds: timeout,
            graceMilliseconds: UInt32([1, 500, 2000][random.below(3)]), windowBytes: window(UInt32(random.below(5))))
        if random.chance(0.15) { request.resumableMilliseconds = 1000 + UInt32(random.below(60_000)) }
        if request.resumableMilliseconds > 0, random.chance(0.5) { request.unwatched = .wait }
        if random.chance(0.1) { request.maxOutputBytes = UInt64(1 + random.below(50_000)) }
        if lease == nil, random.chance(0.1) {
            request.stdin = [UInt8](repeating: 7, count: random.below(2 << 20))
        }
        let manner: Watch.Manner =
            request.windowBytes == 0 ? .prompt : [.prompt, .prompt, .prompt, .late, .sleepy][random.below(5)]
        let execution = ServerBook.Execution(
            key, lease, timeout: .milliseconds(Int64(timeout)), world.now, requestBytes: request.stdin.count)
        client.execute(execution, request, manner)
    }

    // MARK: Rules

    private func check() {
        for container in server.runtime.containers {
            for program in container.agent.running where world.now > program.due {
                world.broken(.inTime, "a program with key \(program.key) in \(container.member) is past its time")
            }
        }
        // What is held beyond it has bounds of its own: the first window of each execution that runs, and its ring.
        if server.memory.held > server.memory.limit + (8 << 20) {
            world.broken(.budget, "\(server.memory.held) bytes are held, of \(server.memory.limit)")
        }
        if server.memory.held < 0 { world.broken(.budget, "\(server.memory.held) bytes are held") }
    }

    /// No more faults: what can end ends, then everybody leaves, and nothing is left.
    func end() {
        world.trace("the faults end", 21)
        server.runtime.faults = SimulatedRuntime.Faults()
        for client in clients { client.calm() }
        for _ in 0..<40 where world.violation == nil {
            world.pass(.seconds(5))
            check()
        }
        for (what, since) in book.open.values {
            world.broken(.answered, "\(what) has no answer after \((world.now - since).nanoseconds / 1_000_000) ms")
        }
        for client in clients { client.leave(isCut: false) }
        world.pass(.seconds(600))
        checkQuiet()
    }

    private func checkQuiet() {
        let idle = server.fleet.snapshot().first?.idle ?? 0
        for (what, count, right) in [
            ("leases", server.fleet.leaseCount, 0), ("executions", server.service.executionCount, 0),
            ("connections of the service", server.service.connectionCount, 0),
            ("connections", server.rpc.connectionCount, 0), ("held bytes", server.memory.held, 0),
            ("waiting acquires", server.fleet.snapshot().first?.waiters ?? 0, 0),
            ("containers", server.runtime.containers.count, server.fleet.memberCount),
            ("programs", server.runtime.containers.reduce(0) { $0 + $1.agent.running.count }, 0),
            ("idle members", idle, pool.size),
        ] where count != right {
            world.broken(.quiet, "\(count) \(what) when all is quiet, not \(right)")
        }
    }

    func dispose() { server.dispose() }
}
