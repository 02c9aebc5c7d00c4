// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A tenant while the server runs: its limits, and what it uses of them. May be used from any thread.
package final class Tenant: Sendable {
    /// What a tenant has used today.
    package struct Use: Sendable, Equatable {
        package var cpuMicroseconds: UInt64 = 0
        package var outputBytes: UInt64 = 0

        package init(cpuMicroseconds: UInt64 = 0, outputBytes: UInt64 = 0) {
            self.cpuMicroseconds = cpuMicroseconds
            self.outputBytes = outputBytes
        }
    }

    fileprivate struct State {
        var policy: TenantPolicy
        var executions = 0
        /// The day that `use` is of, counted from 1970 in UTC.
        var day = 0
        var use = Use()
        /// Requests that may come now, in thousandths, and when that was so.
        var allowance = 0
        var allowedAt: UInt64 = 0
    }

    package let name: String
    /// What is mixed into the tokens of its leases, so that those of another tenant stand for none here.
    package let mask: (high: UInt64, low: UInt64)
    private let state: Mutex<State>
    private let seconds: @Sendable () -> Int

    /// - Parameter seconds: the time, since 1970.
    package init(_ policy: TenantPolicy, mask: (high: UInt64, low: UInt64), seconds: @escaping @Sendable () -> Int) {
        name = policy.name
        self.mask = mask
        self.seconds = seconds
        var state = State(policy: policy)
        state.allowance = (policy.requestsPerSecond ?? 0) * 1000
        self.state = Mutex(state)
    }

    package var policy: TenantPolicy {
        get { state.withLock { $0.policy } }
        set { state.withLock { $0.policy = newValue } }
    }

    package var isOperator: Bool { state.withLock { $0.policy.role == .operator } }

    package var executions: Int { state.withLock { $0.executions } }

    // MARK: Requests

    /// Counts a request. A tenant may send as many as it may in a second at once, and then as they come back.
    /// - Parameter now: nanoseconds of a clock that does not jump.
    package func request(now: UInt64) throws(LimitReached) {
        let wait = state.withLock { state -> UInt64? in
            guard let rate = state.policy.requestsPerSecond else { return nil }
            let passed = now > state.allowedAt ? now - state.allowedAt : 0
            let gained = Int(clamping: passed / 1_000_000 * UInt64(rate))
            if gained > 0 {
                state.allowance = min(rate * 1000, state.allowance.addingReportingOverflow(gained).partialValue)
                // What is less than a millisecond counts next time.
                state.allowedAt = now - passed % 1_000_000
            }
            guard state.allowance < 1000 else {
                state.allowance -= 1000
                return nil
            }
            return UInt64(1000 - state.allowance) * 1_000_000 / UInt64(rate) + 1_000_000
        }
        guard let wait else { return }
        throw LimitReached(
            limit: "requests_per_second",
            message: "the tenant \"\(name)\" sends more than \(policy.requestsPerSecond ?? 0) "
                + "requests a second (requests_per_second)", retryAfter: .nanoseconds(Int64(wait)))
    }

    // MARK: Executions

    /// Counts an execution that begins; `ended` must follow.
    package func begin() throws(LimitReached) { try begin(isExecution: true) }

    /// Checks what a day's limits leave for something that begins within an execution that counts already.
    package func mayGoOn() throws(LimitReached) { try begin(isExecution: false) }

    /// Checks whether a lease may be extended. If the day's CPU time is used up it may not, so that what runs on in it without an
    /// execution, and has no time-out, ends with it.
    package func mayKeepLeases() throws(LimitReached) {
        let seconds = seconds()
        let reached = state.withLock { state -> LimitReached? in
            state.turn(to: seconds)
            return cpuReached(state, seconds)
        }
        if let reached { throw reached }
    }

    private func cpuReached(_ state: State, _ seconds: Int) -> LimitReached? {
        guard let most = state.policy.cpuSecondsPerDay, state.use.cpuMicroseconds >= UInt64(most) * 1_000_000 else {
            return nil
        }
        return LimitReached(
            limit: "cpu_seconds_per_day",
            message: "the tenant \"\(name)\" has used its \(most) s of CPU time of today (cpu_seconds_per_day)",
            retryAfter: .seconds(86400 - seconds % 86400))
    }

    private func begin(isExecution: Bool) throws(LimitReached) {
        let seconds = seconds()
        let reached = state.withLock { state -> LimitReached? in
            state.turn(to: seconds)
            let (policy, use) = (state.policy, state.use)
            let untilTomorrow = Duration.seconds(86400 - seconds % 86400)
            if isExecution, let most = policy.maxExecutions, state.executions >= most {
                return LimitReached(
                    limit: "max_executions",
                    message:
                        "\(state.executions) executions and contexts of the tenant \"\(name)\" run, its maximum "
                        + "(max_executions); end one, or wait for an end")
            }
            if let reached = cpuReached(state, seconds) { return reached }
            if let most = policy.outputBytesPerDay, use.outputBytes >= UInt64(most) {
                return LimitReached(
                    limit: "output_per_day",
                    message: "the tenant \"\(name)\" has used its \(most) bytes of output of today (output_per_day)",
                    retryAfter: untilTomorrow)
            }
            if isExecution { state.executions += 1 }
            return nil
        }
        if let reached { throw reached }
    }

    /// Counts an execution that has begun in another program.
    package func goOn() { state.withLock { $0.executions += 1 } }

    package func ended() { state.withLock { $0.executions -= 1 } }

    /// Adds to what it has used today.
    package func charge(_ use: Use) {
        let seconds = seconds()
        state.withLock { state in
            state.turn(to: seconds)
            state.use.cpuMicroseconds = state.use.cpuMicroseconds.addingClamped(use.cpuMicroseconds)
            state.use.outputBytes = state.use.outputBytes.addingClamped(use.outputBytes)
        }
    }

    /// What it has used today.
    package var use: Use {
        let seconds = seconds()
        return state.withLock { state in
            state.turn(to: seconds)
            return state.use
        }
    }

    /// Takes over what it had used before a restart, if that was today.
    package func restore(_ use: Use, day: Int) {
        let seconds = seconds()
        state.withLock { state in
            state.turn(to: seconds)
            guard day == state.day else { return }
            state.use.cpuMicroseconds = state.use.cpuMicroseconds.addingClamped(use.cpuMicroseconds)
            state.use.outputBytes = state.use.outputBytes.addingClamped(use.outputBytes)
        }
    }
}

extension Tenant.State {
    /// A new day begins with nothing used. A clock that is set back does not.
    fileprivate mutating func turn(to seconds: Int) {
        guard seconds / 86400 > day else { return }
        day = seconds / 86400
        use = Tenant.Use()
    }
}

extension UInt64 {
    fileprivate func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? .max : sum
    }
}
