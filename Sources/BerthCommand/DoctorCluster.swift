// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Configuration
import Kubernetes
import Logging
import NIOPosix
import Pool

/// What a cluster has and lacks for the runtime kubernetes, as `berth doctor --runtime kubernetes` sees it.
struct DoctorCluster {
    typealias Finding = DoctorConfiguration.Finding

    let configuration: ServerConfiguration
    /// Whether a pod is made too, and removed again.
    let makesPod: Bool

    func findings() async -> [Finding] {
        let runtime: KubernetesRuntime
        var found: [Finding] = []
        do {
            let settings = try configuration.kubernetes
            let access = try ClusterAccess.find(file: settings.config)
            runtime = try KubernetesRuntime(
                access, settings, instance: "doctor-\(UInt32.random(in: .min ... .max))",
                logger: Logger(label: "berth") { _ in SwiftLogNoOpLogHandler() })
        } catch {
            return [Finding(.missing, error.message)]
        }
        let templates = configuration.templates(standardImage: RuntimeChoice.standardImage)
        let probe = await runtime.probe(templates)
        for finding in probe.findings {
            let state: Finding.State =
                switch finding.state {
                case .ok: .ok
                case .lacks: .lacks
                case .missing: .missing
                }
            found.append(Finding(state, finding.words, finding.remedy))
        }
        if makesPod, probe.isUsable, let template = templates.first { found.append(await tryPod(runtime, template)) }
        await runtime.shutdown()
        return found
    }

    /// Makes one member as the first pool would, and asks its agent.
    private func tryPod(_ runtime: KubernetesRuntime, _ template: MemberTemplate) async -> Finding {
        let member = MemberID("one")
        let limit = configuration.pools.first?.pool.createTimeout ?? .seconds(60)
        let began = ContinuousClock.now
        let work = Task {
            let stream = try await runtime.create(member, template)
            let link = try await AgentConnector(group: MultiThreadedEventLoopGroup.singleton).connect(member, stream) {}
            withExtendedLifetime(link) {}
        }
        let alarm = Task {
            try await Task.sleep(for: limit)
            work.cancel()
        }
        let result = await work.result
        alarm.cancel()
        let took = ContinuousClock.now - began
        do throws(RuntimeError) { try await runtime.remove(member) } catch {
            return Finding(.missing, "the pod that was made can't be removed: \(error.message)")
        }
        switch result {
        case .success:
            return Finding(
                .ok, "a pod with \(template.image) was made and its agent reached in \(Int(took / .milliseconds(1))) ms"
            )
        case .failure(let error):
            return Finding(.missing, (error as? RuntimeError)?.message ?? "\(error)")
        }
    }
}
