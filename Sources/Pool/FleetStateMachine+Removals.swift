// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Giving members up, and removing them until the runtime confirms that they are gone.
extension FleetStateMachine {
    /// Gives up a member that is ready. One that is stopping already is left alone.
    mutating func retire(_ slot: SlotIndex, _ reason: RetireReason) {
        switch slots[slot].state {
        case .idle(let idle): giveUp(slot, idle.link, reason)
        case .leased(let lease): giveUp(slot, lease.link, reason)
        case .resetting(let reset): giveUp(slot, reset.link, reason)
        case .free, .cleaning, .stopping: return
        case .starting: preconditionFailure("a member is being created, and cannot be retired")
        }
    }

    /// Gives a member up: closes its stream, and removes it.
    mutating func giveUp(_ slot: SlotIndex, _ link: any MemberLink, _ reason: RetireReason) {
        let pool = slots[slot].pool
        queueRemoval(slot, attempt: 0)
        slots[slot].timer = nil
        pools[pool].retired[reason.ordinal] += 1
        emit(
            .event(
                .retired(slots[slot].id, pool: pools[pool].configuration.name, reason, uses: slots[slot].uses)))
        emit(.close(link, reason.closeReason))
        nudge()
    }

    mutating func queueRemoval(_ slot: SlotIndex, attempt: Int) {
        move(slot, to: .stopping(.queued(attempt: attempt)))
        removalQueue.append(slot)
    }

    mutating func startRemovals(_ step: inout Step) {
        while removalsInFlight < configuration.maxConcurrentRemovals, let slot = removalQueue.popFirst() {
            guard case .stopping(.queued(let attempt)) = slots[slot].state else { continue }
            move(slot, to: .stopping(.inFlight(attempt: attempt)))
            step.removals.append(slots[slot].id)
        }
    }

    /// One attempt to remove a member has ended. Without an error the member is confirmed gone; a failed attempt is repeated,
    /// 1 s to 60 s apart.
    public mutating func removalFinished(_ id: MemberID, _ error: RuntimeError?, now: MonotonicInstant) {
        guard let slot = slotOf[id], case .stopping(.inFlight(let attempt)) = slots[slot].state else {
            preconditionFailure("\(id) is not being removed")
        }
        guard let error else { return freeSlot(slot) }
        let delay = Duration.seconds(1 << min(attempt, 6)).clamped(to: .seconds(1)...(.seconds(60)))
        let until = now + delay
        move(slot, to: .stopping(.waiting(attempt: attempt + 1, until: until)))
        setTimer(slot, at: until)
        let name = pools[slots[slot].pool].configuration.name
        emit(.event(.removeFailed(id, pool: name, error, retryIn: delay)))
        nudge()
    }
}

extension Duration {
    fileprivate func clamped(to range: ClosedRange<Duration>) -> Duration {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
