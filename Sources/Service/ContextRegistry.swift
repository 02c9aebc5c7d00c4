// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import Pool
internal import BerthSchema
internal import Synchronization

/// The server's side of a context: an interpreter in a lease that runs pieces of code. May be used from any thread.
final class ServedContext: Sendable {
    let id: String
    let lease: LeaseToken
    let language: Language
    let link: AgentConnection
    let opened: MonotonicInstant

    private struct State {
        var execution: AgentExecution?
        var pieces: UInt64 = 0
        /// The execution that it runs, empty if it examines code; nil if it runs nothing.
        var running: String?
        /// Number of copies that are being made.
        var copies = 0
        var isOpen = false
        var work: TenantWork
        /// Whether `work` counts.
        var isCounted = true
        /// CPU time that the ends of its pieces had, in microseconds.
        var counted: UInt64 = 0
    }
    private let state: Mutex<State>

    init(
        id: String, lease: LeaseToken, language: Language, link: AgentConnection, opened: MonotonicInstant,
        work: TenantWork
    ) {
        self.id = id
        self.lease = lease
        self.language = language
        self.link = link
        self.opened = opened
        state = Mutex(State(work: work))
    }

    func begin(_ execution: AgentExecution) { state.withLock { $0.execution = execution } }
    /// Marks it as ready. Returns false if it was ready before.
    func open() -> Bool {
        state.withLock { state in
            defer { state.isOpen = true }
            return !state.isOpen
        }
    }
    var isOpen: Bool { state.withLock { $0.isOpen } }
    /// The interpreter, after it was requested.
    var execution: AgentExecution? { state.withLock { $0.execution } }

    /// It counts no more in its tenant's limits. The interpreter may go on for the moment that it is given to end.
    func uncount() {
        let work = state.withLock { state -> TenantWork? in
            defer { state.isCounted = false }
            return state.isCounted ? state.work : nil
        }
        work?.end()
    }

    /// The interpreter has ended. What it did beside its pieces is counted now, if nothing else counts it.
    func ended(_ ended: Agent.Ended) {
        let (work, counted) = state.withLock { ($0.work, $0.counted) }
        work.charge(rest: ended.cpuMicroseconds - min(ended.cpuMicroseconds, counted))
        uncount()
    }

    /// - Returns: false if it runs something.
    func take(_ execution: String, isPiece: Bool) -> Bool {
        state.withLock { state in
            guard state.running == nil, state.copies == 0 else { return false }
            state.running = execution
            if isPiece { state.pieces += 1 }
            return true
        }
    }

    /// Begins a copy. There may be several at a time.
    /// - Returns: false if it runs something.
    func beginCopy() -> Bool {
        state.withLock { state in
            guard state.running == nil else { return false }
            state.copies += 1
            return true
        }
    }

    func endCopy() { state.withLock { $0.copies -= 1 } }

    /// - Parameter ended: the end of what it ran; nil if that did not begin.
    func leave(_ ended: Agent.Ended? = nil) {
        state.withLock { state in
            state.running = nil
            state.counted += ended?.cpuMicroseconds ?? 0
        }
    }

    func info(now: MonotonicInstant) -> ContextInfo {
        state.withLock { state in
            ContextInfo(
                context: id, language: language.rawValue, version: state.execution?.interpreter ?? "",
                ageMilliseconds: (now - opened).wholeMilliseconds, pieces: state.pieces, execution: state.running ?? "")
        }
    }
}

/// The contexts by lease, and how former ones ended.
final class ContextRegistry: Sendable {
    /// Maximum number of ends that are remembered.
    private static let remembered = 256

    private struct State {
        var ofLease: [LeaseToken: [ServedContext]] = [:]
        var ends: [String: String] = [:]
        var order: [String] = []
    }
    private let state = Mutex(State())

    /// Number of contexts.
    var count: Int { state.withLock { $0.ofLease.values.reduce(0) { $0 + $1.count } } }

    /// - Returns: false if its lease has the maximum number.
    func insert(_ context: ServedContext, most: Int) -> Bool {
        state.withLock { state in
            guard state.ofLease[context.lease, default: []].count < most else { return false }
            state.ofLease[context.lease, default: []].append(context)
            return true
        }
    }

    func remove(_ context: ServedContext, because words: String) {
        state.withLock { state in
            state.ofLease[context.lease]?.removeAll { $0 === context }
            if state.ofLease[context.lease]?.isEmpty == true { state.ofLease[context.lease] = nil }
            // For a closed context, the end of the interpreter comes later: the first end counts.
            guard state.ends[context.id] == nil else { return }
            state.ends[context.id] = words
            state.order.append(context.id)
            if state.order.count > ContextRegistry.remembered { state.ends[state.order.removeFirst()] = nil }
        }
    }

    /// Oldest first.
    func list(_ lease: LeaseToken) -> [ServedContext] { state.withLock { $0.ofLease[lease] ?? [] } }

    /// The context with this id, or how it ended, if that is known.
    func find(_ id: String, lease: LeaseToken) -> (ServedContext?, end: String?) {
        state.withLock { state in
            if let context = state.ofLease[lease]?.first(where: { $0.id == id }) { return (context, nil) }
            return (nil, state.ends[id])
        }
    }
}
