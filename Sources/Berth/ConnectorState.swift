// SPDX-License-Identifier: Apache-2.0

/// Where a client's connection stands, and what each thing that happens to it means. Decides, and does nothing.
struct ConnectorState<Line: Sendable, Waiter> {
    enum Phase {
        /// Nothing was called yet, or the connection was lost: the next call connects.
        case idle
        /// To `open`, or back to `idle` when it fails.
        case connecting
        /// To `idle` when it is lost.
        case open(Line)
        /// For good: every call fails with this.
        case over(BerthError)
    }

    /// What is to be done for a call that wants the connection.
    enum Answer {
        case use(Line)
        case refuse(BerthError)
        /// The call waits; `connects`: and it is its caller who is to connect now.
        case wait(connects: Bool)
    }

    private(set) var phase = Phase.idle
    private var waiters: [Int: Waiter] = [:]
    private var lastTicket = 0

    mutating func ticket() -> Int {
        lastTicket += 1
        return lastTicket
    }

    mutating func wants(_ waiter: Waiter, _ ticket: Int) -> Answer {
        switch phase {
        case .open(let line): return .use(line)
        case .over(let error): return .refuse(error)
        case .connecting, .idle:
            waiters[ticket] = waiter
            if case .connecting = phase { return .wait(connects: false) }
            phase = .connecting
            return .wait(connects: true)
        }
    }

    /// The waiter, unless it has been told.
    mutating func leave(_ ticket: Int) -> Waiter? { waiters.removeValue(forKey: ticket) }

    /// Returns who is to get the line, and whether it is wanted at all.
    mutating func connected(_ line: Line) -> (waiters: [Waiter], isWanted: Bool) {
        guard case .connecting = phase else { return ([], false) }
        phase = .open(line)
        return (take(), true)
    }

    /// - Parameter isFinal: it is not tried again.
    mutating func failed(_ error: BerthError, isFinal: Bool) -> [Waiter] {
        guard case .connecting = phase else { return [] }
        phase = isFinal ? .over(error) : .idle
        return take()
    }

    /// The line that is open is lost.
    mutating func lost(for good: BerthError?) {
        guard case .open = phase else { return }
        phase = good.map { .over($0) } ?? .idle
    }

    /// Returns the line to close, and who waits in vain.
    mutating func close(_ error: BerthError) -> (line: Line?, waiters: [Waiter]) {
        let line: Line? = if case .open(let line) = phase { line } else { nil }
        phase = .over(error)
        return (line, take())
    }

    private mutating func take() -> [Waiter] {
        defer { waiters = [:] }
        return Array(waiters.values)
    }
}
