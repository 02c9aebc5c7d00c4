// SPDX-License-Identifier: Apache-2.0

package import Pool

/// The settings of the runtime.
package struct KubernetesSettings: Sendable, Equatable {
    /// How berth-agent gets into a pod, the fastest first.
    package enum AgentSource: Sendable, Equatable {
        /// It is in the pool's image, at this path.
        case image(path: String)
        /// It is on every node, at this path.
        case host(path: String)
        /// It is the program of this image, which an init container copies into the pod.
        case initContainer(image: String)

        /// "image:PATH", "host:PATH" or "init:IMAGE"
        package init(_ text: String) throws(RuntimeError) {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch (parts[0], parts.last ?? "") {
            case ("image", let path) where path.hasPrefix("/") && parts.count == 2: self = .image(path: path)
            case ("host", let path) where path.hasPrefix("/") && parts.count == 2: self = .host(path: path)
            case ("init", let image) where !image.isEmpty && parts.count == 2: self = .initContainer(image: image)
            default:
                throw RuntimeError(.invalidConfiguration, "\(text) is not image:PATH, host:PATH or init:IMAGE")
            }
        }
    }

    /// The kubeconfig; nil finds one: see `ClusterAccess.find`.
    package var config: String?
    /// Nil: that of the configuration, else "default".
    package var namespace: String?
    package var agent = AgentSource.image(path: "/usr/libexec/berth/berth-agent")
    package var nodeSelector: [String: String] = [:]
    package var imagePullSecrets: [String] = []
    package var requestsPerSecond = 20
    /// How long leases go on in a pod that somebody deletes, at most; whole seconds.
    package var drainTime = Duration.seconds(30)

    package init() {}
}
