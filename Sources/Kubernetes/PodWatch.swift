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
    private struct State {
        var pods: [String: PodObject] = [:]
        var listeners: [String: [Int: AsyncStream<Sight<PodObject>>.Continuation]] = [:]
        var next = 0
    }

    /// How often who waits for a pod looks by himself.
    private static let interval = Duration.seconds(2)

    private let api: KubernetesAPI
    private let selector: String
    private let logger: Logger
    /// Called with every sight of a pod, and its name.
    private let noticed: @Sendable (Sight<PodObject>, String) -> Void
    private let state = Mutex(State())
    private let task = WatchTask()

    init(
        _ api: KubernetesAPI, selector: String, logger: Logger,
        noticed: @escaping @Sendable (Sight<PodObject>, String) -> Void
    ) {
        self.noticed = noticed
        self.api = api
        self.selector = selector
        self.logger = logger
    }

    func start() {
        task.start { [weak self] in await self?.run() }
    }

    func stop() { task.stop() }

    // MARK: For who waits for a pod

    /// Waits until `found` returns something for what is seen of a pod; nil if it has not within `limit`.
    func wait<Found: Sendable>(
        for name: String, within limit: Duration, _ found: @escaping @Sendable (Sight<PodObject>) -> Found?
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
    func changes(of name: String) -> AsyncStream<Sight<PodObject>> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Sight<PodObject>.self, bufferingPolicy: .bufferingNewest(1))
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

    private func take(_ sight: Sight<PodObject>, of name: String) {
        let listeners = state.withLock { state in
            if case .seen(let pod) = sight { state.pods[name] = pod } else { state.pods[name] = nil }
            return state.listeners[name].map { Array($0.values) } ?? []
        }
        for listener in listeners { listener.yield(sight) }
        noticed(sight, name)
    }

    private func run() async {
        let feed = ObjectFeed<PodObject>(
            api: api, path: api.podsPath, selector: selector, logger: logger,
            known: { [self] in state.withLock { Set($0.pods.keys) } }, take: { [self] in take($0, of: $1) })
        while !Task.isCancelled {
            // A server that may not see its pods can't create any either, so there is somebody who says so.
            do { try await feed.run() } catch { try? await Task.sleep(for: .seconds(5)) }
        }
    }
}
