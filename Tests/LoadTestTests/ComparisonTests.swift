// SPDX-License-Identifier: Apache-2.0

import Testing
import TestSupport

@testable import LoadTest

@Suite("Comparing two reports")
struct ComparisonTests {
    private typealias Verdict = LoadComparison.Verdict

    /// A run of 20 seconds with this rate and latency, each of which varies by up to the fraction `noise`.
    private func run(
        rate: Double, milliseconds: Double, noise: Double, using random: inout SeededGenerator
    ) -> LoadReport {
        LoadReport.made(
            (0..<20).map { _ in
                (
                    UInt64(rate * Double.random(in: 1 - noise...1 + noise, using: &random)),
                    milliseconds * Double.random(in: 1 - noise...1 + noise, using: &random)
                )
            })
    }

    @Test("a clear difference is called, in its direction, with the ratio")
    func clear() {
        var random = SeededGenerator(seed: 1)
        let before = run(rate: 1000, milliseconds: 10, noise: 0.05, using: &random)
        let after = run(rate: 1500, milliseconds: 7, noise: 0.05, using: &random)
        let comparison = LoadComparison(before, after)
        #expect(comparison.rows.map(\.name) == ["throughput", "p50", "p90", "p99", "p99.9"])
        #expect(
            comparison.rows.map(\.verdict) == [
                .better, .better, .better, .better, .unknown("too few operations to tell"),
            ])
        #expect(abs((comparison.rows[0].ratio ?? 0) - 1.5) < 0.05)
        let back = LoadComparison(after, before)
        #expect(back.rows.prefix(4).allSatisfy { $0.verdict == .worse })
    }

    @Test("a difference within the parts' own spread is noise")
    func noisy() {
        var random = SeededGenerator(seed: 2)
        let before = run(rate: 1000, milliseconds: 10, noise: 0.9, using: &random)
        let after = run(rate: 1100, milliseconds: 11, noise: 0.9, using: &random)
        #expect(LoadComparison(before, after).rows[0].verdict == .noise)
    }

    @Test("steady runs that differ by less than 5 % are noise, by more are not")
    func small() {
        let steady = LoadReport.made(Array(repeating: (1000, 10), count: 20))
        #expect(LoadComparison(steady, steady).rows[0].verdict == .noise)
        #expect(
            LoadComparison(steady, LoadReport.made(Array(repeating: (1040, 10), count: 20))).rows[0].verdict == .noise)
        #expect(
            LoadComparison(steady, LoadReport.made(Array(repeating: (1060, 10), count: 20))).rows[0].verdict == .better)
    }

    @Test("of two runs of one and the same server, at most one in ten comparisons sees a difference")
    func falseAlarms() throws {
        var random = SeededGenerator(seed: UInt64.random(in: 0..<1_000_000))
        print("seed \(random.seed)")
        var alarms = 0
        for _ in 0..<400 {
            let runs = (0..<2).map { _ in (0..<20).map { _ in Double.random(in: 0.4...1.6, using: &random) } }
            let (before, after) = (try #require(SampleMean(runs[0])), try #require(SampleMean(runs[1])))
            let ratio = after.mean / before.mean
            let interval = RatioNoise(before, after).interval(around: ratio)
            if LoadComparison.judge(ratio: ratio, interval: interval, moreIsBetter: true) != .noise { alarms += 1 }
        }
        #expect(alarms <= 40, "\(alarms) of 400")
    }

    @Test("parts that resemble their neighbours count as fewer")
    func correlated() throws {
        let alternating = try #require(SampleMean((0..<20).map { $0 % 2 == 0 ? 9.0 : 11.0 }))
        let drifting = try #require(SampleMean((0..<20).map { $0 < 10 ? 9.0 : 11.0 }))
        #expect(alternating.mean == 10)
        #expect(drifting.mean == 10)
        #expect(alternating.effectiveCount == 20)
        #expect(drifting.effectiveCount < 3)
        #expect(drifting.standardError > alternating.standardError * 2)
    }

    @Test("Student's t is as in the tables")
    func student() {
        for (freedom, expected) in [(2.0, 4.303), (5, 2.571), (10, 2.228), (19, 2.093), (38, 2.024), (1e9, 1.960)] {
            #expect(abs(RatioNoise.quantile95(freedom) / expected - 1) < 0.035, "\(freedom)")
        }
    }

    @Test("too short a test, or one that stood still, has no verdict instead of a wrong one")
    func unknown() {
        let short = LoadReport.made([(1000, 10), (1000, 10)])
        #expect(LoadComparison(short, short).rows[0].verdict == .unknown("too few operations to tell"))
        let none = LoadReport.made(Array(repeating: (0, 0), count: 20))
        let comparison = LoadComparison(none, short)
        #expect(comparison.rows[0].ratio == nil)
        #expect(comparison.text(before: "a", after: "b").contains("throughput"))
    }

    @Test("what was not alike is named")
    func differences() {
        let one = LoadReport.made(Array(repeating: (1000, 10), count: 20), concurrency: 8)
        let two = LoadReport.made(Array(repeating: (1000, 10), count: 20), concurrency: nil, rate: 1000)
        let text = LoadComparison(one, two).text(before: "a.json", after: "b.json")
        #expect(text.contains("concurrency: 8 and -"))
        #expect(text.contains("rate: - and 1,000/s"))
        #expect(LoadComparison(one, one).differences.isEmpty)
    }
}
