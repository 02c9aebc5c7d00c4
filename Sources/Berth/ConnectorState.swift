// SPDX-License-Identifier: Apache-2.0

/// The state of a client's connection, and what each event means for it. It only decides; `Connector` acts.
struct ConnectorState<Line: Sendable, Waiter> {
    enum Phase {
        /// There was no call yet, or the connection was lost: the next call connects.
        case idle
        /// To `open`, or back to `idle` when it fails.
        case connecting
        /// To `idle` when it is lost.
        case open(Line)
        /// For good: every call fails with this.
        case over(BerthError)
    }

    /// What to do for a call that needs the connection.
    enum Answer {
        case use(Line)
        case refuse(BerthError)
        /// The call waits. If `connects` is true, its caller must connect now.
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

    /// Removes and returns a waiter, unless it already has its result.
    mutating func leave(_ ticket: Int) -> Waiter? { waiters.removeValue(forKey: ticket) }

    /// Returns who gets the line, and whether it is still wanted.
    mutating func connected(_ line: Line) -> (waiters: [Waiter], isWanted: Bool) {
        guard case .connecting = phase else { return ([], false) }
        phase = .open(line)
        return (take(), true)
    }

    /// - Parameter isFinal: whether there is no further try.
    mutating func failed(_ error: BerthError, isFinal: Bool) -> [Waiter] {
        guard case .connecting = phase else { return [] }
        phase = isFinal ? .over(error) : .idle
        return take()
    }

    /// The open line is lost.
    mutating func lost(for good: BerthError?) {
        guard case .open = phase else { return }
        phase = good.map { .over($0) } ?? .idle
    }

    /// Returns the line to close, and the waiters to fail.
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
