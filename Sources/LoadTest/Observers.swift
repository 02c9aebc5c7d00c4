// SPDX-License-Identifier: Apache-2.0

internal import Berth
internal import BerthSchema
internal import Synchronization

/// Records the state of the pool over time, on a connection of its own. It uses `WatchStats`, or asks for the stats
/// repeatedly if the server does not have that.
final class PoolWatch: Sendable {
    static let maxPoints = 1000
    /// Pause before connecting again after the connection was lost.
    private static let pause: Nanoseconds = 250_000_000

    private let connection: Connection
    private let pool: String?
    private let interval: Nanoseconds
    private let begin: Nanoseconds
    private let points = Mutex<[PoolPoint]>([])

    /// - Parameter interval: the time between two points.
    init(_ connection: Connection, pool: String?, interval: Nanoseconds, begin: Nanoseconds) {
        self.connection = connection
        self.pool = pool
        self.interval = interval
        self.begin = begin
    }

    var all: [PoolPoint] { points.withLock { $0 } }
    var last: PoolPoint? { points.withLock { $0.last } }

    /// Runs until the task is cancelled.
    func run() async {
        var tells = true
        while !Task.isCancelled {
            do {
                try await tells ? watch() : ask()
            } catch let error as BerthError where error.code == .unimplemented {
                tells = false
                continue
            } catch {
                // The server is gone, which the load itself shows. It may come back.
            }
            await Monotonic.sleep(until: Monotonic.now() + PoolWatch.pause)
        }
    }

    private func watch() async throws {
        let client = try await connection.client()
        for try await stats in client.watchStats(every: .nanoseconds(interval)) { note(stats) }
    }

    private func ask() async throws {
        let client = try await connection.client()
        var next = Monotonic.now()
        while !Task.isCancelled {
            note(try await client.stats())
            next = max(next + interval, Monotonic.now())
            await Monotonic.sleep(until: next)
        }
    }

    private func note(_ stats: StatsResponse) {
        guard let state = stats.pool(pool) else { return }
        let now = Monotonic.now()
        let at = now >= begin ? Double(now - begin) / 1e9 : -Double(begin - now) / 1e9
        points.withLock { points in
            if points.count < PoolWatch.maxPoints { points.append(PoolPoint(state, at: at)) }
        }
    }
}

extension StatsResponse {
    /// Returns the pool with that name; nil stands for the default pool, which is the first.
    func pool(_ name: String?) -> PoolStats? {
        if let name { pools.first { $0.name == name } } else { pools.first }
    }
}

extension PoolPoint {
    init(_ stats: PoolStats, at: Double) {
        self.init(
            at: at, target: stats.target, idle: stats.idle, leased: stats.leased, starting: stats.starting,
            resetting: stats.resetting, stopping: stats.stopping, waiters: stats.waiters,
            isBreakerOpen: stats.breaker != .closed)
    }
}

/// Measures how late sleeps of this process end. Such delays are in the latencies, but are not the server's.
struct WakeDelay: Sendable {
    private static let interval: Nanoseconds = 10_000_000

    /// Measures until the task is cancelled.
    static func measure() async -> LatencyHistogram {
        var histogram = LatencyHistogram()
        while !Task.isCancelled {
            let due = Monotonic.now() + interval
            await Monotonic.sleep(until: due)
            let now = Monotonic.now()
            if now >= due { histogram.record(now - due) }
        }
        return histogram
    }
}

/// Measurements before the test.
enum Calibration {
    /// Times and records empty operations in the same way as the workers do.
    /// - Returns: nanoseconds per operation.
    static func costPerOperation() -> Double {
        let count = 20_000
        let recorder = Recorder(counting: 0..<Nanoseconds.max)
        let begin = Monotonic.now()
        for _ in 0..<count {
            let start = Monotonic.now()
            var sample = Sample(.stats, due: start)
            sample[.total] = Monotonic.now() - start
            recorder.record(sample)
        }
        return Double(Monotonic.now() - begin) / Double(count)
    }

    /// Measures up to 500 empty calls, one at a time, for at most a quarter of a second.
    static func roundTrip(_ client: BerthClient) async throws(BerthError) -> LatencyHistogram {
        var histogram = LatencyHistogram()
        let end = Monotonic.now() + 250_000_000
        while histogram.count < 500 {
            let begin = Monotonic.now()
            guard begin < end else { break }
            _ = try await client.hello(client: "berth-load")
            if histogram.count < 500 { histogram.record(Monotonic.now() - begin) }
        }
        return histogram
    }
}
