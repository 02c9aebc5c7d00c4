// SPDX-License-Identifier: Apache-2.0

internal import Pool

/// How far a new pod is.
enum PodProgress: Equatable {
    case waiting
    /// It has an address. Its agent may not listen yet.
    case reachable(String)
    /// It will not become ready. Kubernetes itself goes on trying for ever in some of these states, and calls none of them a
    /// failure: an image that can't be pulled, no node with room.
    case failed(RuntimeError)

    init(_ pod: PodObject) {
        if let failure = Self.failure(pod) {
            self = .failed(failure)
        } else if let address = pod.status?.podIP, !address.isEmpty {
            self = .reachable(address)
        } else {
            self = .waiting
        }
    }

    private static func failure(_ pod: PodObject) -> RuntimeError? {
        guard let status = pod.status else { return nil }
        for container in status.initContainerStatuses ?? [] {
            if let end = container.state?.terminated, end.exitCode != 0 {
                return ended("the init container \(container.name)", end)
            }
        }
        let containers = (status.initContainerStatuses ?? []) + (status.containerStatuses ?? [])
        for container in containers {
            if let waiting = container.state?.waiting, let failure = stuck(container, waiting) { return failure }
        }
        for container in status.containerStatuses ?? [] {
            if let end = container.state?.terminated { return ended("the pod's container", end) }
        }
        if pod.hasEnded {
            let isMemory = (status.reason ?? "").lowercased().contains("memory")
            return RuntimeError(
                isMemory ? .outOfMemory : .failed,
                "the pod ended before its agent was reached: \(line(status.reason, status.message))")
        }
        if pod.isBeingDeleted { return RuntimeError(.failed, "somebody has deleted the pod") }
        return unscheduled(status)
    }

    private static func ended(_ what: String, _ end: PodObject.Container.Terminated) -> RuntimeError {
        let code = end.exitCode.map { " with code \($0)" } ?? ""
        return RuntimeError(
            end.reason == "OOMKilled" ? .outOfMemory : .failed,
            "\(what) ended\(code) before its agent was reached: \(line(end.reason, end.message))")
    }

    /// Nil while the kubelet is only busy with it.
    private static func stuck(
        _ container: PodObject.Container, _ waiting: PodObject.Container.Waiting
    ) -> RuntimeError? {
        let words = line(waiting.reason, waiting.message)
        switch waiting.reason {
        case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
            return RuntimeError(.imageMissing, "the node does not get the image \(container.image ?? ""): \(words)")
        case "InvalidImageName", "CreateContainerConfigError":
            return RuntimeError(.invalidConfiguration, "the kubelet refuses the pod: \(words)")
        case "CreateContainerError", "RunContainerError", "CrashLoopBackOff", "PostStartHookError":
            return RuntimeError(.failed, "the kubelet can't start the pod: \(words)")
        default: return nil
        }
    }

    private static func unscheduled(_ status: PodObject.Status) -> RuntimeError? {
        guard let condition = status.conditions?.first(where: { $0.type == "PodScheduled" && $0.status == "False" }),
            condition.reason == "Unschedulable" || condition.reason == "SchedulingGated"
        else { return nil }
        let words = line(condition.reason, condition.message)
        return RuntimeError(
            words.contains("Insufficient memory") ? .outOfMemory : .failed, "no node takes the pod: \(words)")
    }

    /// Reason and message on one line.
    private static func line(_ reason: String?, _ message: String?) -> String {
        let message = (message ?? "").split(whereSeparator: \.isNewline).joined(separator: " ")
        let parts = [reason ?? "", message].filter { !$0.isEmpty }
        return parts.isEmpty ? "for no reason that is known" : parts.joined(separator: ": ")
    }
}
