// SPDX-License-Identifier: Apache-2.0

@testable import LoadTest

extension LatencyReport {
    static func of(_ milliseconds: [Double]) -> LatencyReport {
        var histogram = LatencyHistogram()
        for value in milliseconds { histogram.record(Nanoseconds(value * 1e6)) }
        return histogram.report
    }
}

extension LoadReport {
    /// An invented test of 20 s with one slice per second.
    /// - Parameter slices: number of operations, and latency in milliseconds, for each second.
    static func made(
        _ slices: [(completed: UInt64, milliseconds: Double)], concurrency: Int? = 8, rate: Double? = nil
    ) -> LoadReport {
        let latencies = slices.flatMap { [Double](repeating: $0.milliseconds, count: Int($0.completed)) }
        let latency = LatencyReport.of(latencies)
        let completed = slices.reduce(0) { $0 + $1.completed }
        return LoadReport(
            plan: PlanReport(
                scenario: "run", address: "127.0.0.1:7411", command: ["echo", "<&>"], concurrency: concurrency,
                rate: rate, connections: 1, leases: 0, duration: Double(slices.count), warmup: 1),
            startedAt: 1_700_000_000.5, endedEarly: false, seconds: Double(slices.count), completed: completed,
            failed: 0,
            bytes: 0,
            operations: [
                OperationReport(
                    name: "run", failed: 0, bytes: 0,
                    steps: [
                        StepReport(name: Step.started.rawValue, latency: .of(latencies.map { $0 / 2 })),
                        StepReport(name: Step.total.rawValue, latency: latency),
                    ])
            ],
            failures: [], unanswered: 0,
            series: slices.enumerated().map { index, slice in
                let value = UInt64(slice.milliseconds * 1e6)
                return IntervalReport(
                    at: Double(index + 1), seconds: 1, completed: slice.completed, failed: 0, bytes: 0, p50: value,
                    p99: value, max: value)
            },
            slices: slices.map { slice in
                let value = UInt64(slice.milliseconds * 1e6)
                return SliceReport(
                    seconds: 1, completed: slice.completed, bytes: 0, p50: value, p90: value, p99: value, p999: value)
            },
            pool: (0..<slices.count).map { second in
                PoolPoint(
                    at: Double(second), target: 4, idle: 3, leased: 1, starting: 1, stopping: 0, waiters: 0,
                    isBreakerOpen: false)
            },
            server: ServerReport(
                version: "berth/test", runtime: "process", pool: "default", image: "img",
                roundTrip: .of([0.05, 0.06])),
            harness: HarnessReport(
                version: "0", cpus: 4, cpuModel: "test", kernel: "6", costPerOperation: 300, cpusUsed: 0.5,
                machineCpusUsed: 1, wakeDelay: .of([0.1]), peakMemoryBytes: 20_000_000, longestBacklog: 0),
            total: latency)
    }
}
