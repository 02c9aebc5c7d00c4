// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Pool
internal import Synchronization

/// Which members the cluster takes back, and why: somebody has deleted the pod, or its node is cordoned or not ready.
///
/// The nodes themselves can be seen with rights for the whole cluster only. Without them, a node that is not ready shows in
/// its pods, and one that is drained when its pods are deleted.
final class EvictionWatch: Sendable {
    private struct State {
        var told: (@Sendable (MemberID, Eviction) -> Void)?
        /// The node of every pod with a member, by the pod's name.
        var places: [String: (member: MemberID, node: String)] = [:]
        /// All nodes that are known, and why nothing new should begin on one; nil if it may.
        var nodes: [String: String?] = [:]
    }

    private let api: KubernetesAPI
    private let logger: Logger
    private let state = Mutex(State())
    private let task = WatchTask()

    init(_ api: KubernetesAPI, logger: Logger) {
        self.api = api
        self.logger = logger
    }

    func tell(_ told: @escaping @Sendable (MemberID, Eviction) -> Void) { state.withLock { $0.told = told } }

    /// Begins to watch the nodes.
    func start() {
        task.start { [weak self] in await self?.run() }
    }

    func stop() { task.stop() }

    private func run() async {
        let feed = ObjectFeed<NodeObject>(
            api: api, path: api.nodesPath, logger: logger, known: { [self] in state.withLock { Set($0.nodes.keys) } },
            take: { [self] in take($0, of: $1) })
        do {
            try await feed.run()
        } catch {
            logger.notice(
                "a cordoned node shows when its pods are deleted: this server may not look at nodes",
                metadata: ["runtime.reason": "\(error.message)"])
        }
    }

    // MARK: What is seen

    func take(_ sight: Sight<PodObject>, _ name: String) {
        guard case .seen(let pod) = sight, let label = pod.metadata.labels?[KubernetesRuntime.memberLabel] else {
            return state.withLock { _ = $0.places.removeValue(forKey: name) }
        }
        let member = MemberID(label)
        let node = pod.spec?.nodeName
        let (told, trouble) = state.withLock { state in
            if let node { state.places[name] = (member, node) }
            return (state.told, node.flatMap { state.nodes[$0] ?? nil })
        }
        guard let told else { return }
        // The pool knows which members it has given up itself.
        if let eviction = pod.eviction {
            told(member, eviction)
        } else if let trouble {
            told(member, Eviction(trouble))
        }
    }

    private func take(_ sight: Sight<NodeObject>, of name: String) {
        let trouble: String? = if case .seen(let node) = sight { node.trouble } else { "the node \(name) is gone" }
        let (told, members) = state.withLock { state in
            if case .seen = sight { state.nodes[name] = .some(trouble) } else { state.nodes[name] = nil }
            guard trouble != nil else { return (state.told, [MemberID]()) }
            return (state.told, state.places.values.filter { $0.node == name }.map(\.member))
        }
        guard let told, let trouble else { return }
        for member in members { told(member, Eviction(trouble)) }
    }
}

extension PodObject {
    /// Nil if it stays.
    fileprivate var eviction: Eviction? {
        if isBeingDeleted {
            let seconds = metadata.deletionGracePeriodSeconds ?? 0
            // What runs is ended by the server, which knows its output, before the kubelet kills it.
            let grace = Duration.milliseconds(max(seconds * 1000 - 1000, seconds * 500))
            return Eviction("the pod \(name) is being deleted", grace: grace)
        }
        let ready = status?.conditions?.first { $0.type == "Ready" }
        let runs = status?.containerStatuses?.allSatisfy { $0.state?.terminated == nil && $0.state?.waiting == nil }
        // A pod of ours has no probe, so a running one is ready unless its node is not.
        if isRunning, runs == true, ready?.status == "False", ready?.reason != "ContainersNotReady" {
            return Eviction("the node \(spec?.nodeName ?? "") is not ready")
        }
        return nil
    }
}
