// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Logging
package import Pool
internal import Synchronization

extension KubernetesRuntime {
    /// How long one call tries; the pool calls again if it fails.
    private static let patience = Duration.seconds(25)
    /// How long an agent whose stream has ended may take to end, before the kubelet is asked to end it.
    private static let endPatience = Duration.seconds(5)
    /// How long a pod must not exist after a create that nobody has answered.
    private static let doubt = Duration.seconds(3)

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        do {
            try await removePod(member)
            if memory.withLock({ $0.doubtful.contains(member) }) {
                try await Task.sleep(for: Self.doubt)
                try await removePod(member)
            }
            memory.withLock { memory in
                memory.doubtful.remove(member)
                memory.undialled.remove(member)
            }
        } catch {
            throw api.access.explain(error)
        }
    }

    /// A pod that has ended is gone as soon as it is deleted. One that runs takes the kubelet ten times as long to end. So
    /// this waits for the agent, which ends with its stream, and deletes then; never is a pod deleted without a grace, since
    /// its containers might go on where nobody sees them.
    private func removePod(_ member: MemberID) async throws {
        let name = podName(member)
        watch.start()
        guard let pod = try await watch.look(at: name) else { return }
        guard isOurs(pod, member) else {
            throw RuntimeError(.failed, "the pod \(name) has other labels than this server gave it")
        }
        if !pod.hasEnded, !pod.isBeingDeleted, pod.isRunning, !memory.withLock({ $0.undialled.contains(member) }) {
            _ = try await watch.wait(for: name, within: Self.endPatience) { sight in
                if case .seen(let pod) = sight { pod.hasEnded || pod.isBeingDeleted ? true : nil } else { true }
            }
        }
        do {
            try await api.delete(name, uid: pod.uid)
        } catch let refusal as APIRefusal where refusal.status == 404 {
            return
        } catch let refusal as APIRefusal where refusal.status == 409 {
            throw RuntimeError(.failed, "the pod \(name) was exchanged for another one: \(refusal.message)")
        }
        if try await watch.look(at: name) == nil { return }
        let isGone = try await watch.wait(for: name, within: Self.patience) { sight in
            if case .gone = sight { true } else { nil }
        }
        guard isGone == true else {
            throw RuntimeError(
                .failed, "the node has not confirmed the end of the pod \(name) in \(Self.patience); is it reachable?")
        }
    }
}
