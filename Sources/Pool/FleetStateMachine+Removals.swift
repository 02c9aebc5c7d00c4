internal import DequeModule

/// Giving members up, and removing them until the runtime confirms that they are gone.
extension FleetStateMachine {
    /// The member is given up: its stream is closed, and it is removed.
    ///
    /// - Parameter isCounted: false where the caller has taken it out of its state's count already.
    mutating func retire(_ index: Int, _ reason: RetireReason, isCounted: Bool = true, now: MonotonicInstant) {
        let pool = slots[index].pool
        switch slots[index].state {
        case .free, .cleaning, .stopping: return
        case _ where !isCounted: break
        case .idle: uncountIdle(index)
        case .leased: unlease(index)
        case .resetting: pools[pool].resetting -= 1
        case .starting: preconditionFailure("a member is being created, and cannot be retired")
        }
        slots[index].state = .stopping(.queued(attempt: 0))
        slots[index].timer = nil
        pools[pool].stopping += 1
        pools[pool].retired[reason.ordinal] += 1
        removalLine.append(index)
        emit(
            .event(
                .retired(slots[index].id, pool: pools[pool].configuration.name, reason, uses: slots[index].uses)))
        if let link = slots[index].link { emit(.close(link, reason.closeReason)) }
        slots[index].link = nil
        nudge()
    }

    mutating func startRemovals(_ step: inout Step) {
        while removalsRunning < configuration.maxConcurrentRemovals, let index = removalLine.popFirst() {
            guard case .stopping(.queued(let attempt)) = slots[index].state else { continue }
            slots[index].state = .stopping(.running(attempt: attempt))
            removalsRunning += 1
            step.removals.append(slots[index].id)
        }
    }

    /// One attempt to remove a member has ended; without an error it is confirmed gone. Failed attempts are repeated,
    /// 1 s to 60 s apart, until that.
    public mutating func removalFinished(_ id: MemberID, _ error: RuntimeError?, now: MonotonicInstant) {
        guard let index = slotOf[id], case .stopping(.running(let attempt)) = slots[index].state else {
            preconditionFailure("\(id) is not being removed")
        }
        removalsRunning -= 1
        let pool = slots[index].pool
        guard let error else {
            pools[pool].stopping -= 1
            freeSlot(index)
            return
        }
        let delay = Duration.seconds(1 << min(attempt, 6)).clamped(to: .seconds(1)...(.seconds(60)))
        let until = now + delay
        slots[index].state = .stopping(.waiting(attempt: attempt + 1, until: until))
        setTimer(index, at: until)
        let name = pools[pool].configuration.name
        emit(.event(.removeFailed(id, pool: name, error, retryIn: delay)))
        nudge()
    }
}

extension Duration {
    fileprivate func clamped(to range: ClosedRange<Duration>) -> Duration {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
