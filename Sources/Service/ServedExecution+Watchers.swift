// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

extension ServedExecution {
    /// Lets the call that requested the execution watch it from the first byte. Must be called on the call's loop.
    func watchFirst(_ call: ServerCall, _ events: WatcherEvents, window: UInt64?) {
        let watcher = state.withLock { state in
            add(call, events, at: PerStream(0), window: window, isObserver: false, announces: false, &state)
        }
        watcher.value.begin()
    }

    /// Lets another call watch. Must be called on the call's loop.
    /// - Parameter position: its offset in each stream; nil: after everything that was written by now.
    /// - Throws: RESOURCE_EXHAUSTED if there are too many watchers, INVALID_ARGUMENT for a position that is past the
    ///   end or within an event.
    func watch(
        _ call: ServerCall, at position: PerStream<UInt64>?, window: UInt64?, isObserver: Bool
    ) throws(RPCError) {
        let result = state.withLock { state -> Result<NIOLoopBound<Watcher>, RPCError> in
            guard state.streams.count < order.maxWatchers else {
                return .failure(
                    RPCError(
                        .resourceExhausted,
                        "\(state.streams.count) watchers are the maximum for an execution; detach one, or raise max_watchers",
                        .clientLimit))
            }
            let written = state.hub.written
            for stream in OutputStream.each {
                guard let offset = position?[stream], offset > written[stream] else { continue }
                return .failure(
                    RPCError(
                        .invalidArgument,
                        "\(stream.positionField) \(offset) is past the end of what was written, \(written[stream])"))
            }
            if let offset = position?.events, offset >= state.hub.heldFrom.events,
                !state.hub.rings.events.hasBoundary(at: offset)
            {
                return .failure(
                    RPCError(.invalidArgument, "events_position \(offset) is not the position of an event"))
            }
            if !isObserver, state.hub.ended == nil { state.stopTimer() }
            return .success(
                add(
                    call, .execute, at: position ?? written, window: window, isObserver: isObserver, announces: true,
                    &state))
        }
        try result.get().value.begin()
    }

    private func add(
        _ call: ServerCall, _ events: WatcherEvents, at position: PerStream<UInt64>, window: UInt64?,
        isObserver: Bool, announces: Bool, _ state: inout State
    ) -> NIOLoopBound<Watcher> {
        let number = state.hub.add(
            at: position, window: window, isObserver: isObserver, announces: announces, largest: events.largestOutput)
        return addStream(call, events, number, &state)
    }

    func addStream(
        _ call: ServerCall, _ events: WatcherEvents, _ number: UInt32, _ state: inout State
    ) -> NIOLoopBound<Watcher> {
        let watcher = NIOLoopBound(
            Watcher(call, events, number: number, of: self), eventLoop: call.connection.eventLoop)
        state.streams[number] = watcher
        return watcher
    }

    /// Takes the next step of a watcher.
    func next(_ number: UInt32) -> OutputHub.Step {
        let (step, credit, isOver) = state.withLock { state in
            let step = state.hub.next(number)
            if case .end = step { state.streams[number] = nil }
            return (step, state.takeCredit(), state.isOver)
        }
        credit?.give()
        if isOver { registry.forget(self) }
        return step
    }

    /// - Returns: false if there never was such a watcher.
    func acknowledge(
        _ number: UInt32, _ offsets: PerStream<UInt64>
    ) throws(OutputHub.OverAcknowledged) -> Bool {
        var result: Result<Bool, OutputHub.OverAcknowledged> = .success(false)
        notify { state in
            do throws(OutputHub.OverAcknowledged) {
                guard let woken = try state.hub.acknowledge(number, offsets) else { return [] }
                result = .success(true)
                return woken
            } catch {
                result = .failure(error)
                return []
            }
        }
        return try result.get()
    }

    /// Removes a watcher. Returns false if it had been removed before.
    /// - Parameter error: the error that ends its call; nil if the call has ended already.
    @discardableResult
    func leave(_ number: UInt32, _ error: RPCError? = nil) -> Bool {
        let (stream, isLeft, isOver, credit) = state.withLock { state in
            let wasGoverned = state.hub.isGoverned
            guard state.hub.remove(number) else {
                return (NIOLoopBound<Watcher>?.none, false, false, Credit?.none)
            }
            let stream = state.streams.removeValue(forKey: number)
            var isLeft = wasGoverned && !state.hub.isGoverned && state.hub.ended == nil
            if isLeft, state.isKept {
                startTimer(&state)
                isLeft = false
            }
            return (stream, isLeft, state.isOver, state.takeCredit())
        }
        credit?.give()
        if isLeft { abandon() }
        if isOver { registry.forget(self) }
        if let error { stream?.onLoop { $0.fail(error) } }
        return stream != nil
    }
}
