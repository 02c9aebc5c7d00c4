// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Berth
import BerthRPC
import BerthSchema
import Logging
import NIOCore
import NIOPosix
import Pool
import Service
import Synchronization
import TestSupport

/// Runs `body` with a whole server in this process, with real agents and without containers.
func withLiveServer(size: Int = 3, _ body: (ServerAddress, Fleet) async throws -> Void) async throws {
    let runtime = try ProcessRuntime()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let group = MultiThreadedEventLoopGroup.singleton
    let fleet = Fleet(
        configuration: FleetConfiguration(pools: [PoolConfiguration(size: size)]), runtime: runtime,
        connector: AgentConnector(group: group), memberPrefix: "t", observer: PoolLog(logger))
    let service = PoolServiceHandler(
        fleet: fleet, server: "berth/test", runtimeKind: runtime.kind, limits: ServiceLimits(), logger: logger)
    let rpc = RPCServer(group: group, service: service)
    let bound = try await rpc.listen(host: "127.0.0.1", port: 0)
    let maintenance = Task { await fleet.run() }
    var failure: (any Error)?
    do {
        try await eventually("all members are warm") { fleet.snapshot().first?.idle == size }
        try await body(.tcp(host: "127.0.0.1", port: bound.port ?? 0), fleet)
    } catch {
        failure = error
    }
    service.drain()
    service.endAll()
    await maintenance.value
    await rpc.close()
    if let failure { throw failure }
    guard runtime.alive == 0 else { throw MissingPart("the end of \(runtime.alive) agents") }
}

/// A server that answers `Hello` and `Stats`, and if the test wants it also `WatchStats`.
final class StubServer: RPCService {
    enum Answer: Sendable {
        case now
        /// The `after`th call, and all others within `duration` of it, wait until that time is over.
        case stall(after: Int, duration: TimeAmount)
        /// From the `after`th call on, there are no answers.
        case never(after: Int)
    }

    private struct State {
        var calls = 0
        var stallEnd: NIODeadline?
    }

    private let answer: Answer
    private let watched: UInt32?
    private let state = Mutex(State())

    private init(_ answer: Answer, _ watched: UInt32?) {
        self.answer = answer
        self.watched = watched
    }

    var calls: Int { state.withLock { $0.calls } }

    /// - Parameter watched: number of idle members that `WatchStats` reports; nil: there is no such method.
    static func with(
        _ answer: Answer = .now, watched: UInt32? = nil,
        _ body: (ServerAddress, StubServer, RPCServer) async throws -> Void
    ) async throws {
        let stub = StubServer(answer, watched)
        let rpc = RPCServer(group: MultiThreadedEventLoopGroup.singleton, service: stub)
        let bound = try await rpc.listen(host: "127.0.0.1", port: 0)
        do {
            try await body(.tcp(host: "127.0.0.1", port: bound.port ?? 0), stub, rpc)
        } catch {
            await rpc.close()
            throw error
        }
        await rpc.close()
    }

    func serve(_ call: ServerCall, in session: Void) {
        switch PoolService.Method(rawValue: call.method) {
        case .stats: break
        case .watchStats: return watch(call)
        default: return call.respond(HelloResponse(server: "stub"))
        }
        let stats = StatsResponse(
            server: "stub", runtime: "none", pools: [PoolStats(name: "default", target: 2, idle: 2)])
        switch hold() {
        case .none: call.respond(stats)
        case .some(.distantFuture): break
        case .some(let until):
            let call = NIOLoopBound(call, eventLoop: call.connection.eventLoop)
            call.eventLoop.scheduleTask(deadline: until) { call.value.respond(stats) }
        }
    }

    private func watch(_ call: ServerCall) {
        guard let watched else { return call.fail(.unimplemented(service: call.service, method: call.method)) }
        let stats = StatsResponse(server: "stub", pools: [PoolStats(name: "default", target: 2, idle: watched)])
        let call = NIOLoopBound(call, eventLoop: call.connection.eventLoop)
        call.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(50)) { task in
            if call.value.isEnded { task.cancel() } else { call.value.send(stats) }
        }
    }

    /// The time until which a call waits; `distantFuture`: for ever.
    private func hold() -> NIODeadline? {
        let now = NIODeadline.now()
        return state.withLock { state in
            state.calls += 1
            switch answer {
            case .now: return nil
            case .never(let after): return state.calls > after ? .distantFuture : nil
            case .stall(let after, let duration):
                if state.calls == after { state.stallEnd = now + duration }
                return state.stallEnd.flatMap { $0 > now ? $0 : nil }
            }
        }
    }
}
