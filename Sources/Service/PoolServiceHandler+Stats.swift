// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import Synchronization

extension PoolServiceHandler {
    func stats(_ call: ServerCall, _ session: Session) {
        call.respond(statsNow(call.connection.memory.budget, session))
    }

    func watchStats(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(WatchStatsRequest.self)
        (call.keepsPayload, call.carriage) = (true, .again)
        let held = call.connection.memory.budget
        StatsWatch(call, interval: StatsWatch.interval(milliseconds: request.intervalMilliseconds)) { [self] in
            statsNow(held, session)
        }.begin()
    }

    /// A tenant that is no operator sees the pools that it may use, and of executions its own.
    private func statsNow(_ held: MemoryBudget, _ session: Session) -> StatsResponse {
        let tenant = session.tenant.flatMap { $0.isOperator ? nil : $0 }
        let executions = tenant?.executions ?? executions.count
        let budget = fleet.memoryBudgetBytes
        var pools = fleet.snapshot()
        // Without the call for everybody, who would pay for another array.
        if let policy = tenant?.policy { pools.removeAll { !policy.mayUse(pool: $0.name) } }
        return StatsResponse(
            server: server, uptimeMilliseconds: (clock.now() - started).wholeMilliseconds, runtime: runtimeKind,
            connections: UInt32(clamping: connections.withLock { $0 }), executions: UInt32(clamping: executions),
            pools: pools.map(PoolStats.init),
            memoryBudgetBytes: budget == .max ? 0 : UInt64(clamping: budget),
            memoryUsedBytes: UInt64(clamping: fleet.usedMemoryBytes), heldBytes: UInt64(clamping: held.held),
            heldBudgetBytes: UInt64(clamping: held.limit), unheldLimits: unheldLimits)
    }
}

/// Sends a snapshot at each interval as long as its call lasts. If the connection has no room, it skips one: so what waits for
/// a slow reader stays below the connection's watermark.
/// Confined to the call's event loop.
final class StatsWatch {
    private static let shortest: UInt32 = 100
    private static let standard: UInt32 = 1000

    private let call: ServerCall
    private let interval: TimeAmount
    private let snapshot: () -> StatsResponse
    private var timer: Scheduled<Void>?

    init(_ call: ServerCall, interval: TimeAmount, snapshot: @escaping () -> StatsResponse) {
        self.call = call
        self.interval = interval
        self.snapshot = snapshot
    }

    /// The interval of a request; 0 is the default.
    static func interval(milliseconds: UInt32) -> TimeAmount {
        .milliseconds(Int64(milliseconds == 0 ? standard : max(milliseconds, shortest)))
    }

    func begin() {
        call.onCancel = { [self] _ in timer?.cancel() }
        tick()
    }

    private func tick() {
        if call.isWritable { call.send(snapshot()) }
        guard !call.isEnded else { return }
        timer = call.connection.eventLoop.assumeIsolated().scheduleTask(in: interval) { self.tick() }
    }
}
