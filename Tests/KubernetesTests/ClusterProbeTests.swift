// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Logging
import Pool
import Testing

@testable import Kubernetes

@Suite("What a cluster lets a server do")
struct ClusterProbeTests {
    /// What doctor says of an API that answers so.
    private func probe(
        allowed: Set<String> = Set(ClusterProbe.verbs), quotas: String? = #"{"items": []}"#,
        refusal: String = "invalid",
        _ template: MemberTemplate = MemberTemplate()
    ) async throws -> ClusterProbe {
        let api = try await StubAPI.start()
        api.set {
            $0.review = { allowed.contains($0) }
            $0.fault = { call, _ in
                switch call.path {
                case "/version": return .answer(200, #"{"gitVersion": "v1.99"}"#)
                case let path where path.hasSuffix("/resourcequotas"):
                    let (code, text) = quotas.map { (200, $0) } ?? StubAPI.status(403, "Forbidden", "no")
                    return .answer(code, text)
                case let path where path.hasSuffix("/pods") && call.method == "POST":
                    let (code, text) = StubAPI.status(403, "Forbidden", refusal)
                    return .answer(code, text)
                case let path where path.contains("/runtimeclasses/"):
                    let (code, text) = StubAPI.status(404, "NotFound")
                    return .answer(code, text)
                default: return nil
                }
            }
        }
        let access = ClusterAccess(
            endpoint: .tcp(host: "127.0.0.1", port: api.port), basePath: "", credential: .token("t"), namespace: "n",
            files: [])
        let runtime = try KubernetesRuntime(
            access, KubernetesSettings(), instance: "stub", host: "h", environment: { _ in nil },
            logger: Logger(label: "test"))
        let probe = await runtime.probe([template])
        await runtime.shutdown()
        #expect(api.now.created == 0)
        await api.stop()
        return probe
    }

    @Test("where all is well it says what there is")
    func well() async throws {
        let probe = try await probe()
        #expect(probe.isUsable && probe.findings.count == 2)
        #expect(
            probe.findings[0].words == "Kubernetes v1.99 (the pod's service account), namespace n", "\(probe.findings)")
        #expect(probe.findings[1].words == "it allows what the server does with pods: get,list,watch,create,delete")
    }

    @Test(
        "rights that are missing are named, with the command that grants them to who this is, if the cluster says so",
        arguments: [
            (#"pods is forbidden: User "system:serviceaccount:a:b" cannot create"#, "--serviceaccount a:b"),
            (#"pods is forbidden: User "jane" cannot create"#, "--user 'jane'"), ("no", "--serviceaccount n:NAME"),
        ])
    func rights(refusal: String, account: String) async throws {
        let probe = try await probe(allowed: ["get", "list", "watch"], refusal: refusal)
        let finding = try #require(probe.findings.last { $0.state == .missing })
        #expect(!probe.isUsable && finding.words == "it does not allow create, delete of pods in the namespace n")
        #expect(
            finding.remedy
                == "kubectl create role berth --namespace n --verb get,list,watch,create,delete --resource pods && kubectl "
                + "create rolebinding berth --namespace n --role berth \(account)")
    }

    @Test("a quota that is used up is told, in whatever units it is, and no other is a fault")
    func quotas() async throws {
        let text = #"""
            {"items": [{"metadata": {"name": "q"}, "status": {"hard": {"pods": "4", "limits.memory": "1Gi", "limits.cpu": "2"},
            "used": {"pods": "3", "limits.memory": "1048576Ki", "limits.cpu": "1999m"}}}]}
            """#
        let probe = try await probe(quotas: text)
        #expect(probe.isUsable)
        #expect(
            probe.findings.filter { $0.state == .lacks }.map(\.words)
                == ["quota q: 1048576Ki of 1Gi limits.memory are used"])
        #expect(try await self.probe(quotas: nil).findings.last?.words.hasPrefix("quotas can't be seen") == true)
    }

    @Test("a RuntimeClass that the cluster lacks is a fault")
    func runtimeName() async throws {
        var template = MemberTemplate()
        template.runtimeName = "gvisor"
        let probe = try await probe(template)
        #expect(!probe.isUsable && probe.findings.last?.words.hasPrefix("runtime_name gvisor: ") == true)
    }
}
