// SPDX-License-Identifier: Apache-2.0

internal import Berth
internal import BerthSchema
internal import Synchronization

/// Keeps the pool's state over time, on a connection of its own: the server tells it at each interval. One that has no
/// `WatchStats` is asked instead.
final class PoolWatch: Sendable {
    static let maxPoints = 1000
    /// After the connection was lost, before it is made anew.
    private static let pause: Nanoseconds = 250_000_000

    private let connection: Connection
    private let pool: String?
    private let interval: Nanoseconds
    private let begin: Nanoseconds
    private let points = Mutex<[PoolPoint]>([])

    /// - Parameter interval: between two points.
    init(_ connection: Connection, pool: String?, interval: Nanoseconds, begin: Nanoseconds) {
        self.connection = connection
        self.pool = pool
        self.interval = interval
        self.begin = begin
    }

    var all: [PoolPoint] { points.withLock { $0 } }
    var last: PoolPoint? { points.withLock { $0.last } }

    /// Until it is cancelled.
    func run() async {
        var tells = true
        while !Task.isCancelled {
            do {
                try await tells ? watch() : ask()
            } catch let error as BerthError where error.code == .unimplemented {
                tells = false
                continue
            } catch {
                // The server went away, which the load itself shows: it may come back.
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
    /// nil is the default one, which stands first.
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

/// Measures how late this process wakes: what it can't do in time itself, it can't blame on the server.
struct WakeDelay: Sendable {
    private static let interval: Nanoseconds = 10_000_000

    /// Until it is cancelled.
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

/// What the tester itself costs an operation.
enum Calibration {
    /// Times and records operations that do nothing, as the workers do.
    /// - Returns: nanoseconds for each.
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

    /// Empty calls, one at a time, for at most a quarter of a second.
    static func roundTrip(_ client: BerthClient) async throws(BerthError) -> LatencyHistogram {
        var histogram = LatencyHistogram()
        let end = Monotonic.now() + 250_000_000
        while histogram.count < 500 {
            let begin = Monotonic.now()
            guard begin < end else { break }
            _ = try await client.hello(client: "berth-load")
            // The first ones warm everything up.
            if histogram.count < 500 { histogram.record(Monotonic.now() - begin) }
        }
        return histogram
    }
}
