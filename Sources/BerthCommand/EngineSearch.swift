// SPDX-License-Identifier: Apache-2.0

import Docker
import DockerConfig
import Pool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Finds the Docker engine for `serve` and `doctor`: the configured one, as Docker's own client would find it,
/// otherwise the first of the usual ones that answers.
struct EngineSearch {
    struct Outcome {
        /// The engines that were asked, in this order.
        var asked: [(endpoint: DockerEndpoint, probe: EngineProbe)]
        /// Whether the flag, the configuration or Docker's own settings name the engine.
        var isConfigured: Bool
        /// Whether no other engine than Podman would do.
        var isPodman = false

        /// The first engine that answers, and has the image or can pull it.
        var usable: DockerEndpoint? { asked.first { $0.probe.isUsable }?.endpoint }
        /// The engine to use. Its image may still be missing; that shows when the image is prepared.
        var found: DockerEndpoint? { usable ?? asked.first { $0.probe.problem == nil }?.endpoint }

        /// Why no engine can be used: the problem of the first one that answers, otherwise of the first one.
        func problem(image: String?) -> RuntimeError {
            let image = image ?? RuntimeChoice.standardImage
            guard let worst = asked.first(where: { $0.probe.engine != nil }) ?? asked.first else {
                return RuntimeError(.runtimeUnreachable, "no Docker engine is known here")
            }
            if isPodman, worst.probe.engine == nil {
                return RuntimeError(
                    .runtimeUnreachable,
                    "Podman does not answer at \(asked.map(\.endpoint.description).joined(separator: ", ")): start its socket with "
                        + "systemctl --user enable --now podman.socket (as root without --user), or name another with --docker-host "
                        + "or CONTAINER_HOST; \(worst.probe.problem?.message ?? "")")
            }
            var error =
                worst.probe.problem
                ?? RuntimeError(.imageMissing, worst.probe.advice(image: image) ?? "image \(image) is not available")
            let others = asked.filter { $0.endpoint != worst.endpoint }.map(\.endpoint.description)
            if !others.isEmpty { error.message += "; nor at \(others.joined(separator: ", "))" }
            return error
        }
    }

    static var environment: [String: String] {
        let names = [
            "CONTAINER_HOST", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT",
            "HOME",
            "XDG_RUNTIME_DIR",
        ]
        var environment: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }

    static var config: DockerConfigFile { DockerConfigFile(environment: environment) }

    private let candidates: [DockerEndpoint]
    private let isConfigured: Bool
    /// What the runtime is called: "docker", which Podman may be too, or "podman".
    let kind: String

    /// - Parameter given: the address from the flag or the configuration.
    /// - Throws: `RuntimeError` with `invalidConfiguration` if it can't be the address of an engine.
    init(_ given: String?) throws(RuntimeError) {
        let environment = Self.environment
        let configured = try DockerEndpoint.configured(given, environment: environment, config: Self.config)
        isConfigured = configured != nil
        kind = "docker"
        candidates = configured.map { [$0] } ?? DockerEndpoint.usual(environment: environment)
    }

    /// Podman only, where its own client would find it.
    init(podman given: String?) throws(RuntimeError) {
        let environment = Self.environment
        let configured = try DockerEndpoint.configuredPodman(given, environment: environment)
        isConfigured = configured != nil
        kind = "podman"
        candidates = configured.map { [$0] } ?? DockerEndpoint.usualPodman(environment: environment)
    }

    /// The configured engine, otherwise the first of the usual ones, without asking them.
    var first: DockerEndpoint? { candidates.first }

    /// Asks one engine after the other until one can be used.
    func run(image: String) async -> Outcome {
        var outcome = Outcome(asked: [], isConfigured: isConfigured, isPodman: kind == "podman")
        for endpoint in candidates {
            var probe = await DockerRuntime.probe(endpoint: endpoint, image: image, config: Self.config)
            if kind == "podman", let engine = probe.engine, !engine.hasPrefix("Podman") {
                probe.problem = RuntimeError(
                    .invalidConfiguration, "\(engine) listens at \(endpoint), not Podman: set runtime to docker")
            }
            outcome.asked.append((endpoint, probe))
            if probe.isUsable { break }
        }
        return outcome
    }
}
