// SPDX-License-Identifier: Apache-2.0

internal import Hardening
internal import Pool

/// A pod as it is created: the template of its member, and the hardening that is the same on every runtime, as the API has
/// them.
struct PodSpecification: Encodable {
    struct Metadata: Encodable {
        var name: String
        var labels: [String: String]
        var annotations: [String: String]
        var ownerReferences: [Owner]?
    }

    /// The server's own pod: Kubernetes deletes its members when it is gone.
    struct Owner: Encodable, Equatable {
        var apiVersion = "v1"
        var kind = "Pod"
        var name: String
        var uid: String
    }

    struct Spec: Encodable {
        var hostname: String
        var restartPolicy = "Never"
        var automountServiceAccountToken = false
        var enableServiceLinks = false
        var terminationGracePeriodSeconds: Int64
        /// A week: the last backstop, when neither the stream's end nor a sweep has ended the pod.
        var activeDeadlineSeconds = 7 * 86_400
        var runtimeClassName: String?
        var nodeSelector: [String: String]?
        var imagePullSecrets: [Name]
        var securityContext = PodSecurity()
        var initContainers: [Container]?
        var containers: [Container]
        var volumes: [Volume]
    }

    struct Name: Encodable { var name: String }

    struct Profile: Encodable { var type = "RuntimeDefault" }

    struct PodSecurity: Encodable { var seccompProfile = Profile() }

    struct Security: Encodable {
        struct Capabilities: Encodable {
            var drop = ["ALL"]
            var add = HardeningProfile.capabilities
        }
        var runAsUser = 0
        var runAsGroup = 0
        var privileged = false
        var allowPrivilegeEscalation = false
        var readOnlyRootFilesystem = true
        var capabilities = Capabilities()
    }

    struct Resources: Encodable {
        var requests: [String: String]
        var limits: [String: String]
    }

    struct Mount: Encodable, Equatable {
        var name: String
        var mountPath: String
        var subPath: String?
        var readOnly: Bool?
    }

    struct Container: Encodable {
        var name: String
        var image: String
        var imagePullPolicy: String
        var command: [String]
        var resources: Resources
        var securityContext = Security()
        /// Where the kubelet mounts a file of the node's disk: where no program can reach it.
        var terminationMessagePath = PodSpecification.terminationLog
        var volumeMounts: [Mount]
    }

    struct Volume: Encodable {
        struct Memory: Encodable {
            var medium = "Memory"
            var sizeLimit: String
        }
        struct Host: Encodable {
            var path: String
            var type = "File"
        }
        struct Information: Encodable {
            struct Field: Encodable { var fieldPath: String }
            struct Item: Encodable {
                var path: String
                var fieldRef: Field
            }
            var items: [Item]
            var defaultMode = 0o444
        }
        var name: String
        var emptyDir: Memory?
        var hostPath: Host?
        var downwardAPI: Information?
    }

    var apiVersion = "v1"
    var kind = "Pod"
    var metadata: Metadata
    var spec: Spec

    static let port: UInt16 = 7412
    static let agentPath = "/.berth/agent"
    static let terminationLog = "/.berth/termination-log"
    static let filterPath = "/.berth/filter"
    static let proofAnnotation = "dev.berth/proof"
}

/// What a pod is made from.
struct PodOrder {
    var name: String
    var member: MemberID
    var template: MemberTemplate
    var settings: KubernetesSettings
    var labels: [String: String]
    var owner: PodSpecification.Owner?
    var uid: UInt32
    var accounts: Accounts
    /// SHA-256 of the secret that the server will send.
    var proof: String
    /// Berth's own filter of system calls, in hexadecimal, beside the container runtime's, which is not the same everywhere;
    /// and the architecture that it is for. Nil on machines for which there is none.
    var filter: (program: String, architecture: String)?

    var specification: PodSpecification {
        let resources = [
            "cpu": "\(template.milliCPUs)m", "memory": "\(template.memoryBytes)",
        ]
        let both = PodSpecification.Resources(requests: resources, limits: resources)
        let profile = HardeningProfile(template, user: uid)
        var (volumes, mounts) = places(profile)
        var command = PodSpecification.agentPath
        var initContainers: [PodSpecification.Container]?
        switch settings.agent {
        case .image(let path): command = path
        case .host(let path):
            volumes.append(.init(name: "agent", hostPath: .init(path: path)))
            mounts.append(.init(name: "agent", mountPath: PodSpecification.agentPath, readOnly: true))
        case .initContainer(let image):
            // 64 MiB are enough for it, and counted where memory is.
            volumes.append(.init(name: "agent", emptyDir: .init(sizeLimit: "\(64 << 20)")))
            mounts.append(
                .init(name: "agent", mountPath: PodSpecification.agentPath, subPath: "agent", readOnly: true))
            var brings = PodSpecification.Container(
                name: "agent", image: image, imagePullPolicy: policy,
                command: ["/berth-agent", "--install", "/.agent/agent"], resources: both,
                volumeMounts: [.init(name: "agent", mountPath: "/.agent")])
            brings.terminationMessagePath = "/dev/termination-log"
            initContainers = [brings]
        }
        let container = PodSpecification.Container(
            name: "member", image: template.image, imagePullPolicy: policy, command: [command] + arguments(profile),
            resources: both, volumeMounts: mounts)
        var nodes = settings.nodeSelector
        if let filter, nodes["kubernetes.io/arch"] == nil { nodes["kubernetes.io/arch"] = filter.architecture }
        let spec = PodSpecification.Spec(
            hostname: member.description,
            terminationGracePeriodSeconds: max(1, settings.drainTime.components.seconds),
            runtimeClassName: template.runtimeName,
            nodeSelector: nodes.isEmpty ? nil : nodes,
            imagePullSecrets: settings.imagePullSecrets.map { .init(name: $0) },
            initContainers: initContainers, containers: [container], volumes: volumes)
        return PodSpecification(
            metadata: .init(
                name: name, labels: labels, annotations: annotations, ownerReferences: owner.map { [$0] }), spec: spec)
    }

    private var annotations: [String: String] {
        var annotations = [PodSpecification.proofAnnotation: proof]
        for file in files { annotations["dev.berth/\(file.name)"] = file.content }
        return annotations
    }

    /// Files that come with the pod itself, each in an annotation.
    private var files: [(name: String, path: String, content: String)] {
        var files = [
            ("passwd", "/etc/passwd", String(decoding: accounts.passwd, as: UTF8.self)),
            ("group", "/etc/group", String(decoding: accounts.group, as: UTF8.self)),
        ]
        if let filter { files.append(("filter", PodSpecification.filterPath, filter.program)) }
        return files
    }

    private var policy: String {
        switch template.pull {
        case .missing: "IfNotPresent"
        case .always: "Always"
        case .never: "Never"
        }
    }

    /// The agent's: where the server comes in, and what an engine would do, but the API has no words for.
    private func arguments(_ profile: HardeningProfile) -> [String] {
        var words = ["--listen", "\(PodSpecification.port)", "--proof", proof]
        for place in profile.places { words += ["--open", place.path] }
        // The kubelet sets these in every container, whatever the pod says of services.
        words += ["--close", PodSpecification.terminationLog, "--unset", "KUBERNETES_"]
        for limit in profile.limits { words += ["--limit", "\(limit.name)=\(limit.value)"] }
        words += ["--limit", "nproc=\(template.processes)"]
        if filter != nil { words += ["--filter", PodSpecification.filterPath] }
        return words
    }

    /// The places that programs can write to, and the names of users.
    private func places(
        _ profile: HardeningProfile
    ) -> ([PodSpecification.Volume], [PodSpecification.Mount]) {
        var volumes: [PodSpecification.Volume] = []
        var mounts: [PodSpecification.Mount] = []
        for (number, place) in profile.places.enumerated() {
            volumes.append(.init(name: "place-\(number)", emptyDir: .init(sizeLimit: "\(template.tmpfsBytes)")))
            mounts.append(.init(name: "place-\(number)", mountPath: place.path))
        }
        let items = files.map { file in
            PodSpecification.Volume.Information.Item(
                path: file.name, fieldRef: .init(fieldPath: "metadata.annotations['dev.berth/\(file.name)']"))
        }
        volumes.append(.init(name: "files", downwardAPI: .init(items: items)))
        for file in files {
            mounts.append(.init(name: "files", mountPath: file.path, subPath: file.name, readOnly: true))
        }
        return (volumes, mounts)
    }
}
