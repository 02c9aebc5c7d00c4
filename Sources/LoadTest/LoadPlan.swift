// SPDX-License-Identifier: Apache-2.0

package import Berth

/// The settings of a load test. `init` checks all of them.
package struct LoadPlan: Sendable, Equatable {
    /// When operations begin.
    package enum Arrivals: Sendable, Equatable {
        /// Closed loop: this many operations are in flight at any time, and the next begins when one ends.
        case closed(concurrency: Int)
        /// Open loop: this many operations per second begin, whether earlier ones have ended or not. Their latency
        /// counts from the time at which they were due.
        case open(rate: Double, spacing: Spacing, maxInFlight: Int)
    }

    /// A piece of source text that is run instead of a program.
    package struct Code: Sendable, Equatable {
        package var text: String
        package var language: String

        package init(_ text: String, language: String) {
            self.text = text
            self.language = language
        }
    }

    /// The intervals between the operations of an open loop.
    package enum Spacing: String, Sendable, Equatable, CaseIterable, Codable {
        /// Always the same.
        case even
        /// Random, as from many independent users (a Poisson process).
        case random
    }

    package var scenario: Scenario
    package var arrivals: Arrivals
    package var server: ServerAddress
    /// Nil: the server's default pool.
    package var pool: String?
    /// The program and its arguments. Empty: the scenario's default.
    package var command: [String]
    /// Run instead of a command.
    package var code: Code?
    /// The working directory of the program; nil: the server's default.
    package var cwd: String?
    package var connections: Int
    /// Number of leases that are held for `execute` and `stream`; nil: as many as there are idle members at the start,
    /// but at most one for each operation in flight.
    package var leases: Int?
    package var duration: Duration
    /// Time before the measured time; its operations are not counted.
    package var warmup: Duration
    /// How long an operation may wait for a member; nil: the server's default.
    package var wait: Duration?
    /// Measured in turn with the operations of the scenario: in a closed loop for half a second each (`Turns`), in an
    /// open loop with every second arrival.
    package var baseline: DockerExecBaseline?
    /// How long to wait at the end for operations in flight.
    package var drain: Duration

    /// - Throws: `LoadError` that names the value that is not allowed.
    package init(
        scenario: Scenario, arrivals: Arrivals, server: ServerAddress = .standard, pool: String? = nil,
        command: [String] = [], code: Code? = nil, cwd: String? = nil, connections: Int = 1, leases: Int? = nil,
        duration: Duration = .seconds(10),
        warmup: Duration = .seconds(1), wait: Duration? = nil, baseline: DockerExecBaseline? = nil,
        drain: Duration = .seconds(10)
    ) throws(LoadError) {
        self.scenario = scenario
        self.arrivals = arrivals
        self.server = server
        self.pool = pool
        self.command = command
        self.code = code
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
                throw LoadError("rate \(rate) is not from 0.001 to 10000000 operations per second")
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
        try checkProgram()
    }

    /// Whether what is run is allowed with the scenario and the baseline.
    private func checkProgram() throws(LoadError) {
        let runsPrograms: [Scenario] = [.execute, .cycle, .run, .stream]
        if baseline != nil, !runsPrograms.contains(scenario) {
            throw LoadError("baseline: the scenario \(scenario.rawValue) runs no program, or several, to compare with")
        }
        if baseline != nil, code != nil {
            throw LoadError("baseline: docker exec runs a program, and code is given")
        }
        if scenario == .stats || scenario == .acquire, let given = code?.text ?? command.first {
            throw LoadError("scenario \(scenario.rawValue) runs no program, but one is given: \(given)")
        }
        if code != nil, let program = command.first {
            throw LoadError("code and a program are given, but only one can be run: \(program)")
        }
    }

    /// Maximum number of operations in flight.
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
        if let code, operation != .stream || scenario == .stream {
            return Command(.code(code.text, language: code.language), cwd: cwd)
        }
        let given = scenario == .mix && operation == .stream ? [] : command
        return Command(given.isEmpty ? scenario.command(for: operation) : given, cwd: cwd)
    }

    private static func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(LoadError) {
        guard range.contains(value) else {
            throw LoadError("\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
        }
    }
}

/// Why a load test or a comparison is not possible, in one line.
package struct LoadError: Error, Sendable, Equatable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) {
        self.message = message
    }

    package var description: String { message }
}
