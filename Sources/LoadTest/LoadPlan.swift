// SPDX-License-Identifier: Apache-2.0

package import Berth

/// What a load test is to do. All of it is checked by `init`.
package struct LoadPlan: Sendable, Equatable {
    /// When operations begin.
    package enum Arrivals: Sendable, Equatable {
        /// Closed loop: this many operations are under way at any time; the next begins when one ends.
        case closed(concurrency: Int)
        /// Open loop: this many operations a second begin, whether those before have ended or not. Their time counts from
        /// when they were to begin.
        case open(rate: Double, spacing: Spacing, maxInFlight: Int)
    }

    /// How far apart an open loop's operations are.
    package enum Spacing: String, Sendable, Equatable, CaseIterable, Codable {
        /// The same each time.
        case even
        /// Random, as from many users who know nothing of each other (a Poisson process).
        case random
    }

    package var scenario: Scenario
    package var arrivals: Arrivals
    package var server: ServerAddress
    /// nil is the server's default pool.
    package var pool: String?
    /// Empty: the scenario's own.
    package var command: [String]
    /// The program's working directory; nil is the server's choice, /workspace.
    package var cwd: String?
    package var connections: Int
    /// Leases held for `execute` and `stream`; nil: as many as members are idle at the start, at most one for each
    /// operation under way.
    package var leases: Int?
    package var duration: Duration
    /// Before the measured time; its operations are not counted.
    package var warmup: Duration
    /// How long an operation may wait for a member; nil is the server's default.
    package var wait: Duration?
    /// Carried out in turn with the scenario's own operations: half a second each in a closed loop (`Turns`), every second
    /// arrival in an open one.
    package var baseline: DockerExecBaseline?
    /// How long operations still under way at the end are waited for.
    package var drain: Duration

    /// - Throws: `LoadError` that says which value is out of its range.
    package init(
        scenario: Scenario, arrivals: Arrivals, server: ServerAddress = .standard, pool: String? = nil,
        command: [String] = [], cwd: String? = nil, connections: Int = 1, leases: Int? = nil,
        duration: Duration = .seconds(10),
        warmup: Duration = .seconds(1), wait: Duration? = nil, baseline: DockerExecBaseline? = nil,
        drain: Duration = .seconds(10)
    ) throws(LoadError) {
        self.scenario = scenario
        self.arrivals = arrivals
        self.server = server
        self.pool = pool
        self.command = command
        self.cwd = cwd
        self.connections = connections
        self.leases = leases
        self.duration = duration
        self.warmup = warmup
        self.wait = wait
        self.baseline = baseline
        self.drain = drain
        switch arrivals {
        case .closed(let concurrency):
            try LoadPlan.check("concurrency", concurrency, 1...100_000)
        case .open(let rate, _, let maxInFlight):
            guard rate >= 0.001, rate <= 10_000_000 else {
                throw LoadError("rate \(rate) is not from 0.001 to 10000000 operations a second")
            }
            try LoadPlan.check("in-flight", maxInFlight, 1...100_000)
        }
        try LoadPlan.check("connections", connections, 1...60_000)
        if let leases { try LoadPlan.check("leases", leases, 1...10_000) }
        guard duration >= .milliseconds(100), duration <= .seconds(7 * 86_400) else {
            throw LoadError("duration \(duration) is not from 100 ms to 7 days")
        }
        guard warmup >= .zero, warmup <= .seconds(86_400) else {
            throw LoadError("warmup \(warmup) is not from 0 to 1 day")
        }
        if baseline != nil, ![.execute, .cycle, .run, .stream].contains(scenario) {
            throw LoadError("baseline: the scenario \(scenario.rawValue) runs no program, or several, to compare with")
        }
        if !command.isEmpty, scenario == .stats || scenario == .acquire {
            throw LoadError("scenario \(scenario.rawValue) runs no program, but one is given: \(command[0])")
        }
    }

    /// Operations under way at the same time, at most.
    var workers: Int {
        switch arrivals {
        case .closed(let concurrency): concurrency
        case .open(_, _, let maxInFlight): maxInFlight
        }
    }

    var isOpen: Bool {
        switch arrivals {
        case .closed: false
        case .open: true
        }
    }

    /// The operation of the `index`th arrival of an open loop.
    func operation(at index: UInt64) -> Operation {
        guard baseline != nil else { return scenario.operation(at: index) }
        return index % 2 == 0 ? scenario.operation(at: index / 2) : .dockerExec
    }

    func program(for operation: Operation) -> Command {
        let given = scenario == .mix && operation == .stream ? [] : command
        return Command(given.isEmpty ? scenario.command(for: operation) : given, cwd: cwd)
    }

    private static func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(LoadError) {
        guard range.contains(value) else {
            throw LoadError("\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
        }
    }
}

/// Why a load test could not be done, or two could not be compared; one line.
package struct LoadError: Error, Sendable, Equatable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) {
        self.message = message
    }

    package var description: String { message }
}
