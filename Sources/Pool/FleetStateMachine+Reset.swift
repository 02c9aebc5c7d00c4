// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Resets of released members (`reuse: reset`). A member whose reset is not proven is destroyed.
extension FleetStateMachine {
    mutating func queueReset(_ slot: SlotIndex, _ link: any MemberLink) {
        move(slot, to: .resetting(Resetting(link: link)))
        resetQueue.append(slots[slot].id)
        nudge()
    }

    mutating func startResets(_ step: inout Step) {
        while resetsInFlight < configuration.maxConcurrentResets, let id = resetQueue.popFirst() {
            guard let slot = slotOf[id], case .resetting(var reset) = slots[slot].state, !reset.isInFlight
            else { continue }
            reset.isInFlight = true
            move(slot, to: .resetting(reset))
            resetsInFlight += 1
            step.resets.append(
                LinkOrder(member: id, link: reset.link, timeout: pools[slots[slot].pool].configuration.resetTimeout))
        }
    }

    /// A reset has ended. Without an error the member is clean, and goes to the first waiter or becomes idle; with one it is
    /// destroyed. Call it once for each requested reset, even if the member is gone.
    public mutating func resetFinished(_ id: MemberID, _ error: MemberLinkError?, now: MonotonicInstant) {
        resetsInFlight -= 1
        if !resetQueue.isEmpty { nudge() }
        guard let slot = slotOf[id], case .resetting(let reset) = slots[slot].state, reset.isInFlight else { return }
        let pool = slots[slot].pool
        if let error {
            emit(.event(.resetFailed(id, pool: pools[pool].configuration.name, error)))
            return giveUp(slot, reset.link, .resetFailed)
        }
        pools[pool].recycled += 1
        offer(slot, reset.link, isWarm: true, now: now)
    }
}
