// SPDX-License-Identifier: Apache-2.0

/// Settings of the runtime that makes pods in a cluster.
extension SettingsTable {
    static func addKubernetes(_ table: inout SettingTable<ServerConfiguration>) {
        table.add(
            "kubernetes.config", \.kubernetesConfig, ValueKind<String>.string("a kubeconfig file").or("auto"),
            "The cluster, and how this server shows who it is; auto is the pod's own service account, else $KUBECONFIG, else "
                + "~/.kube/config", needsRestart: true)
        table.add(
            "kubernetes.namespace", \.kubernetesNamespace, ValueKind<String>.string("a namespace").or("auto"),
            "The namespace of the pods; auto is that of the service account or the kubeconfig, else default",
            needsRestart: true)
        table.add(
            "kubernetes.agent", \.kubernetesAgent, .string("image:PATH, host:PATH or init:IMAGE", where: isAgentSource),
            "Where pods have berth-agent from: a path in the pool's image, a file on every node, or an image that an init "
                + "container copies it from", needsRestart: true)
        table.add(
            "kubernetes.node_selector", \.kubernetesNodeSelector,
            ValueKind<[String]>.list(.string("LABEL=VALUE") { isPair($0) }).or("off"),
            "Labels that the nodes of the pods must have", needsRestart: true)
        table.add(
            "kubernetes.image_pull_secrets", \.kubernetesImagePullSecrets,
            ValueKind<[String]>.list(.string("a Secret's name")).or("off"),
            "Secrets of the namespace with which nodes pull the images", needsRestart: true)
        table.add(
            "kubernetes.requests_per_second", \.kubernetesRequestsPerSecond, .integer(1...1000),
            "Maximum number of requests to the cluster's API in a second", needsRestart: true)
        table.add(
            "kubernetes.drain_time", \.kubernetesDrainTime, .duration,
            "Time that leases go on in a pod which somebody deletes, or whose node is drained: the pod's grace period",
            needsRestart: true)
    }

    private static let isAgentSource: @Sendable (String) -> Bool = { text in
        text.hasPrefix("image:/") || text.hasPrefix("host:/") || text.hasPrefix("init:") && text != "init:"
    }

    private static func isPair(_ text: String) -> Bool {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty
    }
}
