// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Digest
internal import Hardening
package import Pool
internal import Synchronization

extension KubernetesRuntime {
    /// How often a create is sent again that nobody has answered.
    private static let maxTries = 4

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        do {
            let secret = (0..<32).map { _ in UInt8.random(in: 0 ... .max) }
            let order = try order(member, template, proof: SHA256.hex(secret))
            watch.start()
            evictions.start()
            let pod = try await post(order)
            let socket = try await dial(order.name, uid: pod.uid, secret)
            _ = memory.withLock { $0.undialled.remove(member) }
            return MemberStream(socket: socket, user: MemberUser(uid: order.uid, names: order.accounts.names))
        } catch {
            throw api.access.explain(error)
        }
    }

    private func order(
        _ member: MemberID, _ template: MemberTemplate, proof: String
    ) throws(RuntimeError) -> PodOrder {
        guard template.image != "host", !template.image.hasPrefix("/") else {
            throw RuntimeError(
                .invalidConfiguration, "the image \(template.image) means the host's own files, which pods can't use")
        }
        guard ["none", "cluster"].contains(template.network) else {
            throw RuntimeError(
                .invalidConfiguration, "the network \(template.network) is not none or cluster, which pods can have")
        }
        let uid = template.uid ?? MemberTemplate.standardUID
        var accounts = Accounts.standard
        accounts.add(uid, template.allowedUIDs, home: template.home)
        return PodOrder(
            name: podName(member), member: member, template: template, settings: settings,
            labels: [
                "app.kubernetes.io/managed-by": "berth", Self.instanceLabel: instance, Self.hostLabel: host,
                Self.memberLabel: member.description, Self.networkLabel: template.network,
            ], owner: owner, uid: uid, accounts: accounts, proof: proof, filter: Self.filter)
    }

    private static let filter: (program: String, architecture: String)? = {
        guard let architecture = SeccompArchitecture.native else { return nil }
        let program = SeccompProgram(SeccompProfile(), for: architecture)
        return (SHA256.hex(digits: program.bytes), architecture == .x86_64 ? "amd64" : "arm64")
    }()

    /// Creates the pod, once: its name is the member's, so the API refuses a second one. If an answer is lost, the pod is
    /// looked for before it is asked for again.
    private func post(_ order: PodOrder) async throws -> PodObject {
        memory.withLock { memory in
            memory.doubtful.insert(order.member)
            memory.undialled.insert(order.member)
        }
        var failure: (any Error)?
        for attempt in 0..<Self.maxTries {
            if attempt > 0 {
                try await Task.sleep(for: .milliseconds(100) * (1 << attempt))
                if let pod = try? await api.podIfAny(order.name) { return try decided(order, pod) }
                try Task.checkCancellation()
            }
            do {
                return try decided(order, try await api.create(order.specification))
            } catch let refusal as APIRefusal where refusal.reason == "AlreadyExists" {
                guard let pod = try await api.podIfAny(order.name) else { continue }
                return try decided(order, pod)
            } catch let refusal as APIRefusal where !refusal.isDoubtful {
                // After a lost answer the earlier one may still be carried out.
                if attempt == 0 { _ = memory.withLock { $0.doubtful.remove(order.member) } }
                throw refusal
            } catch let error as HTTPError where [.cancelled, .invalidRequest].contains(error.kind) {
                throw error
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                failure = error
            }
        }
        throw failure ?? RuntimeError(.failed, "the pod \(order.name) comes and goes")
    }

    /// The answer is known: this is the pod.
    private func decided(_ order: PodOrder, _ pod: PodObject) throws -> PodObject {
        let proof = pod.metadata.annotations?[PodSpecification.proofAnnotation]
        guard isOurs(pod, order.member), proof == order.proof else {
            throw RuntimeError(.failed, "there is another pod \(order.name) already")
        }
        _ = memory.withLock { $0.doubtful.remove(order.member) }
        return pod
    }

    /// Waits for the pod's address, and connects to its agent. Ends at once when the pod can't become ready any more.
    private func dial(_ name: String, uid: String, _ secret: [UInt8]) async throws -> Int32 {
        let (addresses, found) = AsyncStream.makeStream(of: String.self)
        let watch = watch
        return try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                let failure: RuntimeError? = try await watch.wait(for: name, within: .seconds(86_400)) { sight in
                    guard case .seen(let pod) = sight else {
                        return RuntimeError(.failed, "somebody has deleted the pod")
                    }
                    guard pod.uid == uid else { return RuntimeError(.failed, "the pod was exchanged for another one") }
                    switch PodProgress(pod) {
                    case .waiting: return nil
                    case .reachable(let address):
                        found.yield(address)
                        return nil
                    case .failed(let failure): return failure
                    }
                }
                if let failure { throw failure }
                return nil
            }
            group.addTask {
                for await address in addresses {
                    return try await AgentDial(address: address, port: PodSpecification.port, secret: secret).connect()
                }
                return nil
            }
            defer {
                found.finish()
                group.cancelAll()
            }
            while let socket = try await group.next() {
                if let socket { return socket }
            }
            throw CancellationError()
        }
    }
}
