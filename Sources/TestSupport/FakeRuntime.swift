// SPDX-License-Identifier: Apache-2.0

package import Pool
internal import Synchronization

/// A runtime without containers, which does what the test decides, and counts its calls.
package final class FakeRuntime: ContainerRuntime {
    /// What a create does.
    package enum Behaviour: Sendable {
        case succeed
        case fail(RuntimeError)
        /// Fails and leaves a container, as if start had failed after create.
        case failHalfway(RuntimeError)
        /// Waits for cancellation or `unblock`.
        case hang
    }

    package struct State: Sendable {
        package var behaviour: [Behaviour] = []
        /// What creates do after those in `behaviour`.
        package var otherwise = Behaviour.succeed
        package var existing: Set<MemberID> = []
        package var created: [MemberID] = []
        package var removed: [MemberID] = []
        /// Number of creates in flight, and its maximum so far.
        package var underWay = 0
        package var mostUnderWay = 0
        package var mostExisting = 0
        package var removeFailures = 0
        /// How often the members were listed.
        package var lists = 0
    }

    private let state = Mutex(State())
    private let gate = Mutex<[CheckedContinuation<Void, Never>]>([])

    package init(_ otherwise: Behaviour = .succeed) {
        state.withLock { $0.otherwise = otherwise }
    }

    package var kind: String { "fake" }
    package var now: State { state.withLock { $0 } }

    package func set(_ change: @Sendable (inout State) -> Void) {
        state.withLock { change(&$0) }
    }

    /// Lets hanging creates go on.
    package func unblock() {
        let waiting = gate.withLock { gate in
            defer { gate = [] }
            return gate
        }
        for continuation in waiting { continuation.resume() }
    }

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let behaviour = state.withLock { state in
            state.created.append(member)
            state.underWay += 1
            state.mostUnderWay = max(state.mostUnderWay, state.underWay)
            return state.behaviour.isEmpty ? state.otherwise : state.behaviour.removeFirst()
        }
        defer { state.withLock { $0.underWay -= 1 } }
        switch behaviour {
        case .succeed: break
        case .fail(let error): throw error
        case .failHalfway(let error):
            exists(member)
            throw error
        case .hang:
            exists(member)
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    gate.withLock { $0.append(continuation) }
                    if Task.isCancelled { unblock() }
                }
            } onCancel: {
                unblock()
            }
            if Task.isCancelled { throw RuntimeError(.notReadyInTime, "cancelled") }
        }
        exists(member)
        // There is no stream: the fake connector does not use it.
        return MemberStream(input: -1, output: -1)
    }

    private func exists(_ member: MemberID) {
        state.withLock { state in
            state.existing.insert(member)
            state.mostExisting = max(state.mostExisting, state.existing.count)
        }
    }

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        let fails = state.withLock { state in
            guard state.removeFailures == 0 else {
                state.removeFailures -= 1
                return true
            }
            state.removed.append(member)
            state.existing.remove(member)
            return false
        }
        if fails { throw RuntimeError(.failed, "remove failed, as told") }
    }

    package func members() async throws(RuntimeError) -> [MemberID] {
        state.withLock { state in
            state.lists += 1
            return Array(state.existing)
        }
    }
    package func shutdown() async {}
}

/// The server's end of a fake member.
package final class FakeLink: MemberLink {
    package let member: MemberID
    private let reason = Mutex<LinkCloseReason?>(nil)
    private let answer: @Sendable () -> MemberLinkError?

    /// - Parameter answer: the error of pings and resets; nil: they succeed.
    package init(
        _ member: MemberID = MemberID("fake"), answer: @escaping @Sendable () -> MemberLinkError? = { .unsupported }
    ) {
        self.member = member
        self.answer = answer
    }

    package func ping() async throws(MemberLinkError) {
        if let error = answer() { throw error }
    }

    package func reset() async throws(MemberLinkError) {
        if let error = answer() { throw error }
    }

    package var closed: LinkCloseReason? { reason.withLock { $0 } }
    package func close(_ reason: LinkCloseReason) { self.reason.withLock { $0 = $0 ?? reason } }
}

/// Connects to fake members. Tests can make each of them die, or not answer.
package final class FakeConnector: MemberConnector {
    private struct State {
        var closers: [MemberID: @Sendable () -> Void] = [:]
        var failure: RuntimeError?
        var answer: MemberLinkError? = .unsupported
    }
    private let state = Mutex(State())

    package init() {}

    /// From now on, pings and resets of all members end with this; nil: they succeed.
    package func answer(_ error: MemberLinkError?) { state.withLock { $0.answer = error } }

    /// From now on, no agent answers its first ping.
    package func fail(_ error: RuntimeError?) { state.withLock { $0.failure = error } }

    /// The member's stream ends.
    package func kill(_ member: MemberID) { state.withLock { $0.closers[member] }?() }

    package func connect(
        _ member: MemberID, _ stream: consuming MemberStream, onClose: @escaping @Sendable () -> Void
    ) async throws(RuntimeError) -> any MemberLink {
        _ = stream.take()
        let failure = state.withLock { state in
            state.closers[member] = onClose
            return state.failure
        }
        if let failure { throw failure }
        return FakeLink(member) { self.state.withLock { $0.answer } }
    }
}

/// Records all events.
package final class RecordingObserver: PoolObserver {
    private let events = Mutex<[PoolEvent]>([])

    package init() {}

    package var all: [PoolEvent] { events.withLock { $0 } }
    package func record(_ event: PoolEvent) { events.withLock { $0.append(event) } }
}
