// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Pool

/// How long an agent has had for an execution, and what it is late with. Time in which it had no credit is the caller's:
/// it could say nothing then.
struct Watchdog {
    /// What is to be done when the time that `next` named has come.
    enum Finding: Equatable {
        /// Nothing yet: look again after this.
        case look(TimeAmount)
        /// It should have ended and has no credit to say so: whoever holds output back takes it now. Told once.
        case overdue(then: TimeAmount)
        /// The agent is late without an excuse.
        case late(String)
    }

    /// What an agent may need beyond the time that it was given before it is late …
    static let slack = TimeAmount.seconds(10)
    /// … and before credit that is withheld stands in the way of an end.
    static let patience = TimeAmount.seconds(1)

    /// What counts as any time at all: sums with it stay within the clock's range.
    private static let longest = TimeAmount.hours(24 * 3650)

    private(set) var task: Scheduled<Void>?
    private let start = NIODeadline.now()
    /// When the execution must have ended, by the time that counts: from its start, but for that without credit.
    private var due: TimeAmount?
    private var isToldOverdue = false
    /// The longest time without a word, with credit; nil: any.
    private var silence: TimeAmount?
    private var isOfStart = false
    private var lastHeard = NIODeadline.now()
    private var withoutCredit = TimeAmount.zero
    private var withoutCreditSince: NIODeadline?

    /// Whether `heard` is of use.
    var looksForSilence: Bool { silence != nil }

    /// - Parameter limit: the time it has, its grace included; nil: any.
    /// - Returns: when to look first; nil: never.
    mutating func begin(limit: TimeAmount?, silence: AgentConnection.Silence?) -> TimeAmount? {
        let limit = limit.map { min($0, Watchdog.longest) }
        due = limit
        switch silence {
        case .ofStart(let time): (self.silence, isOfStart) = (Watchdog.amount(time), true)
        case .ofOutput(let time): self.silence = Watchdog.amount(time)
        case nil: break
        }
        return [limit.map { $0 + Watchdog.patience }, self.silence].compactMap { $0 }.min()
    }

    private static func amount(_ time: Duration) -> TimeAmount { min(.nanoseconds(time.saturatedNanoseconds), longest) }

    mutating func started() {
        if isOfStart { silence = nil }
    }

    /// It was told to end: from now on it has `limit` for that.
    mutating func ends(within limit: TimeAmount, now: NIODeadline = .now()) -> TimeAmount {
        let limit = min(limit, Watchdog.longest)
        let soon = used(now) + limit
        due = min(due ?? soon, soon)
        silence = nil
        return limit + Watchdog.patience
    }

    mutating func set(_ task: Scheduled<Void>?) {
        self.task?.cancel()
        self.task = task
    }

    mutating func creditEnds(_ now: NIODeadline = .now()) { withoutCreditSince = now }

    mutating func creditComes(_ now: NIODeadline = .now()) {
        guard let since = withoutCreditSince else { return }
        withoutCredit = withoutCredit + (now - since)
        withoutCreditSince = nil
        lastHeard = now
    }

    mutating func heard(_ now: NIODeadline = .now()) { lastHeard = now }

    /// Time since the start in which the agent could speak.
    private func used(_ now: NIODeadline) -> TimeAmount {
        (now - start) - withoutCredit - (withoutCreditSince.map { now - $0 } ?? .zero)
    }

    mutating func look(_ now: NIODeadline = .now()) -> Finding {
        let hasCredit = withoutCreditSince == nil
        if let due {
            // Its own clock does not stand still while it has no credit.
            if !hasCredit, !isToldOverdue, now - start >= due {
                isToldOverdue = true
                return .overdue(then: Watchdog.slack)
            }
            let late = due + Watchdog.slack
            if hasCredit, used(now) >= late {
                return .late("the execution was not ended \(late.nanoseconds / 1_000_000) ms after its start")
            }
        }
        if let silence, hasCredit, now - lastHeard >= silence {
            return .late("nothing came for \(silence.nanoseconds / 1_000_000_000) s")
        }
        var next: [TimeAmount] = []
        if let due {
            next.append(hasCredit ? due + Watchdog.slack - used(now) : max(due - (now - start), Watchdog.slack))
        }
        if let silence { next.append(hasCredit ? silence - (now - lastHeard) : silence) }
        // Not again and again for a moment.
        return .look(max(next.min() ?? Watchdog.slack, .milliseconds(100)))
    }
}
