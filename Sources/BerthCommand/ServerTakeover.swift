// SPDX-License-Identifier: Apache-2.0

import Access
import AgentLink
import BerthRPC
import CHost
import CLinux
import Dispatch
import Embedded
import Hardening
import Housekeeping
import Logging
import Monitoring
import NIOCore
import Pool
import Service
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The upgrade in place: this process executes the program that is installed now, and nobody who calls notices more than a pause.
///
/// Nothing is given up before that program has said that it can go on with the state. Whatever fails until it runs leaves this one
/// serving as before.
struct ServerTakeover: Sendable {
    /// How long the new program may take to look at the state.
    private static let checkSeconds: Int32 = 5
    /// How long creates, removals and resets may take to end.
    private static let workLimit = Duration.seconds(10)
    /// How long to wait for a moment in which no call is open that can't go over, and how often to look.
    private static let callLimit = Duration.seconds(5)
    private static let callInterval = Duration.milliseconds(5)
    /// How often each event loop takes its turn before all stand still: what they have told each other has arrived then.
    private static let rounds = 4
    /// How long an event loop may take to stand still.
    private static let standstill = Duration.milliseconds(500)

    /// The path of this program.
    let binary: String
    let rpc: RPCServer
    let fleet: Fleet
    let service: PoolServiceHandler
    let choice: RuntimeChoice
    let memoryBudgetBytes: Int64
    let upkeep: Upkeep
    let directory: StateDirectory
    let instance: String
    let janitor: Janitor
    let users: UserIDClaim?
    let monitoring: MonitoringServer?
    let addresses: [String]
    let group: any EventLoopGroup
    let signals: EndSignals
    let logger: Logger

    /// Upgrades, if another program is at the path of this one. Returns if it is not, or that fails.
    func runIfDue() async {
        // Of a file that was replaced, this is a link to the one before.
        guard berth_same_file("/proc/self/exe", binary) == 0 else { return }
        logger.notice("another program is installed, the server upgrades in place", metadata: ["program": "\(binary)"])
        do {
            try await run()
        } catch {
            logger.error(
                "the server is not upgraded, and goes on as before",
                metadata: ["reason": "\((error as? Failure)?.message ?? "\(error)")"])
        }
    }

    private func run() async throws {
        guard choice.embedded != nil else {
            throw Failure(
                "containers of the runtime \(choice.runtime.kind) can't go over to another program: restart the server")
        }
        if let obstacle = service.obstacle() {
            throw Failure(
                "\(obstacle), which can't go over to another program: reload again when they have ended, or restart")
        }
        // All but what is open, so that a program which can't read it is found out while this one serves.
        var first = state()
        (first.fleet, first.service) = (fleet.carried, (try? service.carry()) ?? CarriedService())
        try await check(first)
        guard await fleet.suspend(within: Self.workLimit) else {
            throw Failure("creates, removals or resets did not end within \(Self.workLimit)")
        }
        defer { fleet.resume() }
        try await standStill()
    }

    /// What does not depend on a standstill.
    private func state() -> CarriedServer {
        var state = CarriedServer(
            pid: getpid(), runtime: choice.runtime.kind, instance: instance, directory: directory.path,
            lock: directory.lock, janitor: janitor.pid, janitorPipe: janitor.pipe, users: users?.range,
            usersDescriptor: users?.descriptor, secret: upkeep.access?.access.secret,
            memoryBudgetBytes: memoryBudgetBytes, addresses: addresses)
        state.helpers = choice.embedded?.helpers ?? []
        return state
    }

    /// Asks the new program whether it can go on with the state.
    private func check(_ state: CarriedServer) async throws {
        let file = try Self.file(state)
        defer { close(file) }
        let words = [binary] + CommandLine.arguments.dropFirst() + ["--check-takeover"]
        let outcome = try await blocking { cancellation throws(RuntimeError) in
            try Subprocess.run(
                words, stdin: file, environment: Self.environment, seconds: Self.checkSeconds, cancellation)
        }
        guard outcome.status == 0, outcome.output.contains(CarriedServer.yes) else {
            let said = outcome.output.split(separator: "\n").last.map { ": \($0)" } ?? ""
            throw Failure("the program that is installed can't go on with this server\(said)")
        }
    }

    private static func file(_ state: CarriedServer) throws -> Int32 {
        let (head, block) = try state.encoded()
        let file = head.withUnsafeReadableBytes { head in
            block.withUnsafeReadableBytes { berth_sealed_file(head.baseAddress, head.count, $0.baseAddress, $0.count) }
        }
        guard file >= 0 else { throw Failure("the state can't be written: \(String(cString: strerror(-file)))") }
        return file
    }

    private static var environment: [String] {
        var variables: [String] = []
        var next = berth_environment()
        while let variable = next.pointee {
            variables.append(String(cString: variable))
            next += 1
        }
        return variables
    }

    // MARK: The pause

    private var links: [AgentConnection] { fleet.allLinks().compactMap { $0 as? AgentConnection } }

    private func standStill() async throws {
        let deadline = ContinuousClock.now + Self.callLimit
        while true {
            while let obstacle = await currentObstacle() {
                guard ContinuousClock.now < deadline else {
                    throw Failure("\(obstacle) is open, which can't go over to another program: reload again later")
                }
                try await Task.sleep(for: Self.callInterval)
            }
            let began = SystemClock().now().nanoseconds
            await freeze()
            if await currentObstacle() == nil {
                upkeep.access?.saveNow()
                do {
                    return try await goOver(began)
                } catch {
                    await thaw()
                    throw error
                }
            }
            await thaw()
        }
    }

    private func currentObstacle() async -> String? {
        if let obstacle = service.obstacle() { return obstacle }
        return await rpc.obstacle().map { "a call of \($0)" }
    }

    private func freeze() async {
        await rpc.stopAccepting()
        await turns()
        await rpc.closeOthers()
        await rpc.freeze()
        await turns()
        service.freeze()
        for link in links { link.freeze() }
        await turns()
        service.countCPUTime()
    }

    private func thaw() async {
        service.thaw()
        for link in links { link.thaw() }
        await rpc.goOn()
    }

    /// What event loops have told each other arrives.
    private func turns() async {
        for _ in 0..<Self.rounds {
            for loop in group.makeIterator() { try? await loop.submit {}.get() }
        }
    }

    /// What is taken from the event loops, each on its own.
    private struct Parts {
        var listeners: [RPCServer.CarriedListener] = []
        var connections: [CarriedConnection] = []
        var agents: [CarriedAgent] = []
        var failure: CarryError?
    }

    /// Holds all event loops, takes the state, and executes the new program. Returns only if that fails.
    private func goOver(_ began: Int64) async throws {
        var state = state()
        state.began = began
        state.monitoring = await monitoring?.descriptor()
        let (loops, links) = (Array(group.makeIterator()), links)
        let failure = try await blocking { [state] _ throws(RuntimeError) -> String in
            let parts = Mutex(Parts())
            let (held, release) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            for loop in loops {
                loop.execute {
                    take(loop, links, parts)
                    held.signal()
                    release.wait()
                }
            }
            defer { for _ in loops { release.signal() } }
            for _ in loops where held.wait(timeout: .now() + Self.standstill.seconds) == .timedOut {
                return "an event loop did not stand still"
            }
            do {
                return try execute(parts.withLock { $0 }, state)
            } catch {
                return (error as? Failure)?.message ?? "\(error)"
            }
        }
        throw Failure(failure)
    }

    private func take(_ loop: any EventLoop, _ links: [AgentConnection], _ parts: borrowing Mutex<Parts>) {
        do throws(CarryError) {
            let listeners = try rpc.carriedListeners(on: loop)
            let connections = try rpc.carriedConnections(on: loop)
            var agents: [CarriedAgent] = []
            for link in links where link.eventLoop === loop {
                if let agent = try link.carry() { agents.append(agent) }
            }
            parts.withLock { parts in
                parts.listeners += listeners
                parts.connections += connections
                parts.agents += agents
            }
        } catch {
            parts.withLock { $0.failure = error }
        }
    }

    /// - Returns: why the new program does not run.
    private func execute(_ parts: Parts, _ state: CarriedServer) throws -> String {
        if let failure = parts.failure { return failure.description }
        var state = state
        (state.listeners, state.connections, state.agents) = (parts.listeners, parts.connections, parts.agents)
        state.fleet = fleet.carried
        state.service = try service.carry()
        state.containers = state.fleet.members.compactMap { choice.embedded?.carry(MemberID($0.id)) }
        let file = try Self.file(state)
        defer { close(file) }
        let variables = Self.environment.filter { !$0.hasPrefix("\(CarriedServer.variable)=") }
        var words: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] =
            (variables + ["\(CarriedServer.variable)=\(file)"]).map { strdup($0) } + [nil]
        defer { for word in words + environment { free(word) } }
        let kept = state.descriptors + [file]
        // The other program would not hear of it.
        guard !signals.hasCome else { return "the server ends" }
        let error = berth_execute(binary, &words, &environment, kept, kept.count)
        return "\(binary): \(String(cString: strerror(-error)))"
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(saturatedNanoseconds) / 1e9 }
}
