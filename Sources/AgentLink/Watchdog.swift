// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Pool

/// Measures how long an agent takes for an execution, and decides when it is late. Time without credit does not count, since
/// the agent could not send anything then.
struct Watchdog {
    /// What to do at the time that `look` gave.
    enum Finding: Equatable {
        /// Nothing yet: look again after this.
        case look(TimeAmount)
        /// It should have ended and has no credit to report it: output that is held back must be taken now. Reported once.
        case overdue(then: TimeAmount)
        /// The agent is late although it had credit.
        case late(String)
    }

    /// Extra time after which an agent is late …
    static let slack = TimeAmount.seconds(10)
    /// … and after which withheld credit counts as holding up the end.
    static let patience = TimeAmount.seconds(1)

    /// Stands for no limit; sums with it stay within the clock's range.
    private static let longest = TimeAmount.hours(24 * 3650)

    private(set) var task: Scheduled<Void>?
    /// Tells the time; nil: the system does.
    private let loop: (any EventLoop)?
    private(set) var start: NIODeadline
    /// When the execution must have ended, in time since its start without time that does not count.
    private(set) var due: TimeAmount?
    private(set) var isToldOverdue = false
    /// Maximum time with credit in which nothing arrives; nil is no limit.
    private var silence: TimeAmount?
    private var isOfStart = false
    private var lastHeard: NIODeadline
    private(set) var withoutCredit = TimeAmount.zero
    private(set) var withoutCreditSince: NIODeadline?

    init(_ loop: (any EventLoop)? = nil) {
        self.loop = loop
        start = loop?.now ?? .now()
        lastHeard = start
    }

    private var now: NIODeadline { loop?.now ?? .now() }

    /// What it has counted, in nanoseconds of the event loops' clock, for another program. Only of programs, which may be silent.
    struct Carried: Codable, Equatable, Sendable {
        var start: UInt64
        var due: Int64?
        var isToldOverdue: Bool
        var withoutCredit: Int64
        var withoutCreditSince: UInt64?
    }

    var carried: Carried {
        Carried(
            start: start.uptimeNanoseconds, due: due?.nanoseconds, isToldOverdue: isToldOverdue,
            withoutCredit: withoutCredit.nanoseconds, withoutCreditSince: withoutCreditSince?.uptimeNanoseconds)
    }

    init(_ carried: Carried, _ loop: (any EventLoop)?) {
        self.init(loop)
        start = .uptimeNanoseconds(carried.start)
        due = carried.due.map { .nanoseconds($0) }
        isToldOverdue = carried.isToldOverdue
        withoutCredit = .nanoseconds(carried.withoutCredit)
        withoutCreditSince = carried.withoutCreditSince.map { .uptimeNanoseconds($0) }
    }

    /// Whether `heard` needs to be called.
    var looksForSilence: Bool { silence != nil }

    /// - Parameter limit: the time it has, its grace included; nil is no limit.
    /// - Returns: when to look first; nil is never.
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

    /// It was told to end, and must do so within `limit` from now.
    mutating func ends(within limit: TimeAmount, now given: NIODeadline? = nil) -> TimeAmount {
        let now = given ?? now
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

    mutating func creditEnds(_ given: NIODeadline? = nil) { withoutCreditSince = given ?? now }

    mutating func creditComes(_ given: NIODeadline? = nil) {
        guard let since = withoutCreditSince else { return }
        let now = given ?? now
        withoutCredit = withoutCredit + (now - since)
        withoutCreditSince = nil
        lastHeard = now
    }

    mutating func heard(_ given: NIODeadline? = nil) { lastHeard = given ?? now }

    /// Time since the start in which the agent had credit.
    private func used(_ now: NIODeadline) -> TimeAmount {
        (now - start) - withoutCredit - (withoutCreditSince.map { now - $0 } ?? .zero)
    }

    mutating func look(_ given: NIODeadline? = nil) -> Finding {
        let now = given ?? now
        let hasCredit = withoutCreditSince == nil
        if let due {
            // Time without credit counts here: the program's own clock does not stop meanwhile.
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
        // Not more often than every 100 ms.
        return .look(max(next.min() ?? Watchdog.slack, .milliseconds(100)))
    }
}
