// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A load test against a Berth server.
///
///     let plan = try LoadPlan(scenario: .run, arrivals: .closed(concurrency: 8))
///     let report = try await LoadTester(plan).run()
///     print(TextReport(report))
///
/// In an open loop, latency counts from the time at which an operation was due, so that a stall of the server shows in
/// each operation that it delayed, as users would feel it. The memory depends on the numbers of the plan, not on its
/// duration.
package final class LoadTester: Sendable {
    /// Closed loop: the pause after a failed operation, so that a server that refuses calls is not flooded with them.
    private static let pauseAfterFailure: Nanoseconds = 10_000_000

    /// Open loop: the time before the first operation is due, so that all workers are ready by then.
    private static let lead: Nanoseconds = 100_000_000

    private let plan: LoadPlan
    private let version: String
    private let isStopped = Atomic(false)
    private let timer = Mutex<Task<Void, Never>?>(nil)

    /// - Parameter version: the version of this program, for the report.
    package init(_ plan: LoadPlan, version: String = "") {
        self.plan = plan
        self.version = version
    }

    /// Ends the test now, with a report of what was measured. May be called at any time and repeatedly.
    package func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        timer.withLock { $0 }?.cancel()
    }

    /// Runs the test.
    /// - Parameter onProgress: called about once per second.
    /// - Throws: `LoadError` if it can't begin: there is no server, no such pool, or no member to lease.
    package func run(onProgress: @escaping @Sendable (LoadProgress) -> Void = { _ in }) async throws -> LoadReport {
        let setup = try await Setup(plan)
        let report = await measure(setup, onProgress)
        await setup.close()
        return report
    }

    private func measure(_ setup: Setup, _ onProgress: @escaping @Sendable (LoadProgress) -> Void) async -> LoadReport {
        let start = Monotonic.now() + (plan.isOpen ? LoadTester.lead : 0)
        let begin = start + plan.warmup.nanoseconds
        let timeline = Timeline(begin: begin, duration: plan.duration.nanoseconds)
        let recorders = (0..<setup.shards).map { _ in Recorder(counting: begin..<timeline.end) }
        let startedAt = Monotonic.secondsSince1970()
        let pool = PoolWatch(
            setup.watch, pool: plan.pool, interval: max(250_000_000, plan.duration.nanoseconds / 500), begin: begin)
        let poolTask = Task { await pool.run() }
        let delayTask = Task { await WakeDelay.measure() }
        let meter = Meter(
            timeline, hasWarmup: plan.warmup > .zero, recorders: recorders, pool: pool, onProgress: onProgress)
        let meterTask = Task { await meter.run() }
        let pacer = makePacer(start, timeline)
        pacer?.start()

        let workers = Task { await work(setup, recorders, timeline, pacer) }
        await waitUntil(timeline.end)
        let end = min(Monotonic.now(), timeline.end)
        isStopped.store(true, ordering: .sequentiallyConsistent)
        meterTask.cancel()
        delayTask.cancel()
        let (measured, wakeDelay) = await (meterTask.value, delayTask.value)
        var neverBegun: UInt64 = 0
        pacer?.close(end: end) { arrival in
            let operation = plan.operation(at: arrival.index)
            recorders[0].record(neverBegun: operation, due: arrival.due, waited: end - arrival.due)
            if arrival.due >= begin { neverBegun += 1 }
        }
        onProgress(measured.lastProgress)
        let drain = Task {
            try? await Task.sleep(for: plan.drain)
            workers.cancel()
        }
        let givenUp = await workers.value
        drain.cancel()
        poolTask.cancel()
        await poolTask.value

        var totals = Recorder.Totals()
        for recorder in recorders { totals.add(recorder.totals) }
        return LoadReport(
            plan: plan, setup: setup, version: version, startedAt: startedAt, endedEarly: end < timeline.end,
            measured: measured, totals: totals, unanswered: neverBegun + givenUp, pool: pool.all, wakeDelay: wakeDelay,
            longestBacklog: pacer?.longestBacklog ?? 0)
    }

    private func makePacer(_ start: Nanoseconds, _ timeline: Timeline) -> Pacer? {
        guard case .open(let rate, let spacing, _) = plan.arrivals else { return nil }
        return Pacer(
            ArrivalQueue(
                ArrivalSchedule(begin: start, end: timeline.end, rate: rate, spacing: spacing),
                workers: plan.workers))
    }

    /// Waits until `end`, or until the test is stopped.
    private func waitUntil(_ end: Nanoseconds) async {
        let task = Task { await Monotonic.sleep(until: end) }
        timer.withLock { $0 = task }
        if isStopped.load(ordering: .sequentiallyConsistent) { task.cancel() }
        await task.value
    }

    /// Runs all workers until the test is over and their operations have ended.
    /// - Returns: the number of operations that were given up.
    private func work(
        _ setup: Setup, _ recorders: [Recorder], _ timeline: Timeline, _ pacer: Pacer?
    ) async -> UInt64 {
        await withTaskGroup(of: UInt64.self) { group in
            for worker in 0..<plan.workers {
                let connection = worker % setup.connections.count
                let runner = OperationRunner(
                    plan: plan, connection: setup.connections[connection],
                    docker: setup.docker, held: setup.held.isEmpty ? nil : setup.held[worker % setup.held.count],
                    recorder: recorders[connection % recorders.count])
                group.addTask(executorPreference: setup.connections[connection].executor) { [self] in
                    if let pacer {
                        await openLoop(runner, worker, pacer)
                    } else {
                        await closedLoop(runner, worker, timeline.end)
                    }
                }
            }
            return await group.reduce(0, +)
        }
    }

    private func closedLoop(_ runner: OperationRunner, _ worker: Int, _ end: Nanoseconds) async -> UInt64 {
        var index = UInt64(worker) << 40
        var turns = Turns(start: Monotonic.now())
        while !isStopped.load(ordering: .relaxed), case let now = Monotonic.now(), now < end {
            let isBaselines = plan.baseline != nil && turns.isBaselines(at: now)
            let outcome = await runner.perform(isBaselines ? .dockerExec : plan.scenario.operation(at: index))
            index += 1
            switch outcome {
            case .completed: break
            case .failed: await Monotonic.sleep(until: Monotonic.now() + LoadTester.pauseAfterFailure)
            case .givenUp: return 1
            }
        }
        return 0
    }

    private func openLoop(_ runner: OperationRunner, _ worker: Int, _ pacer: Pacer) async -> UInt64 {
        while let arrival = await pacer.next(for: worker) {
            let outcome = await runner.perform(plan.operation(at: arrival.index), due: arrival.due)
            if outcome == .givenUp { return 1 }
        }
        return 0
    }
}
