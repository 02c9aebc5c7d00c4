// SPDX-License-Identifier: Apache-2.0

internal import Berth

extension LoadReport {
    init(
        plan: LoadPlan, setup: Setup, version: String, startedAt: Double, endedEarly: Bool, measured: Meter.Result,
        totals: Recorder.Totals, unanswered: UInt64, pool: [PoolPoint], wakeDelay: LatencyHistogram,
        longestBacklog: Nanoseconds
    ) {
        let collector = measured.collector
        var all = LatencyHistogram()
        for operation in Operation.allCases where operation.isBerths {
            if let histogram = totals[operation, .total] { all.add(histogram) }
        }
        self.init(
            plan: PlanReport(plan, leases: setup.held.count), startedAt: startedAt, endedEarly: endedEarly,
            seconds: collector.seconds, completed: collector.completed, failed: collector.failed,
            bytes: collector.bytes, operations: Operation.allCases.compactMap { OperationReport($0, totals) },
            failures: totals.failures.map { FailureReport(kind: $0, count: $1.count, message: $1.message) }
                .sorted { ($1.count, $0.kind) < ($0.count, $1.kind) },
            unanswered: unanswered, series: collector.series, slices: collector.slices, pool: pool,
            server: setup.server,
            harness: HarnessReport(
                version: version, cpus: MachineUse.cpus, cpuModel: MachineUse.cpuModel, kernel: MachineUse.kernel,
                costPerOperation: setup.costPerOperation, cpusUsed: measured.cpusUsed,
                machineCpusUsed: measured.machineCpusUsed, wakeDelay: wakeDelay.report,
                peakMemoryBytes: MachineUse.peakMemory, longestBacklog: longestBacklog),
            baseline: setup.docker.map { BaselineReport(engine: $0.engine, image: $0.image) }, total: all.report)
    }
}

extension PlanReport {
    init(_ plan: LoadPlan, leases: Int) {
        self.init(
            scenario: plan.scenario.rawValue, address: "\(plan.server)", pool: plan.pool,
            command: plan.code.map { ["--language", $0.language, "--code", $0.text] }
                ?? plan.scenario.shares.first.map { plan.program(for: $0.operation).argv } ?? [],
            connections: plan.connections, leases: leases, duration: Double(plan.duration.nanoseconds) / 1e9,
            warmup: Double(plan.warmup.nanoseconds) / 1e9)
        if plan.scenario == .stats || plan.scenario == .acquire { command = [] }
        switch plan.arrivals {
        case .closed(let concurrency):
            self.concurrency = concurrency
        case .open(let rate, let spacing, let maxInFlight):
            self.rate = rate
            self.spacing = spacing.rawValue
            self.maxInFlight = maxInFlight
        }
    }
}

extension OperationReport {
    /// Nil for an operation that the test did not carry out.
    init?(_ operation: Operation, _ totals: Recorder.Totals) {
        let steps = Step.allCases.compactMap { step in
            totals[operation, step].map { StepReport(name: step.rawValue, latency: $0.report) }
        }
        let failed = totals.failed[operation.index]
        guard !steps.isEmpty || failed > 0 else { return nil }
        self.init(name: operation.rawValue, failed: failed, bytes: totals.bytes[operation.index], steps: steps)
    }
}
