internal import AgentLink
internal import Pool
internal import Synchronization

/// The running executions by their ids, for calls that come beside their streams.
final class ExecutionRegistry: Sendable {
    private struct Entry {
        var execution: Execution
        /// The lease it runs in; nil for one in a member of its own, for which its unguessable id is the key.
        var lease: LeaseToken?
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Ended before they were inserted: a start can fail as fast as that.
        var early: Set<String> = []
    }

    private let state = Mutex(State())

    func insert(_ execution: Execution, id: String, lease: LeaseToken?) {
        state.withLock { state in
            if state.early.remove(id) == nil { state.entries[id] = Entry(execution: execution, lease: lease) }
        }
    }

    func remove(_ id: String) {
        state.withLock { state in
            if state.entries.removeValue(forKey: id) == nil { state.early.insert(id) }
        }
    }

    func find(_ id: String, lease: LeaseToken?) -> Execution? {
        state.withLock { state in
            guard let entry = state.entries[id], entry.lease == lease else { return nil }
            return entry.execution
        }
    }

    var count: Int { state.withLock { $0.entries.count } }
}
