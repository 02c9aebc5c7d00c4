// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import Pool
internal import Synchronization

extension ServedExecution {
    /// Starts the time without a watcher, or after the end.
    func startTimer(_ state: inout State) { startTimer(until: clock.now() + (order.resumable ?? .zero), &state) }

    func startTimer(until end: MonotonicInstant, _ state: inout State) {
        state.stopTimer()
        state.timerEnd = end
        state.timer = Task { [weak self, clock, registry, number = state.timerNumber] in
            do {
                try await clock.sleep(until: end)
                while registry.isFrozen { try await clock.sleep(until: clock.now() + ExecutionRegistry.frozenInterval) }
            } catch {
                return
            }
            self?.timePassed(number)
        }
    }

    private func timePassed(_ number: Int) {
        let (isDue, hasEnded) = state.withLock { ($0.timerNumber == number, $0.hub.ended != nil) }
        guard isDue else { return }
        if hasEnded { registry.expired(self) } else { abandon() }
    }

    /// Cancels it because no watcher will come any more. What it still writes is discarded, so that it does not block
    /// while it ends.
    func abandon() {
        let credit = state.withLock { state in
            state.hub.abandon()
            return state.takeCredit()
        }
        credit?.give()
        if let whenLeft = order.whenLeft { whenLeft() } else { cancel() }
    }

    /// Ends the time for which it is held after its end; watchers that it still has keep it.
    func letGo() {
        let isOver = state.withLock { state in
            state.stopTimer()
            state.isKept = false
            return state.isOver
        }
        if isOver { registry.forget(self) }
    }

    /// Checks whether its watchers read. While they do not, the agent gets a little extra credit, so that the server
    /// learns of the end of the program. After the end, unread output is held only for a limited time.
    /// - Parameter limit: how long output is held after the end for watchers that do not read.
    func look(limit: Duration) {
        let now = clock.now()
        let (late, credit) = state.withLock { state -> ([UInt32], Credit?) in
            let progress = state.hub.progress
            guard progress == state.reading.progress else {
                state.reading = Reading(progress: progress, since: now)
                state.hub.probe(false)
                return ([], nil)
            }
            guard state.hub.ended != nil else {
                state.hub.probe(true)
                return ([], state.takeCredit())
            }
            return (now - state.reading.since >= limit ? Array(state.streams.keys) : [], nil)
        }
        credit?.give()
        let error = RPCError(
            .resourceExhausted, "what the program wrote was not read for \(limit.inWords) after its end", .memoryLimit)
        for number in late { leave(number, error) }
    }
}
