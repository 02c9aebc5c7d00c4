// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Hardening
package import Logging
package import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Members as pods of one namespace of a cluster.
///
/// The API creates and deletes them, and says why one does not start. Everything else goes over a member's stream: a TCP
/// connection that the server makes to the agent in the pod once, while the member is warmed.
package final class KubernetesRuntime: ContainerRuntime {
    /// Labels of every pod: the instance, the machine of its server, and the member.
    package static let instanceLabel = "dev.berth.instance"
    package static let hostLabel = "dev.berth.host"
    package static let memberLabel = "dev.berth.member"
    /// Network policies select by it: "none" or "cluster".
    package static let networkLabel = "dev.berth.network"

    /// What is remembered of members, so that a removal knows how to go about it. The pool counts them.
    struct Memory {
        /// Whose create has been answered by nobody: the pod may still appear.
        var doubtful: Set<MemberID> = []
        /// Created here, and without a stream: their agents wait for one. All others have ended, or do so with their stream, as
        /// do those of an earlier server.
        var undialled: Set<MemberID> = []
    }

    let api: KubernetesAPI
    let watch: PodWatch
    let evictions: EvictionWatch
    let settings: KubernetesSettings
    let instance: String
    let host: String
    let owner: PodSpecification.Owner?
    let logger: Logger
    let memory = Mutex(Memory())

    package var kind: String { "kubernetes" }
    package var namespace: String { api.namespace }

    /// Does not call the API yet: see `check`.
    /// - Parameters:
    ///   - instance: part of the names and labels of this server's pods: letters, digits and `-`.
    ///   - environment: a variable's value. BERTH_POD_NAME and BERTH_POD_UID are those of the pod in which this server runs.
    package init(
        _ access: ClusterAccess, _ settings: KubernetesSettings, instance: String, host: String = MachineIdentity.text,
        environment: (String) -> String? = ClusterAccess.variable, logger: Logger
    ) throws(RuntimeError) {
        let isName = instance.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
        guard isName, !instance.isEmpty, instance.utf8.count <= 32, instance.first != "-", instance.last != "-" else {
            throw RuntimeError(
                .invalidConfiguration, "\"\(instance)\" can't name an instance: at most 32 of a-z, 0-9 and - within")
        }
        self.settings = settings
        self.instance = instance
        self.host = host
        self.logger = logger
        if let name = environment("BERTH_POD_NAME"), let uid = environment("BERTH_POD_UID"), !name.isEmpty, !uid.isEmpty
        {
            owner = PodSpecification.Owner(name: name, uid: uid)
        } else {
            owner = nil
        }
        let api = try KubernetesAPI(
            access, namespace: settings.namespace ?? access.namespace ?? "default",
            requestsPerSecond: settings.requestsPerSecond)
        self.api = api
        let evictions = EvictionWatch(api, logger: logger)
        self.evictions = evictions
        watch = PodWatch(
            api, selector: "\(Self.instanceLabel)=\(instance),\(Self.hostLabel)=\(host)", logger: logger
        ) { evictions.take($0, $1) }
    }

    package func watchEvictions(_ told: @escaping @Sendable (MemberID, Eviction) -> Void) {
        evictions.tell(told)
    }

    /// Whether the cluster answers, and lets this server see its pods.
    package func check() async throws(RuntimeError) {
        do {
            _ = try await api.pods(selector: selector)
        } catch {
            throw api.access.explain(error)
        }
    }

    /// Checks that members of a template can be created, before the first create.
    /// - Throws: `invalidConfiguration` if the cluster lacks the RuntimeClass.
    package func prepare(_ template: MemberTemplate) async throws(RuntimeError) -> MemberTemplate {
        guard let name = template.runtimeName else { return template }
        do {
            try await api.checkRuntimeClass(name)
        } catch let refusal as APIRefusal where refusal.status == 404 {
            throw RuntimeError(
                .invalidConfiguration,
                "runtime_name \(name): the cluster has no RuntimeClass of that name; kubectl get runtimeclasses lists those it has"
            )
        } catch let refusal as APIRefusal where refusal.status == 403 {
            // RuntimeClasses belong to the whole cluster, so a server with rights in one namespace may not see them.
            logger.notice(
                "whether the cluster has the RuntimeClass shows with the first pod: this server may not look",
                metadata: ["pool.runtime_name": "\(name)", "runtime.reason": "\(refusal.message)"])
        } catch {
            throw api.access.explain(error)
        }
        return template
    }

    package func members() async throws(RuntimeError) -> [MemberID] {
        do {
            return try await api.pods(selector: selector).items.compactMap { pod in
                pod.metadata.labels?[Self.memberLabel].map { MemberID($0) }
            }
        } catch {
            throw api.access.explain(error)
        }
    }

    package func shutdown() async {
        watch.stop()
        evictions.stop()
        api.shutdown()
    }

    var selector: String { "\(Self.instanceLabel)=\(instance),\(Self.hostLabel)=\(host)" }

    /// Unique in the namespace: servers on several machines may have the same instance.
    func podName(_ member: MemberID) -> String { "berth-\(instance)-\(host)-\(member)" }

    func isOurs(_ pod: PodObject, _ member: MemberID) -> Bool {
        let labels = pod.metadata.labels ?? [:]
        return labels[Self.instanceLabel] == instance && labels[Self.hostLabel] == host
            && labels[Self.memberLabel] == member.description
    }
}
