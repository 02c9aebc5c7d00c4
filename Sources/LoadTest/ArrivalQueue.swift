// SPDX-License-Identifier: Apache-2.0

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
    /// By worker: it carries out an arrival.
    private var isBusy: [Bool]
    private var busy = 0
    private var isClosed = false
    /// How long an arrival had been due, at most, when the first of all busy workers became free for it.
    private(set) var longestBacklog: Nanoseconds = 0

    /// - Parameter workers: how many there are; they are numbered from 0.
    init(_ schedule: ArrivalSchedule, workers: Int) {
        self.schedule = schedule
        isBusy = Array(repeating: false, count: workers)
    }

    /// A worker has nothing to do, be it that it begins or that it has ended what it did.
    mutating func ask(_ worker: Int, now: Nanoseconds) -> Answer {
        let wasLast = busy == isBusy.count
        if isBusy[worker] {
            isBusy[worker] = false
            busy -= 1
        }
        guard !isClosed, let due = schedule.next else { return .finished }
        guard due <= now else {
            idle.append(worker)
            return .wait
        }
        if wasLast { longestBacklog = max(longestBacklog, now - due) }
        return .start(begin(due, worker))
    }

    /// Arrivals that are due now, each with the idle worker that begins it. The worker that was idle last is taken first.
    mutating func advance(to now: Nanoseconds) -> [(worker: Int, arrival: Arrival)] {
        var started: [(worker: Int, arrival: Arrival)] = []
        while let worker = idle.last, let due = schedule.next, due <= now {
            idle.removeLast()
            started.append((worker, begin(due, worker)))
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

    private mutating func begin(_ due: Nanoseconds, _ worker: Int) -> Arrival {
        isBusy[worker] = true
        busy += 1
        return take(due)
    }

    private mutating func take(_ due: Nanoseconds) -> Arrival {
        defer { schedule.take() }
        return Arrival(index: schedule.index, due: due)
    }
}
