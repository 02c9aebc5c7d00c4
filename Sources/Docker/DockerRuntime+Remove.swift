// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
package import Pool
internal import Synchronization

extension DockerRuntime {
    /// How long one call tries; the pool calls again if it fails.
    private static let patience = Duration.seconds(30)
    /// How long a container must not exist after a create that ended without the engine's answer.
    private static let doubt = Duration.seconds(3)

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        let deadline = ContinuousClock.now + Self.patience
        do {
            let wasUncertain = try await settleCreate(member, deadline)
            try await removeContainer(member, deadline)
            if wasUncertain {
                try await Task.sleep(for: Self.doubt)
                try await removeContainer(member, ContinuousClock.now + Self.patience)
                creates.withLock { creates in
                    if creates[member]?.isUncertain == true { creates[member] = nil }
                }
            }
            try directories.remove(member)
        } catch {
            throw endpoint.explain(error)
        }
    }

    /// Waits until the engine has answered a create that is in flight.
    /// - Returns: whether there will be no answer, so that the container may still appear.
    private func settleCreate(_ member: MemberID, _ deadline: ContinuousClock.Instant) async throws -> Bool {
        while true {
            guard let pending = creates.withLock({ $0[member] }) else { return false }
            if pending.isUncertain { return true }
            guard ContinuousClock.now < deadline else {
                throw RuntimeError(.runtimeUnreachable, "the engine still works on the create of \(member)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func removeContainer(_ member: MemberID, _ deadline: ContinuousClock.Instant) async throws {
        var pause = Duration.milliseconds(5)
        while true {
            do {
                let request = HTTPRequest(
                    .delete, containerPath(member), query: [("force", "true"), ("v", "true")], timeout: Self.patience)
                try await engine.call(request)
            } catch let refusal as EngineRefusal {
                switch refusal.status {
                case 404: return
                // Somebody else removes it, or the engine itself since it has ended.
                case 409: break
                default: throw refusal
                }
            }
            guard ContinuousClock.now < deadline else {
                throw RuntimeError(.failed, "the engine has not removed \(containerName(member)) in \(Self.patience)")
            }
            // A removal that was answered is often done: the next look says so at once.
            do {
                try await engine.call(HTTPRequest(.get, containerPath(member, "/json")))
            } catch let refusal as EngineRefusal where refusal.status == 404 {
                return
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(250))
        }
    }
}
