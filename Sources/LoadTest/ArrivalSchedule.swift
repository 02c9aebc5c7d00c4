#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// When the operations of an open loop are to begin, one after the other. It depends on nothing but what it was made from:
/// no answer, however late, moves it.
struct ArrivalSchedule: Sendable {
    private let begin: Nanoseconds
    /// Nothing is due at this time or later.
    private let end: Nanoseconds
    private let interval: Double
    private let spacing: LoadPlan.Spacing
    private var random: SplitMix64
    private var offset = 0.0
    private(set) var index: UInt64 = 0

    init(
        begin: Nanoseconds, end: Nanoseconds, rate: Double, spacing: LoadPlan.Spacing, seed: UInt64 = 0x0BE7_7411
    ) {
        self.begin = begin
        self.end = end
        interval = 1e9 / rate
        self.spacing = spacing
        random = SplitMix64(seed: seed)
        if spacing == .random { offset = gap() }
    }

    /// When the next one is due; nil: there is none.
    var next: Nanoseconds? {
        guard offset < 1e18 else { return nil }
        let instant = begin + Nanoseconds(offset)
        return instant < end ? instant : nil
    }

    mutating func take() {
        index += 1
        switch spacing {
        // From the index, not from the one before: rounding does not add up.
        case .even: offset = Double(index) * interval
        case .random: offset += gap()
        }
    }

    private mutating func gap() -> Double {
        // 1 - u is in (0, 1], so that its logarithm is finite.
        -log(1 - Double(random.next() >> 11) * 0x1p-53) * interval
    }
}

/// One operation that is due.
struct Arrival: Sendable, Equatable {
    var index: UInt64
    /// When it is, or was, to begin.
    var due: Nanoseconds
}

/// Who begins which arrival of an open loop. Decides only: time and workers come in, arrivals go out.
///
/// Arrivals are handed out in order. When all workers are busy, those that fall due stay in the schedule and are handed out
/// as soon as a worker asks, with the time at which they were due: nothing is left out because the server was slow, and
/// nothing is stored for it either.
struct ArrivalQueue: Sendable {
    enum Answer: Equatable, Sendable {
        case start(Arrival)
        /// The worker is told by a later `advance`, or `close`.
        case wait
        case finished
    }

    private var schedule: ArrivalSchedule
    private var idle: [Int] = []
    private var isClosed = false
    /// How long an arrival had been due when the first worker became free for it, at most.
    private(set) var longestBacklog: Nanoseconds = 0

    init(_ schedule: ArrivalSchedule) {
        self.schedule = schedule
    }

    /// A worker has nothing to do.
    mutating func ask(_ worker: Int, now: Nanoseconds) -> Answer {
        guard !isClosed, let due = schedule.next else { return .finished }
        guard due <= now else {
            idle.append(worker)
            return .wait
        }
        if idle.isEmpty { longestBacklog = max(longestBacklog, now - due) }
        return .start(take(due))
    }

    /// Arrivals that are due now, each with the idle worker that begins it. The worker that was idle last is taken first.
    mutating func advance(to now: Nanoseconds) -> [(worker: Int, arrival: Arrival)] {
        var started: [(worker: Int, arrival: Arrival)] = []
        while let worker = idle.last, let due = schedule.next, due <= now {
            idle.removeLast()
            started.append((worker, take(due)))
        }
        return started
    }

    /// When `advance` is to be called next; nil: not before a worker waits, or never.
    var nextAdvance: Nanoseconds? { idle.isEmpty || isClosed ? nil : schedule.next }

    /// Workers to tell that there is nothing more: all that wait, once the schedule has ended.
    mutating func takeFinished() -> [Int] {
        guard isClosed || schedule.next == nil else { return [] }
        defer { idle = [] }
        return idle
    }

    /// Hands nothing out from here on.
    mutating func close() { isClosed = true }

    /// Calls `body` with each arrival that was due by `end` and that no worker was free to begin.
    mutating func drainUnstarted(until end: Nanoseconds, _ body: (Arrival) -> Void) {
        while let due = schedule.next, due < end { body(take(due)) }
    }

    private mutating func take(_ due: Nanoseconds) -> Arrival {
        defer { schedule.take() }
        return Arrival(index: schedule.index, due: due)
    }
}
