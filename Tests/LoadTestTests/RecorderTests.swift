// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LoadTest

@Suite("What is counted")
struct RecorderTests {
    private func sample(due: Nanoseconds, total: Nanoseconds) -> Sample {
        var sample = Sample(.run, due: due)
        sample[.started] = total / 2
        sample[.total] = total
        return sample
    }

    @Test("quantiles are right to three digits, and mean, least and most are those that were recorded")
    func quantiles() {
        var histogram = LatencyHistogram()
        for microseconds in 1...10_000 { histogram.record(Nanoseconds(microseconds) * 1000) }
        let report = histogram.report
        #expect(report.count == 10_000)
        for (value, expected) in [
            (report.p50, 5e6), (report.p90, 9e6), (report.p99, 9.9e6), (report.p999, 9.99e6), (report.p9999, 9.999e6),
        ] {
            #expect(abs(Double(value) / expected - 1) < 0.001)
        }
        #expect(report.max >= 10_000_000 && report.max < 10_010_000)
        #expect(abs(report.mean / 5_000_500 - 1) < 0.001)
        #expect(report.distribution.count < 400)
        #expect(
            zip(report.distribution, report.distribution.dropFirst()).allSatisfy { $0.nanoseconds <= $1.nanoseconds })
    }

    @Test("a duration of over an hour counts as an hour instead of not at all")
    func longest() {
        var histogram = LatencyHistogram()
        histogram.record(.max)
        #expect(histogram.count == 1)
        #expect(histogram.max >= 3_590_000_000_000)
    }

    @Test("totals are of the operations that were due in the measured time; intervals are of all that ended in them")
    func window() {
        let recorder = Recorder(counting: 100..<200)
        recorder.record(sample(due: 99, total: 1000))
        recorder.record(sample(due: 100, total: 1000))
        recorder.record(sample(due: 199, total: 1000))
        recorder.record(sample(due: 200, total: 1000))
        #expect(recorder.totals[.run, .total]?.count == 2)
        #expect(recorder.totals[.run, .started]?.count == 2)
        #expect(recorder.totals[.stats, .total] == nil)
        let interval = recorder.takeInterval()
        #expect(interval.completed == 4)
        #expect(interval.latency.count == 4)
        #expect(recorder.takeInterval().completed == 0)
    }

    @Test("an operation without an answer counts with the time it had waited")
    func unanswered() {
        let recorder = Recorder(counting: 0..<1000)
        recorder.record(unanswered: .run, due: 10, waited: 5_000_000)
        recorder.record(neverBegun: .run, due: 20, waited: 7_000_000)
        #expect(recorder.totals[.run, .total]?.count == 2)
        #expect(recorder.totals[.run, .queue]?.count == 1)
        #expect(recorder.takeInterval().completed == 0)
    }

    @Test("kinds of failures are counted with their first words, and beyond 64 kinds as one")
    func failures() {
        let recorder = Recorder(counting: 0..<1000)
        for index in 0..<1000 {
            let failure = OperationFailure(kind: "exit \(index % 100)", message: "message \(index)")
            recorder.record(failure, of: .run, due: 1)
        }
        let totals = recorder.totals
        #expect(totals.failed[Operation.run.index] == 1000)
        #expect(totals.failures.count == Recorder.maxFailureKinds + 1)
        #expect(totals.failures["exit 0"]?.count == 10)
        #expect(totals.failures["exit 0"]?.message == "message 0")
        #expect(totals.failures.values.reduce(0) { $0 + $1.count } == 1000)
    }

    @Test("recorders add up to what one would have counted")
    func adding() {
        let (one, two) = (Recorder(counting: 0..<1000), Recorder(counting: 0..<1000))
        one.record(sample(due: 1, total: 1_000_000))
        two.record(sample(due: 1, total: 3_000_000))
        two.record(bytes: 42, of: .run, due: 1)
        two.record(OperationFailure(kind: "a", message: "b"), of: .run, due: 1)
        var sum = one.totals
        sum.add(two.totals)
        #expect(sum[.run, .total]?.count == 2)
        #expect(sum.bytes[Operation.run.index] == 42)
        #expect(sum.failures["a"]?.count == 1)
    }

    @Test(
        "a test of any length is cut into 20 slices and at most 240 intervals",
        arguments: [100_000_000, 1_000_000_000, 10_000_000_000, 3_600_000_000_000, 604_800_000_000_000] as [Nanoseconds]
    )
    func timeline(_ duration: Nanoseconds) {
        let timeline = Timeline(begin: 1000, duration: duration)
        #expect(timeline.intervals <= 240)
        #expect(timeline.intervals % Timeline.slices == 0)
        #expect(timeline.end(ofInterval: timeline.intervals - 1) == timeline.end)
        #expect(timeline.end(ofInterval: 0) > timeline.begin)
    }

    @Test("rates come from the time that really passed, not from the time that was planned")
    func collector() {
        let timeline = Timeline(begin: 0, duration: 1_000_000_000)
        var collector = IntervalCollector(timeline, begin: 0)
        var interval = Recorder.Interval()
        interval.completed = 10
        for index in 0..<timeline.intervals {
            // Each is read 10 ms late.
            collector.add(interval, now: timeline.end(ofInterval: index) + 10_000_000)
        }
        #expect(collector.slices.count == Timeline.slices)
        #expect(collector.completed == 200)
        #expect(abs(collector.seconds - 1.01) < 0.0001)
        #expect(collector.series.first?.seconds == 0.06)
        #expect(abs((collector.series.last?.seconds ?? 0) - 0.05) < 0.0001)
    }

    @Test("the CPU time of a machine is read without its idle and waiting time")
    func machine() {
        let stat = "cpu  100 20 30 4000 500 6 7 0 50 0\ncpu0 1 2 3"
        #expect(MachineUse.busy(stat, ticksPerSecond: 100) == 1_630_000_000)
        #expect(MachineUse.busy("nonsense", ticksPerSecond: 100) == nil)
        #expect(MachineUse.busy("", ticksPerSecond: 100) == nil)
    }
}
