// SPDX-License-Identifier: Apache-2.0

/// Divides the measured time into slices for comparisons, and these into intervals for charts. The numbers of both are
/// bounded, however long the test is.
struct Timeline: Sendable, Equatable {
    static let slices = 20
    static let maxIntervalsPerSlice = 12
    /// The minimum length of an interval, unless the slice is shorter.
    static let shortest: Nanoseconds = 250_000_000

    let begin: Nanoseconds
    let duration: Nanoseconds
    let intervalsPerSlice: Int

    init(begin: Nanoseconds, duration: Nanoseconds) {
        self.begin = begin
        self.duration = duration
        let slice = duration / Nanoseconds(Timeline.slices)
        intervalsPerSlice = max(1, min(Timeline.maxIntervalsPerSlice, Int(slice / Timeline.shortest)))
    }

    var end: Nanoseconds { begin + duration }
    var intervals: Int { Timeline.slices * intervalsPerSlice }

    /// When the `index`th interval ends.
    func end(ofInterval index: Int) -> Nanoseconds {
        begin + UInt64(Double(duration) * Double(index + 1) / Double(intervals))
    }
}

/// Collects intervals as they end, for the series and slices of the report.
struct IntervalCollector: Sendable {
    private let timeline: Timeline
    private(set) var series: [IntervalReport] = []
    private(set) var slices: [SliceReport] = []
    private(set) var completed: UInt64 = 0
    private(set) var failed: UInt64 = 0
    private(set) var bytes: UInt64 = 0
    /// What ended since the last `takeRecent`.
    private var recent = Recorder.Interval()
    private var recentBegin: Nanoseconds
    private var slice = Recorder.Interval()
    private var sliceBegin: Nanoseconds
    private var last: Nanoseconds

    /// - Parameter begin: when the first interval actually began.
    init(_ timeline: Timeline, begin: Nanoseconds) {
        self.timeline = timeline
        recentBegin = begin
        sliceBegin = begin
        last = begin
    }

    /// The time covered so far, in seconds.
    var seconds: Double { series.reduce(0) { $0 + $1.seconds } }

    /// - Parameter now: when the interval actually ended.
    mutating func add(_ interval: Recorder.Interval, now: Nanoseconds) {
        completed += interval.completed
        failed += interval.failed
        bytes += interval.bytes
        recent.add(interval)
        slice.add(interval)
        series.append(
            IntervalReport(
                at: seconds(from: timeline.begin, to: now), seconds: seconds(from: last, to: now),
                completed: interval.completed, failed: interval.failed, bytes: interval.bytes,
                p50: interval.latency.value(at: 0.5), p99: interval.latency.value(at: 0.99), max: interval.latency.max))
        last = now
        if series.count % timeline.intervalsPerSlice == 0 { endSlice(now) }
    }

    /// Takes what ended since the last call, with the seconds that it covers.
    mutating func takeRecent() -> (interval: Recorder.Interval, seconds: Double) {
        defer {
            recent = Recorder.Interval()
            recentBegin = last
        }
        return (recent, seconds(from: recentBegin, to: last))
    }

    private mutating func endSlice(_ now: Nanoseconds) {
        slices.append(
            SliceReport(
                seconds: seconds(from: sliceBegin, to: now), completed: slice.completed, bytes: slice.bytes,
                p50: slice.latency.value(at: 0.5), p90: slice.latency.value(at: 0.9),
                p99: slice.latency.value(at: 0.99), p999: slice.latency.value(at: 0.999)))
        slice = Recorder.Interval()
        sliceBegin = now
    }

    private func seconds(from begin: Nanoseconds, to end: Nanoseconds) -> Double {
        end > begin ? Double(end - begin) / 1e9 : 0
    }
}
