// SPDX-License-Identifier: Apache-2.0

import Configuration
import Kubernetes
import Logging
import Pool

extension RuntimeChoice {
    /// Members as pods. `auto` never chooses this: a cluster is somebody else's, also where a kubeconfig lies about.
    static func kubernetes(_ settings: ServerSettings) async throws -> RuntimeChoice {
        let configuration = settings.configuration
        let access = try ClusterAccess.find(file: configuration.kubernetesConfig)
        let runtime = try KubernetesRuntime(
            access, try configuration.kubernetes, instance: settings.instanceName, logger: settings.logger)
        do {
            try await runtime.check()
        } catch {
            await runtime.shutdown()
            throw error
        }
        settings.logger.notice(
            "members are pods; that a pool's network is none, the cluster's network policies must see to",
            metadata: ["cluster.access": "\(access.source)", "cluster.namespace": "\(runtime.namespace)"])
        var choice = RuntimeChoice(
            runtime: runtime, image: standardImage,
            sweeps: [KubernetesSweep.command(access, runtime.namespace, settings.instanceName)],
            prepare: { template in
                guard !PoolSettings.isHostFiles(template.image) else {
                    throw RuntimeError(
                        .invalidConfiguration,
                        "the image \(template.image) means the host's own files, which pods can't use")
                }
                return try await runtime.prepare(template)
            })
        // Members take no memory of this machine.
        choice.memory = { nil }
        return try await choice.resolving(configuration.templates(standardImage: choice.image))
    }
}

extension ServerConfiguration {
    var kubernetes: KubernetesSettings {
        get throws(RuntimeError) {
            var settings = KubernetesSettings()
            settings.config = kubernetesConfig
            settings.namespace = kubernetesNamespace
            settings.agent = try .init(kubernetesAgent)
            for pair in kubernetesNodeSelector ?? [] {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                settings.nodeSelector[parts[0]] = parts.count == 2 ? parts[1] : ""
            }
            settings.imagePullSecrets = kubernetesImagePullSecrets ?? []
            settings.requestsPerSecond = kubernetesRequestsPerSecond
            settings.drainTime = kubernetesDrainTime
            return settings
        }
    }
}
