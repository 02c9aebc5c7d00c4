// SPDX-License-Identifier: Apache-2.0

import Berth
import Testing

@testable import LoadTest

@Suite("A report")
struct ReportTests {
    private let report = LoadReport.made((0..<20).map { (UInt64(900 + $0 * 10), 10 + Double($0)) })

    @Test("goes to JSON and back without loss")
    func json() throws {
        let bytes = try report.json()
        #expect(try LoadReport(json: bytes) == report)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("\"format\":1"))
        #expect(text.contains("\"p999\":"))
        #expect(text.contains("\"started_at\":"))
    }

    @Test("that is none, or of another version, or cut off, is refused in one line")
    func refused() throws {
        let cases: [(String, String)] = [
            ("", "not a report"), ("[]", "not a report"), ("{\"format\":99}", "format 99"),
            ("{\"format\":1}", "damaged"),
        ]
        for (text, words) in cases {
            let error = #expect(throws: LoadError.self) { try LoadReport(json: Array(text.utf8)) }
            #expect(error?.message.contains(words) ?? false, "\(text): \(error?.message ?? "")")
            #expect(error?.message.contains("\n") == false)
        }
    }

    @Test("shows no quantile that too few values support")
    func fewValues() {
        let few = LatencyReport.of((1...150).map(Double.init))
        #expect(few.supports(0.99))
        #expect(!few.supports(0.999))
        #expect(LatencyReport.of((1...1000).map(Double.init)).supports(0.999))
    }

    @Test("says what stands between its figures and the truth")
    func notes() {
        func notes(_ change: (inout LoadReport) -> Void) -> String {
            var changed = report
            change(&changed)
            return ReportNotes(changed).lines.joined(separator: "\n")
        }
        #expect(notes { _ in }.isEmpty)
        #expect(notes { $0.operations[0].failed = 7 }.contains("7 of 19,907 operations failed"))
        #expect(notes { $0.unanswered = 3 }.contains("3 operations had no answer"))
        #expect(notes { $0.plan.rate = 2000 }.contains("kept up with 995 of the 2,000"))
        func random(_ rate: Double, completed: UInt64) -> String {
            notes {
                $0.plan.rate = rate
                $0.plan.spacing = LoadPlan.Spacing.random.rawValue
                $0.completed = completed
            }
        }
        #expect(random(1030, completed: 19_900).isEmpty, "by chance fewer operations were due than the rate says")
        #expect(random(990, completed: 15_000).contains("kept up with 750 of the 995"))
        #expect(
            notes {
                $0.plan.maxInFlight = 10
                $0.harness.longestBacklog = 5_000_000
            }.contains("waited up to 5.00 ms to begin"))
        #expect(notes { $0.harness.cpusUsed = 3.9 }.contains("it, not the server"))
        #expect(notes { $0.harness.machineCpusUsed = 3.95 }.contains("all 4 CPUs were busy"))
        #expect(notes { $0.harness.wakeDelay = .of([30]) }.contains("30.0 ms late"))
        #expect(notes { $0.pool[3].isBreakerOpen = true }.contains("breaker was open"))
        #expect(notes { $0.harness.costPerOperation = 5e6 }.contains("5 % of the median"))
        let acquires = notes {
            $0.operations[0].steps.append(StepReport(name: Step.acquireWarm.rawValue, latency: .of([1, 1, 1])))
            $0.operations[0].steps.append(StepReport(name: Step.acquireWaited.rawValue, latency: .of([100])))
        }
        #expect(acquires.contains("25.0 % of the acquires found no warm member"))
        #expect(
            notes {
                $0.endedEarly = true
                $0.plan.duration = 60
            }.contains("ended early, after 20 s of 60 s"))
    }

    @Test("as text has its figures in lines of bounded width")
    func text() {
        let text = "\(TextReport(report))"
        #expect(text.contains("995/s   19,900 in 20 s   0 failed"))
        #expect(text.contains("an empty call before the test, one at a time: p50"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 140 })
        #expect(text.contains("\nrun "))
        #expect(text.contains("\n  started "))
    }

    @Test("as a page is complete in itself: no script, nothing from the network, every text escaped")
    func page() {
        let page = "\(HTMLReport(report))"
        #expect(page.contains("echo &lt;&amp;&gt;"))
        #expect(!page.contains("<&>"))
        for forbidden in ["<script", "http://", "https://", "src=", "@import", "url("] {
            #expect(!page.contains(forbidden), "\(forbidden)")
        }
        for title in ["Latency over time", "Operations per second", "Latency by percentile", "Members of the pool"] {
            #expect(page.contains("<b>\(title)</b>"))
        }
        #expect(page.contains("prefers-color-scheme: dark"))
        #expect(!page.contains("nan") && !page.contains("inf\""))
    }

    @Test("of a test in which nothing ended well is still a report")
    func empty() {
        let empty = LoadReport.made([])
        #expect(!"\(TextReport(empty))".isEmpty)
        #expect("\(HTMLReport(empty))".contains("</html>"))
    }

    @Test("has axes with few round ticks around its values, whatever they are")
    func axes() {
        for high in [0.001, 0.7, 3, 42, 999, 12_345, 5e9] {
            let axis = Axis.linear(to: high) { "\($0)" }
            #expect(axis.range.upperBound >= high)
            #expect((3...7).contains(axis.ticks.count), "\(high): \(axis.ticks)")
        }
        for (low, high) in [(1e3, 2e3), (5e4, 7e8), (1, 1), (3e9, 4e9)] {
            let axis = Axis.logarithmic([low, high]) { "\($0)" }
            #expect(axis.range.contains(low) && axis.range.contains(high))
            #expect((2...8).contains(axis.ticks.count), "\(low) \(high): \(axis.ticks)")
            #expect(axis.fraction(high) <= 1)
        }
        #expect(Axis.quantiles(count: 10_000).ticks.map(\.label) == ["0", "90 %", "99 %", "99.9 %", "99.99 %", "50 %"])
        #expect(Axis.position(ofQuantile: 1, count: 1000) == 3)
        #expect(Axis.position(ofQuantile: 0.9, count: 1000) < 1.001)
    }

    @Test("writes figures to three digits with their unit")
    func units() {
        let durations: [(UInt64, String)] = [
            (0, "0 ns"), (812, "812 ns"), (999, "999 ns"), (1000, "1.00 µs"), (62_340, "62.3 µs"),
            (1_234_000, "1.23 ms"),
            (999_600, "1.00 ms"), (4_500_000_000, "4.50 s"), (750_000_000_000, "12.5 min"),
        ]
        for (value, text) in durations { #expect(Units.duration(value) == text) }
        #expect(Units.count(1_234_567) == "1,234,567")
        #expect(Units.count(12) == "12")
        #expect(Units.bytes(1_234_000_000) == "1.23 GB")
        #expect(Units.bytes(999) == "999 B")
        #expect(Units.rate(0.5) == "0.50")
        #expect(Units.rate(12_345.6) == "12,346")
        #expect(Units.fixed(-0.001, 2) == "0.00")
        #expect(Units.fixed(.infinity, 2) == "-")
        #expect(Units.tick("50.0 ms") == "50 ms")
    }

    @Test("is asked for with values that make sense, or not at all")
    func plans() throws {
        #expect(throws: LoadError.self) { try LoadPlan(scenario: .run, arrivals: .closed(concurrency: 0)) }
        #expect(throws: LoadError.self) {
            try LoadPlan(scenario: .run, arrivals: .open(rate: 0, spacing: .even, maxInFlight: 1))
        }
        #expect(throws: LoadError.self) {
            try LoadPlan(scenario: .run, arrivals: .open(rate: .nan, spacing: .even, maxInFlight: 1))
        }
        #expect(throws: LoadError.self) {
            try LoadPlan(scenario: .stats, arrivals: .closed(concurrency: 1), command: ["x"])
        }
        #expect(throws: LoadError.self) {
            try LoadPlan(scenario: .run, arrivals: .closed(concurrency: 1), duration: .zero)
        }
        let mix = try LoadPlan(scenario: .mix, arrivals: .closed(concurrency: 1), command: ["x"])
        #expect(mix.program(for: .run).argv == ["x"])
        #expect(mix.program(for: .stream).argv.first == "sh")
    }

    @Test("code is run instead of a program, where one is run, and a program beside it is refused")
    func codePlans() throws {
        let code = LoadPlan.Code("print(1)", language: "python")
        for scenario in [Scenario.execute, .cycle, .run, .stream, .mix] {
            let plan = try LoadPlan(scenario: scenario, arrivals: .closed(concurrency: 1), code: code)
            for operation in Set(scenario.shares.map(\.operation)) where operation != .stats {
                let isBulk = scenario == .mix && operation == .stream
                #expect(
                    plan.program(for: operation).program == .code("print(1)", language: "python") || isBulk,
                    "\(scenario) \(operation)")
            }
            #expect(PlanReport(plan, leases: 0).command == ["--language", "python", "--code", "print(1)"])
        }
        for scenario in [Scenario.stats, .acquire] {
            #expect(throws: LoadError.self) {
                try LoadPlan(scenario: scenario, arrivals: .closed(concurrency: 1), code: code)
            }
        }
        #expect(throws: LoadError.self) {
            try LoadPlan(scenario: .run, arrivals: .closed(concurrency: 1), command: ["true"], code: code)
        }
    }
}
