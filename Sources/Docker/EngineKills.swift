// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Pool
internal import Synchronization

/// Kills for lack of memory as the engine tells of them: the only word there is of a control group on another machine.
final class EngineKills: Sendable {
    private struct Event: Decodable {
        struct Subject: Decodable { var Attributes: [String: String]? }
        var Actor: Subject?
    }
    private struct Entry {
        weak var count: MemoryKills.Count?
    }
    private struct State {
        var entries: [String: Entry] = [:]
        var listener: Task<Void, Never>?
        var isStopped = false
    }

    private let engine: Engine
    private let labels: [String: String]
    private let state = Mutex(State())

    /// - Parameter labels: of the members that are listened for.
    init(_ engine: Engine, labels: [String: String]) {
        self.engine = engine
        self.labels = labels
    }

    /// Begins to listen, if that was not yet done.
    func start() {
        state.withLock { state in
            guard state.listener == nil, !state.isStopped else { return }
            state.listener = Task { [self] in
                while !Task.isCancelled {
                    // An engine that restarts, or has no such events.
                    _ = try? await listen()
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        }
    }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.listener?.cancel()
        }
    }

    func of(_ member: MemberID) -> MemoryKills {
        let count = MemoryKills.Count()
        state.withLock { state in
            state.entries = state.entries.filter { $0.value.count != nil }
            state.entries[member.description] = Entry(count: count)
        }
        return MemoryKills(told: count)
    }

    private func listen() async throws {
        let filters: [String: [String]] = [
            "type": ["container"], "event": ["oom"], "label": labels.map { "\($0)=\($1)" }.sorted(),
        ]
        let request = HTTPRequest(
            .get, "/events", query: [("filters", String(decoding: try Engine.encode(filters), as: UTF8.self))],
            timeout: .seconds(86_400), maxBodyBytes: 1 << 20)
        try await engine.lines(request) { line in
            let event: Event = try Engine.decode(line)
            guard let member = event.Actor?.Attributes?[DockerRuntime.memberLabel] else { return }
            state.withLock { $0.entries[member]?.count }?.add()
        }
    }
}
