// SPDX-License-Identifier: Apache-2.0

/// Reads the recorders at the end of each interval, and reports progress.
struct Meter: Sendable {
    /// The result of the measured time.
    struct Result: Sendable {
        var collector: IntervalCollector
        var lastProgress: LoadProgress
        /// In seconds.
        var elapsed: Double
        var cpusUsed: Double
        var machineCpusUsed: Double?
    }

    private let timeline: Timeline
    private let hasWarmup: Bool
    private let recorders: [Recorder]
    private let pool: PoolWatch
    private let onProgress: @Sendable (LoadProgress) -> Void

    init(
        _ timeline: Timeline, hasWarmup: Bool, recorders: [Recorder], pool: PoolWatch,
        onProgress: @escaping @Sendable (LoadProgress) -> Void
    ) {
        self.timeline = timeline
        self.hasWarmup = hasWarmup
        self.recorders = recorders
        self.pool = pool
        self.onProgress = onProgress
    }

    /// Runs until the measured time is over, or the task is cancelled.
    func run() async -> Result {
        await warmup()
        // Operations that ended in the warm-up are not counted. Without a warm-up, all count.
        if hasWarmup { _ = take() }
        let begin = hasWarmup ? Monotonic.now() : timeline.begin
        let useBefore = MachineUse.now()
        var collector = IntervalCollector(timeline, begin: begin)
        var told = begin
        for index in 0..<timeline.intervals where index == 0 || !Task.isCancelled {
            await Monotonic.sleep(until: timeline.end(ofInterval: index))
            let now = Monotonic.now()
            collector.add(take(), now: now)
            if now - told >= 990_000_000 {
                told = now
                onProgress(progress(.measuring, &collector))
            }
        }
        let elapsed = Double(Monotonic.now() - begin) / 1e9
        let use = MachineUse.now()
        func cpus(_ before: Nanoseconds, _ after: Nanoseconds) -> Double {
            elapsed > 0 && after > before ? Double(after - before) / 1e9 / elapsed : 0
        }
        var machine: Double?
        if let before = useBefore.machine, let after = use.machine { machine = cpus(before, after) }
        let last = progress(.draining, &collector)
        return Result(
            collector: collector, lastProgress: last, elapsed: elapsed, cpusUsed: cpus(useBefore.process, use.process),
            machineCpusUsed: machine)
    }

    private func progress(_ stage: LoadProgress.Stage, _ collector: inout IntervalCollector) -> LoadProgress {
        let (recent, seconds) = collector.takeRecent()
        return progress(
            stage, recent, seconds, at: Double(collector.series.last?.at ?? 0), failed: collector.failed)
    }

    private func warmup() async {
        var recent = Monotonic.now()
        while !Task.isCancelled, Monotonic.now() < timeline.begin {
            await Monotonic.sleep(until: min(timeline.begin, recent + 1_000_000_000))
            let now = Monotonic.now()
            guard now < timeline.begin else { break }
            onProgress(
                progress(
                    .warmup, take(), Double(now - recent) / 1e9, at: Double(timeline.begin - now) / 1e9, failed: 0))
            recent = now
        }
    }

    private func progress(
        _ stage: LoadProgress.Stage, _ interval: Recorder.Interval, _ seconds: Double, at: Double, failed: UInt64
    ) -> LoadProgress {
        LoadProgress(
            stage: stage, seconds: at, plannedSeconds: Double(timeline.duration) / 1e9,
            rate: seconds > 0 ? Double(interval.completed) / seconds : 0,
            bytesPerSecond: seconds > 0 ? Double(interval.bytes) / seconds : 0, p50: interval.latency.value(at: 0.5),
            p99: interval.latency.value(at: 0.99), max: interval.latency.max, failed: failed, idle: pool.last?.idle)
    }

    private func take() -> Recorder.Interval {
        var sum = Recorder.Interval()
        for recorder in recorders { sum.add(recorder.takeInterval()) }
        return sum
    }
}
