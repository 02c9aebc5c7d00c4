// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Records operations in bounded memory. Several recorders share the workers between them, so that there is little
/// contention.
final class Recorder: Sendable {
    /// Maximum number of kinds of failures that are counted separately.
    static let maxFailureKinds = 64

    struct Failures: Sendable {
        var count: UInt64 = 0
        var message: String
    }

    /// The results of the whole test.
    struct Totals: Sendable {
        /// By operation and step; nil if nothing was recorded.
        var histograms = [LatencyHistogram?](repeating: nil, count: Operation.allCases.count * Step.count)
        /// By operation, in the order of `allCases`.
        var failed = [UInt64](repeating: 0, count: Operation.allCases.count)
        var bytes = [UInt64](repeating: 0, count: Operation.allCases.count)
        var failures: [String: Failures] = [:]

        subscript(_ operation: Operation, _ step: Step) -> LatencyHistogram? {
            get { histograms[operation.index * Step.count + step.index] }
            set { histograms[operation.index * Step.count + step.index] = newValue }
        }

        mutating func record(_ operation: Operation, _ step: Step, _ duration: Nanoseconds) {
            let index = operation.index * Step.count + step.index
            if histograms[index] == nil { histograms[index] = LatencyHistogram() }
            histograms[index]?.record(duration)
        }

        mutating func add(_ other: Totals) {
            for index in histograms.indices {
                guard let histogram = other.histograms[index] else { continue }
                if histograms[index] == nil {
                    histograms[index] = histogram
                } else {
                    histograms[index]?.add(histogram)
                }
            }
            for index in failed.indices {
                failed[index] += other.failed[index]
                bytes[index] += other.bytes[index]
            }
            for (kind, failures) in other.failures { count(kind, failures.message, failures.count) }
        }

        mutating func count(_ kind: String, _ message: String, _ count: UInt64 = 1) {
            let isKnown = failures[kind] != nil || failures.count < Recorder.maxFailureKinds
            failures[isKnown ? kind : "other", default: Failures(message: message)].count += count
        }
    }

    /// Operations that ended since the interval was last taken, whenever they began.
    struct Interval: Sendable {
        var completed: UInt64 = 0
        var failed: UInt64 = 0
        var bytes: UInt64 = 0
        var latency = LatencyHistogram()

        mutating func add(_ other: Interval) {
            completed += other.completed
            failed += other.failed
            bytes += other.bytes
            latency.add(other.latency)
        }
    }

    private struct State {
        var totals = Totals()
        var interval = Interval()
    }

    private let state = Mutex(State())
    private let counted: Range<Nanoseconds>

    /// - Parameter counted: operations that were due within it count for the totals.
    init(counting counted: Range<Nanoseconds>) {
        self.counted = counted
    }

    func record(_ sample: Sample) {
        state.withLock { state in
            if sample.operation.isBerths {
                if let total = sample[.total] { state.interval.latency.record(total) }
                state.interval.completed += 1
            }
            guard counted.contains(sample.due) else { return }
            for step in Step.allCases {
                if let duration = sample[step] { state.totals.record(sample.operation, step, duration) }
            }
        }
    }

    func record(_ failure: OperationFailure, of operation: Operation, due: Nanoseconds) {
        state.withLock { state in
            if operation.isBerths { state.interval.failed += 1 }
            guard counted.contains(due) else { return }
            state.totals.failed[operation.index] += 1
            state.totals.count(failure.kind, failure.message)
        }
    }

    /// Counts a failure that is not the result of an operation, such as that of a release.
    func note(_ failure: OperationFailure) {
        state.withLock { $0.totals.count(failure.kind, failure.message) }
    }

    func record(bytes: Int, of operation: Operation, due: Nanoseconds) {
        state.withLock { state in
            if operation.isBerths { state.interval.bytes += UInt64(bytes) }
            if counted.contains(due) { state.totals.bytes[operation.index] += UInt64(bytes) }
        }
    }

    /// Records an operation that had not ended when the test was over: it would have taken at least that long.
    func record(unanswered operation: Operation, due: Nanoseconds, waited: Nanoseconds) {
        guard counted.contains(due) else { return }
        state.withLock { $0.totals.record(operation, .total, waited) }
    }

    /// Records an operation that was due and that no worker was free to begin before the test was over.
    func record(neverBegun operation: Operation, due: Nanoseconds, waited: Nanoseconds) {
        guard counted.contains(due) else { return }
        state.withLock { state in
            state.totals.record(operation, .queue, waited)
            state.totals.record(operation, .total, waited)
        }
    }

    /// Takes what ended since the last call.
    /// - Parameter fresh: replaces it. It is made outside of the lock, so that workers wait only for the exchange.
    func takeInterval(leaving fresh: Interval = Interval()) -> Interval {
        state.withLock { state in
            let taken = state.interval
            state.interval = fresh
            return taken
        }
    }

    var totals: Totals { state.withLock { $0.totals } }
}

extension Operation {
    /// Whether this is an operation of Berth. The baseline is not part of the throughput and of figures over time.
    var isBerths: Bool { self != .dockerExec }

    var index: Int {
        switch self {
        case .stats: 0
        case .acquire: 1
        case .execute: 2
        case .cycle: 3
        case .run: 4
        case .stream: 5
        case .dockerExec: 6
        }
    }
}
