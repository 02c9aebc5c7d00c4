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
            "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "HOME",
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

    /// - Parameter given: the address from the flag or the configuration.
    /// - Throws: `RuntimeError` with `invalidConfiguration` if it can't be the address of an engine.
    init(_ given: String?) throws(RuntimeError) {
        let environment = Self.environment
        let configured = try DockerEndpoint.configured(given, environment: environment, config: Self.config)
        isConfigured = configured != nil
        candidates = configured.map { [$0] } ?? DockerEndpoint.usual(environment: environment)
    }

    /// The configured engine, otherwise the first of the usual ones, without asking them.
    var first: DockerEndpoint? { candidates.first }

    /// Asks one engine after the other until one can be used.
    func run(image: String) async -> Outcome {
        var outcome = Outcome(asked: [], isConfigured: isConfigured)
        for endpoint in candidates {
            let probe = await DockerRuntime.probe(endpoint: endpoint, image: image, config: Self.config)
            outcome.asked.append((endpoint, probe))
            if probe.isUsable { break }
        }
        return outcome
    }
}
