// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Logging
internal import Pool
internal import Synchronization

/// What is known of this server's pods: by one list and one watch, which begin with the first create.
///
/// It says why a pod does not start, and when one is gone. Whether a member lives, its stream says: sooner, and surely. So
/// nothing depends on a watch that works: who waits for a pod also looks at it by itself, now and then.
final class PodWatch: Sendable {
    enum Sight: Sendable {
        case seen(PodObject)
        case gone
    }

    private struct State {
        var pods: [String: PodObject] = [:]
        var listeners: [String: [Int: AsyncStream<Sight>.Continuation]] = [:]
        var next = 0
        var task: Task<Void, Never>?
        var isStopped = false
    }

    /// The API ends a watch after this time, and it begins anew.
    private static let length = 240
    /// How often who waits for a pod looks by himself.
    private static let interval = Duration.seconds(2)

    private let api: KubernetesAPI
    private let selector: String
    private let logger: Logger
    private let state = Mutex(State())

    init(_ api: KubernetesAPI, selector: String, logger: Logger) {
        self.api = api
        self.selector = selector
        self.logger = logger
    }

    func start() {
        state.withLock { state in
            guard state.task == nil, !state.isStopped else { return }
            state.task = Task { [weak self] in await self?.run() }
        }
    }

    func stop() {
        let task = state.withLock { state in
            state.isStopped = true
            return state.task.take()
        }
        task?.cancel()
    }

    // MARK: For who waits for a pod

    /// Waits until `found` returns something for what is seen of a pod; nil if it has not within `limit`.
    func wait<Found: Sendable>(
        for name: String, within limit: Duration, _ found: @escaping @Sendable (Sight) -> Found?
    ) async throws -> Found? {
        let sights = changes(of: name)
        return try await withThrowingTaskGroup(of: Found?.self) { group in
            group.addTask {
                for await sight in sights {
                    if let found = found(sight) { return found }
                }
                return nil
            }
            group.addTask { [self] in
                let end = ContinuousClock.now + limit
                while ContinuousClock.now < end {
                    try await Task.sleep(until: min(end, .now + Self.interval))
                    do { try await look(at: name) } catch { try Task.checkCancellation() }
                }
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    /// Looks at a pod now. Who waits for it hears of it.
    @discardableResult
    func look(at name: String) async throws -> PodObject? {
        let pod = try await api.podIfAny(name)
        take(pod.map { .seen($0) } ?? .gone, of: name)
        return pod
    }

    /// The changes of a pod, and how it is now if it is known. Only the newest is kept for who is slow.
    func changes(of name: String) -> AsyncStream<Sight> {
        let (stream, continuation) = AsyncStream.makeStream(of: Sight.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.next += 1
            state.listeners[name, default: [:]][state.next] = continuation
            if let pod = state.pods[name] { continuation.yield(.seen(pod)) }
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in
                state.listeners[name]?[number] = nil
                if state.listeners[name]?.isEmpty == true { state.listeners[name] = nil }
            }
        }
        return stream
    }

    // MARK: The watch

    private func take(_ sight: Sight, of name: String) {
        let listeners = state.withLock { state in
            if case .seen(let pod) = sight { state.pods[name] = pod } else { state.pods[name] = nil }
            return state.listeners[name].map { Array($0.values) } ?? []
        }
        for listener in listeners { listener.yield(sight) }
    }

    private func run() async {
        var failures = 0
        var version: String?
        while !Task.isCancelled {
            do {
                var from: String
                if let version { from = version } else { from = try await list() }
                defer { version = from }
                try await watch(&from)
                failures = 0
            } catch let refusal as APIRefusal where refusal.status == 410 {
                // What has changed since then is forgotten: everything is looked at anew.
                version = nil
                failures += 1
            } catch {
                guard !Task.isCancelled else { return }
                failures += 1
                // After that, a list says more than a watch that fails again and again.
                if failures > 3 { version = nil }
                logger.debug(
                    "the watch of the pods broke", metadata: ["runtime.reason": "\(api.access.explain(error).message)"])
            }
            let pause = min(Duration.milliseconds(100) * (1 << min(failures, 6)), .seconds(5))
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
        }
    }

    /// Takes a list of all pods. Those that are not in it are gone.
    private func list() async throws -> String {
        // A pod that is seen meanwhile may be younger than the list.
        let known = state.withLock { Set($0.pods.keys) }
        let list = try await api.pods(selector: selector)
        for name in known.subtracting(list.items.map(\.name)) { take(.gone, of: name) }
        for pod in list.items { take(.seen(pod), of: pod.name) }
        return list.metadata?.resourceVersion ?? "0"
    }

    private func watch(_ version: inout String) async throws {
        let request = HTTPRequest(
            .get, api.podsPath,
            query: [
                ("labelSelector", selector), ("watch", "true"), ("allowWatchBookmarks", "true"),
                ("resourceVersion", version), ("timeoutSeconds", "\(Self.length)"),
            ], timeout: .seconds(Self.length + 30))
        var last = version
        defer { version = last }
        try await api.lines(request) { line in
            let event: WatchEvent = try KubernetesAPI.decode(line)
            switch event.content {
            case .changed(let pod):
                last = pod.metadata.resourceVersion ?? last
                take(.seen(pod), of: pod.name)
            case .deleted(let pod):
                last = pod.metadata.resourceVersion ?? last
                take(.gone, of: pod.name)
            case .bookmark(let version): last = version ?? last
            case .refused(let status):
                throw APIRefusal(
                    status: status.code ?? 500, reason: status.reason ?? "",
                    message: status.message ?? "the watch failed")
            case .unknown: break
            }
        }
    }
}
