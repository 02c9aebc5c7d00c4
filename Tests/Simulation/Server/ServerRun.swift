// SPDX-License-Identifier: Apache-2.0

internal import Access
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
    private var asker: ServerAsker
    private let heldBytes: Int

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
        heldBytes = [4 << 20, 16 << 20, 256 << 20][random.below(3)]
        let tenants = random.below(5)
        server = SimulatedServer(
            world, pool: pool, heldBytes: heldBytes,
            tenants: tenants == 0 ? nil : SimulatedTenants(world, count: tenants, &random))
        book = ServerBook(world, reuses: pool.reuse == .reset)
        asker = ServerAsker(&random)
        clients = (0..<(1 + random.below(5))).map { SimulatedClient($0, server, book) }
        server.runtime.onEnd = { [book] _, end in book.told(end) }
        server.runtime.onLeft = { [book] in book.count("left in the background") }
        server.runtime.onBegin = { [book] container, key, asked in
            book.began(key, asked, in: container.member.description, others: container.agent.keys)
        }
        if let tenants = server.tenants {
            tenants.onLost = { [unowned self] token in for client in clients { client.lost(token) } }
            book.dayOf = { [weak tenants] in tenants?.day($0) ?? 0 }
        }
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
        case .connect: client.connect(value)
        case .leave:
            client.leave(isCut: value % 2 == 0)
            if world.canary == .othersLeaseEnds { for other in clients where other !== client { other.loseLease() } }
        case .acquire:
            client.acquire(
                wait: value % 3 == 0 ? 1 + value / 3 % 30_000 : 0, ttl: value % 2 == 0 ? 2000 + value / 2 % 60_000 : 0)
        case .release: client.release(value)
        case .renew: client.renew(value)
        case .execute: if let lease = client.anyLease(value) { asker.execute(client, lease, value, world.now) }
        case .executeAlone: asker.execute(client, nil, value, world.now)
        case .attach: client.attach(value, window: ServerAsker.window(value / 16), .prompt)
        case .signal: client.signal(value, value / 16)
        case .list: client.list(value)
        case .input: client.type(event.pick / 8, value)
        case .resize: client.resize(event.pick / 8, value)
        case .hello: client.hello(value)
        case .tokens: changeTokens(client, value)
        case .trespass: client.trespass(event.pick, value)
        case .stall: client.stall(.milliseconds(Int64(value % 20_000)))
        case .pauseReading: client.pauseReading(.milliseconds(Int64(value % 90_000)))
        case .breakRules: client.breakRules(value)
        case .memberDies:
            guard let container = pick(value) else { return }
            book.memberLost(container.member.description)
            container.die(outOfMemory: value % 3 == 0)
        case .agentStalls:
            book.agentsStall(for: .milliseconds(Int64(value % 3000)))
            pick(value)?.wire?.stall(.milliseconds(Int64(value % 3000)))
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

    /// A token of a tenant is exchanged, revoked or given a date.
    private func changeTokens(_ client: SimulatedClient, _ value: UInt32) {
        guard let tenants = server.tenants, let party = client.party else { return }
        let old = tenants.exchange(party)
        switch value % 3 {
        case 0:
            // In order: clients say hello with the new one first.
            for other in clients where other.party === party { other.hello(11) }
            world.after(.milliseconds(Int64(value / 3 % 20_000))) { [weak tenants] in tenants?.retire(old) }
        case 1: tenants.retire(old)
        default: tenants.expire(old, in: 1 + Int(value / 3 % 5))
        }
    }

    /// What a canary does by itself.
    private func sing() {
        switch world.canary {
        case .memoryIsNotGivenBack where world.chance(0.05): server.memory.account(of: "10.0.0.9").take(1)
        case .memoryIsNotCounted where world.chance(0.05): server.memory.account(of: "10.0.0.9").give(64 << 20)
        case .executionIsCountedForEver where world.chance(0.2):
            for tenant in server.tenants?.access.tenants ?? [] { tenant.goOn() }
        case .a6SlowReaderLosesMember:
            for container in server.runtime.containers {
                for program in container.agent.running where program.isWithoutCredit {
                    guard program.isOverdue else { continue }
                    container.wire?.cut()
                }
            }
        default: break
        }
    }

    private func pick(_ value: UInt32) -> SimulatedRuntime.Container? {
        let containers = server.runtime.containers
        return containers.isEmpty ? nil : containers[Int(value) % containers.count]
    }

    // MARK: Rules

    private func check() {
        for container in server.runtime.containers {
            for program in container.agent.running {
                check(program, in: container.member.description)
            }
        }
        book.checkAnswers()
        for client in clients {
            client.checkIsOut()
            client.lookAtWaiters()
        }
        book.checkTurns()
        checkMovement()
        checkHeld()
    }

    private func check(_ program: ModelProgram, in member: String) {
        if world.now > program.due {
            world.broken(.inTime, "program \(program.key) in \(member) is past its time")
        }
        guard let execution = book.executions[program.key] else { return }
        if let end = execution.mustEndBy, world.now > end {
            world.broken(.ends, "program \(program.key) in \(member) was ended from outside, and runs")
        }
        if let end = execution.mustDieBy, world.now > max(end, book.agentsStalledUntil + .seconds(5)), program.lives {
            world.broken(.signals, "program \(program.key) in \(member) was sent a signal, and lives")
        }
        if let typing = execution.typing, !program.input.isClosed {
            if typing.accepted > program.input.expected || typing.hasEnd && !program.input.hasEnd {
                world.broken(
                    .input,
                    "\(execution.name) has input up to \(program.input.expected), of \(typing.accepted) that were accepted"
                )
            }
        }
        if execution.resizes > 0, let size = execution.size, let real = program.size, size != real,
            execution.resizes == execution.resized
        {
            world.broken(.input, "\(execution.name) has a terminal of \(real), where \(size) was accepted")
        }
    }

    /// What was written comes to those who read.
    private func checkMovement() {
        for client in clients {
            guard let wire = client.wire else { continue }
            let isHeldUp = wire.isStalled || client.isPaused || client.isRude
            for watch in client.watches {
                let execution = watch.execution
                let isHeldUp = isHeldUp || execution.retries > 0
                let container = server.runtime.containers.first { $0.member.description == execution.member }
                if let told = execution.told?.end {
                    watch.look(written: told.sent, isHeldUp: isHeldUp || container?.wire?.isStalled ?? false)
                    continue
                }
                let isStuck = container?.hasDied ?? true || container?.wire?.isStalled ?? true
                let program = container?.agent.program(execution.key)
                let most = execution.asked.maxOutput == 0 ? UInt64.max : execution.asked.maxOutput
                watch.look(
                    written: program.map { min($0.written.stdout, most) + min($0.written.stderr, most) },
                    isHeldUp: isHeldUp || isStuck)
            }
        }
    }

    private func checkHeld() {
        var sum = 0
        for client in clients {
            let held = client.heldByServer()
            sum += held
            if held > heldBytes / 2 + (128 << 10) {
                world.broken(
                    .budget,
                    "\(held) bytes of one client's requests wait, whose share is \(heldBytes / 2), of \(server.memory.held) counted"
                )
            }
        }
        if sum > heldBytes + (128 << 10) {
            world.broken(.budget, "\(sum) bytes of requests wait, where \(heldBytes) may be held")
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
        server.tenants?.calm()
        for client in clients { client.calm() }
        for _ in 0..<80 where world.violation == nil {
            world.pass(.seconds(5))
            check()
        }
        for (what, since, _) in book.open.values {
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
