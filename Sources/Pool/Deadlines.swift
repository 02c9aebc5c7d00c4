// SPDX-License-Identifier: Apache-2.0

internal import HeapModule
internal import Synchronization

/// Many deadlines, of which nearly all are met: one task sleeps until the earliest, and goes on sleeping when that one is
/// met. A task for each would be a thread woken to begin it and another to cancel it.
final class Deadlines: Sendable {
    struct ID: Hashable, Sendable { fileprivate let number: UInt64 }

    private struct Entry: Comparable {
        var at: MonotonicInstant
        var id: ID
        static func < (a: Entry, b: Entry) -> Bool { a.at < b.at }
    }

    private struct State {
        var counter: UInt64 = 0
        /// By time; some of them are met, and not in `actions` any more.
        var queue = Heap<Entry>()
        var actions: [ID: @Sendable () -> Void] = [:]
        var sleeper: Task<Void, Never>?
        /// When the sleeper wakes; `.max` without one.
        var wakes = MonotonicInstant(nanoseconds: .max)
        /// Distinguishes the sleeper from earlier ones, which wake for nothing.
        var sleeperNumber: UInt64 = 0
    }

    private let clock: any MonotonicClock
    private let state = Mutex(State())

    init(_ clock: any MonotonicClock) {
        self.clock = clock
    }

    deinit { state.withLock { $0.sleeper?.cancel() } }

    /// Runs `action`, which must be quick, once `instant` has come, unless it is removed before.
    func add(at instant: MonotonicInstant, _ action: @escaping @Sendable () -> Void) -> ID {
        state.withLock { state in
            state.counter += 1
            let id = ID(number: state.counter)
            state.actions[id] = action
            state.queue.insert(Entry(at: instant, id: id))
            if instant < state.wakes { sleep(until: instant, &state) }
            // Those that were met stay until their time, but no more of them than there are others.
            if state.queue.count > 2 * state.actions.count + 64 {
                state.queue = Heap(state.queue.unordered.filter { state.actions[$0.id] != nil })
            }
            return id
        }
    }

    /// The deadline is met, or no longer of interest.
    func remove(_ id: ID) { state.withLock { _ = $0.actions.removeValue(forKey: id) } }

    /// Those that wait for their time, and those of them that are met.
    var queuedCount: Int { state.withLock { $0.queue.count } }

    private func sleep(until instant: MonotonicInstant, _ state: inout State) {
        state.sleeper?.cancel()
        state.wakes = instant
        state.sleeperNumber += 1
        state.sleeper = Task { [weak self, clock, number = state.sleeperNumber] in
            do { try await clock.sleep(until: instant) } catch { return }
            self?.ring(number)
        }
    }

    private func ring(_ number: UInt64) {
        let due: [@Sendable () -> Void] = state.withLock { state in
            guard number == state.sleeperNumber else { return [] }
            let now = clock.now()
            var due: [@Sendable () -> Void] = []
            state.wakes = MonotonicInstant(nanoseconds: .max)
            state.sleeper = nil
            while let next = state.queue.min {
                guard state.actions[next.id] == nil || next.at <= now else {
                    sleep(until: next.at, &state)
                    break
                }
                state.queue.removeMin()
                if let action = state.actions.removeValue(forKey: next.id) { due.append(action) }
            }
            return due
        }
        for action in due { action() }
    }
}
