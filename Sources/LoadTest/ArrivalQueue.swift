// SPDX-License-Identifier: Apache-2.0

/// One operation that is due.
struct Arrival: Sendable, Equatable {
    var index: UInt64
    /// When it is due; may be in the past.
    var due: Nanoseconds
}

/// Assigns the arrivals of an open loop to workers. It does no I/O: time and workers come in, arrivals go out.
///
/// Arrivals are handed out in order. When all workers are busy, arrivals that become due stay in the schedule until a
/// worker asks, and keep the time at which they were due. So no arrival is lost because the server is slow, and the
/// backlog needs no memory.
struct ArrivalQueue: Sendable {
    enum Answer: Equatable, Sendable {
        case start(Arrival)
        /// A later `advance` starts the worker, or `takeFinished` ends it.
        case wait
        case finished
    }

    private var schedule: ArrivalSchedule
    private var idle: [Int] = []
    /// By worker: whether it carries out an arrival.
    private var isBusy: [Bool]
    private var busy = 0
    private var isClosed = false
    /// The longest time that an arrival waited because all workers were busy, until the first of them was free.
    private(set) var longestBacklog: Nanoseconds = 0

    /// - Parameter workers: the number of workers, which are numbered from 0.
    init(_ schedule: ArrivalSchedule, workers: Int) {
        self.schedule = schedule
        isBusy = Array(repeating: false, count: workers)
    }

    /// A worker asks for work, at the beginning or because it has finished its last arrival.
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

    /// Returns the arrivals that are due, each with an idle worker; the worker that became idle last comes first.
    mutating func advance(to now: Nanoseconds) -> [(worker: Int, arrival: Arrival)] {
        var started: [(worker: Int, arrival: Arrival)] = []
        while let worker = idle.last, let due = schedule.next, due <= now {
            idle.removeLast()
            started.append((worker, begin(due, worker)))
        }
        return started
    }

    /// When to call `advance` next; nil if no worker waits, or nothing more is due.
    var nextAdvance: Nanoseconds? { idle.isEmpty || isClosed ? nil : schedule.next }

    /// Returns all waiting workers once the schedule has ended: they must be told that there is no more work.
    mutating func takeFinished() -> [Int] {
        guard isClosed || schedule.next == nil else { return [] }
        defer { idle = [] }
        return idle
    }

    /// From now on, nothing is handed out.
    mutating func close() { isClosed = true }

    /// Calls `body` with each arrival that was due before `end` and that no worker was free to begin.
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
