// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
package import Pool

/// What a cluster lets this server do now, as found without creating anything.
package struct ClusterProbe: Sendable {
    package enum State: Sendable {
        case ok
        /// Members can be made, but not as many, or not as surely, as one would think.
        case lacks
        /// No member can be made.
        case missing
    }

    /// One line of the report.
    package struct Finding: Sendable {
        package var state: State
        package var words: String
        /// A command.
        package var remedy: String?
    }

    package private(set) var findings: [Finding] = []
    package var isUsable: Bool { !findings.contains { $0.state == .missing } }

    /// What the server does with pods, in the words of the API.
    static let verbs = ["get", "list", "watch", "create", "delete"]
    /// The user of a refusal: `User "system:serviceaccount:berth:berth" cannot list resource …`.
    private static let userMark = "User \""

    private mutating func add(_ state: State, _ words: String, _ remedy: String? = nil) {
        findings.append(Finding(state: state, words: words, remedy: remedy))
    }
}

extension KubernetesRuntime {
    /// Asks the cluster; it takes as long as some ten requests.
    /// - Parameter templates: of the pools, for what they name in the cluster.
    package func probe(_ templates: [MemberTemplate]) async -> ClusterProbe {
        var probe = ClusterProbe()
        do {
            let version = try await api.version()
            probe.found("Kubernetes \(version) (\(api.access.source)), namespace \(namespace)")
            try await probe.rights(api)
            try await probe.quotas(api)
            for template in templates where template.runtimeName != nil { await probe.runtimeName(template, self) }
        } catch {
            probe.failed(api.access.explain(error))
        }
        return probe
    }
}

extension ClusterProbe {
    fileprivate mutating func found(_ words: String) { add(.ok, words) }
    fileprivate mutating func failed(_ error: RuntimeError) { add(.missing, error.message) }

    fileprivate mutating func rights(_ api: KubernetesAPI) async throws {
        var refused: [String] = []
        for verb in Self.verbs where !(try await api.mayDo(verb)) { refused.append(verb) }
        let (namespace, list) = (api.namespace, Self.verbs.joined(separator: ","))
        guard !refused.isEmpty else { return add(.ok, "it allows what the server does with pods: \(list)") }
        let account = try await subject(api)
        add(
            .missing, "it does not allow \(refused.joined(separator: ", ")) of pods in the namespace \(namespace)",
            "kubectl create role berth --namespace \(namespace) --verb \(list) --resource pods && kubectl create rolebinding "
                + "berth --namespace \(namespace) --role berth \(account)")
    }

    /// Who this server is to the cluster, as a flag of `kubectl create rolebinding`.
    private func subject(_ api: KubernetesAPI) async throws -> String {
        let unknown = "--serviceaccount \(api.namespace):NAME"
        do {
            // Only a refusal says it. This one makes nothing, whoever may do what.
            try await api.createNothing()
            return unknown
        } catch let refusal as APIRefusal {
            guard let mark = refusal.message.firstRange(of: Self.userMark) else { return unknown }
            let user = refusal.message[mark.upperBound...].prefix { $0 != "\"" }
            let account = user.split(separator: ":")
            guard user.hasPrefix("system:serviceaccount:"), account.count == 4 else { return "--user '\(user)'" }
            return "--serviceaccount \(account[2]):\(account[3])"
        }
    }

    fileprivate mutating func quotas(_ api: KubernetesAPI) async throws {
        let quotas: [ResourceQuota]
        do {
            quotas = try await api.quotas()
        } catch let refusal as APIRefusal where refusal.status == 403 {
            return add(.ok, "quotas can't be seen with these rights; one that is used up shows as a failed create")
        }
        for quota in quotas {
            for (name, limit) in (quota.status?.hard ?? [:]).sorted(by: { $0.key < $1.key }) {
                let used = quota.status?.used?[name] ?? "0"
                let words = "quota \(quota.metadata.name): \(used) of \(limit) \(name) are used"
                if Quantity(used) >= Quantity(limit) { add(.lacks, words) } else { add(.ok, words) }
            }
        }
    }

    fileprivate mutating func runtimeName(_ template: MemberTemplate, _ runtime: KubernetesRuntime) async {
        do throws(RuntimeError) {
            _ = try await runtime.prepare(template)
            add(.ok, "RuntimeClass \(template.runtimeName ?? "")")
        } catch {
            failed(error)
        }
    }
}

/// An amount in the notation of the API: "20", "500m", "1Gi".
struct Quantity: Comparable {
    private static let units: [(suffix: String, factor: Double)] = [
        ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50), ("Ei", 0x1p60),
        ("n", 1e-9), ("u", 1e-6), ("m", 1e-3), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15),
        ("E", 1e18),
    ]

    var amount: Double

    /// What can't be read is 0.
    init(_ text: String) {
        let unit = Self.units.first { text.hasSuffix($0.suffix) }
        amount = (Double(text.dropLast(unit?.suffix.count ?? 0)) ?? 0) * (unit?.factor ?? 1)
    }

    static func < (left: Quantity, right: Quantity) -> Bool { left.amount < right.amount }
}

struct ResourceQuota: Decodable {
    struct Metadata: Decodable { var name: String }
    struct Status: Decodable {
        var hard: [String: String]?
        var used: [String: String]?
    }
    var metadata: Metadata
    var status: Status?
}

extension KubernetesAPI {
    func version() async throws -> String {
        struct Reply: Decodable { var gitVersion: String }
        let reply: Reply = try Self.decode(try await call(HTTPRequest(.get, "/version")))
        return reply.gitVersion
    }

    /// Whether this server may do so with pods of its namespace.
    func mayDo(_ verb: String) async throws -> Bool {
        struct Review: Codable {
            struct Attributes: Codable {
                var namespace: String
                var verb: String
                var resource = "pods"
            }
            struct Spec: Codable { var resourceAttributes: Attributes }
            struct Status: Codable { var allowed: Bool }
            var apiVersion = "authorization.k8s.io/v1"
            var kind = "SelfSubjectAccessReview"
            var spec: Spec
            var status: Status?
        }
        let review = Review(spec: .init(resourceAttributes: .init(namespace: namespace, verb: verb)))
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        let answer: Review = try Self.decode(try await call(HTTPRequest(.post, path, body: try Self.encode(review))))
        return answer.status?.allowed == true
    }

    /// A request that the API refuses in any case, with who has made it if that is the reason.
    func createNothing() async throws {
        try await call(HTTPRequest(.post, podsPath, query: [("dryRun", "All")], body: Array("{}".utf8)))
    }

    func quotas() async throws -> [ResourceQuota] {
        struct List: Decodable { var items: [ResourceQuota] }
        let path = "/api/v1/namespaces/\(HTTPRequest.percentEncoded(namespace))/resourcequotas"
        let list: List = try Self.decode(try await call(HTTPRequest(.get, path)))
        return list.items
    }
}
