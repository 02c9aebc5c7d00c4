// SPDX-License-Identifier: Apache-2.0

import Docker
import DockerConfig
import Pool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Finds the Docker engine, for `serve` and `doctor` alike: the one that is configured, as Docker's own client would
/// find it, else the first that answers of those that usually are there.
struct EngineSearch {
    struct Outcome {
        /// Each that was asked, in their order.
        var asked: [(endpoint: DockerEndpoint, probe: EngineProbe)]
        /// Whether something names the one engine that counts.
        var isConfigured: Bool

        /// Answers, and has the image or can get it.
        var usable: DockerEndpoint? { asked.first { $0.probe.isUsable }?.endpoint }
        /// The one to take; whether its image is to be had shows when that is prepared as the pool's policy says.
        var found: DockerEndpoint? { usable ?? asked.first { $0.probe.problem == nil }?.endpoint }

        /// Why none of them can be taken: what is wrong with the first that answers, else with the first.
        func problem(image: String?) -> RuntimeError {
            let image = image ?? RuntimeChoice.standardImage
            guard let worst = asked.first(where: { $0.probe.engine != nil }) ?? asked.first else {
                return RuntimeError(.runtimeUnreachable, "no Docker engine is known here")
            }
            var error =
                worst.probe.problem
                ?? RuntimeError(.imageMissing, worst.probe.advice(image: image) ?? "image \(image) is not to be had")
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

    /// - Parameter given: by the flag or the configuration.
    /// - Throws: `RuntimeError` of `invalidConfiguration` for what can't be an engine.
    init(_ given: String?) throws(RuntimeError) {
        let environment = Self.environment
        let configured = try DockerEndpoint.configured(given, environment: environment, config: Self.config)
        isConfigured = configured != nil
        candidates = configured.map { [$0] } ?? DockerEndpoint.usual(environment: environment)
    }

    /// The one that is configured, else the first of the usual: for who does not ask.
    var first: DockerEndpoint? { candidates.first }

    /// Asks one after the other until one can be taken.
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
