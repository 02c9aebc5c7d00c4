internal import DequeModule

/// Making a released member as new (`reuse: reset`). A member whose reset is not proven is destroyed.
extension FleetStateMachine {
    /// The caller has taken the lease off the books.
    mutating func beginReset(_ index: Int) {
        slots[index].state = .resetting(isRunning: false)
        pools[slots[index].pool].resetting += 1
        resetLine.append(slots[index].id)
        nudge()
    }

    mutating func startResets(_ step: inout Step) {
        while resetsRunning < configuration.maxConcurrentResets, let id = resetLine.popFirst() {
            guard let index = slotOf[id], case .resetting(false) = slots[index].state, let link = slots[index].link
            else { continue }
            slots[index].state = .resetting(isRunning: true)
            resetsRunning += 1
            step.resets.append(
                LinkOrder(member: id, link: link, timeout: pools[slots[index].pool].configuration.resetTimeout))
        }
    }

    /// A member is proven clean, and goes to the first in line or becomes idle; or, with an error, is not, and is
    /// destroyed. Call once for each reset that was asked for, whatever has become of the member.
    public mutating func resetFinished(_ id: MemberID, _ error: MemberLinkError?, now: MonotonicInstant) {
        resetsRunning -= 1
        if !resetLine.isEmpty { nudge() }
        guard let index = slotOf[id], case .resetting(true) = slots[index].state else { return }
        let pool = slots[index].pool
        if let error {
            emit(.event(.resetFailed(id, pool: pools[pool].configuration.name, error)))
            return retire(index, .resetFailed, now: now)
        }
        pools[pool].resetting -= 1
        pools[pool].recycled += 1
        offer(index, isWarm: true, now: now)
    }
}
