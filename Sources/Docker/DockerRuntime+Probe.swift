// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
package import DockerConfig
internal import Logging
package import Pool

/// What an engine can do now, as found without creating anything.
package struct EngineProbe: Sendable, Equatable {
    package enum Image: Sendable, Equatable {
        case present
        /// Missing, but its registry has it.
        case pullable
        /// Missing, and cannot be pulled; the engine's message says why.
        case missing(String)
        /// The engine can't tell without pulling (Podman).
        case unknown
        /// The engine could not be asked.
        case notAsked
    }

    package var endpoint: String
    /// "Docker 20.10.24"; nil if it does not answer.
    package var engine: String?
    /// The version of the API that is used with it.
    package var apiVersion: String?
    /// Why it cannot be used, and what to do.
    package var problem: RuntimeError?
    package var image: Image

    /// Whether a create can be expected to succeed.
    package var isUsable: Bool {
        guard problem == nil else { return false }
        switch image {
        case .present, .pullable, .unknown: return true
        case .missing, .notAsked: return false
        }
    }

    /// One line with what to do; nil if nothing is wrong.
    package func advice(image reference: String) -> String? {
        if let problem { return problem.message }
        guard case .missing(let why) = image else { return nil }
        return
            "image \(reference) is not there and can't be pulled (\(why)): check its name, log in to its registry, or "
            + "load it: docker load -i FILE"
    }
}

extension DockerRuntime {
    /// Checks whether the engine answers and has the image. It takes a few seconds at most if the engine works (Podman
    /// on a busy machine needs five for its version), and creates and pulls nothing.
    package func probe(image: String) async -> EngineProbe {
        await Self.probe(engine, image: image, images)
    }

    /// The same for an engine without a runtime object.
    package static func probe(
        endpoint: DockerEndpoint, image: String, config: DockerConfigFile = .none
    ) async -> EngineProbe {
        do throws(RuntimeError) {
            let engine = try Engine(endpoint)
            defer { engine.shutdown() }
            return await probe(
                engine, image: image, Images(engine, config, Logger(label: "berth") { _ in SwiftLogNoOpLogHandler() }))
        } catch {
            return EngineProbe(endpoint: endpoint.description, problem: error, image: .notAsked)
        }
    }

    /// Pulls a missing image; progress and result are logged.
    package func pull(_ image: String) async throws(RuntimeError) {
        do {
            _ = try await images.detailsPulling(image)
        } catch {
            throw endpoint.explain(error)
        }
    }

    private static func probe(_ engine: Engine, image: String, _ images: Images) async -> EngineProbe {
        var result = EngineProbe(endpoint: engine.endpoint.description, image: .notAsked)
        do {
            let (version, api) = try await engine.negotiate()
            (result.engine, result.apiVersion) = (version.engine, api.description)
            result.image = try await look(engine, image, images, canAskRegistry: !version.engine.hasPrefix("Podman"))
            if let foreign = Self.foreignMachine(version) { result.problem = foreign }
        } catch {
            result.problem = engine.endpoint.explain(error)
        }
        return result
    }

    private static func look(
        _ engine: Engine, _ image: String, _ images: Images, canAskRegistry: Bool
    ) async throws -> EngineProbe.Image {
        do {
            try await engine.call(HTTPRequest(.get, "/images/\(Images.inPath(image))/json", timeout: Engine.patience))
            return .present
        } catch let refusal as EngineRefusal where refusal.status == 404 {}
        guard canAskRegistry else { return .unknown }
        do {
            _ = try await images.registryDigest(image)
            return .pullable
        } catch let refusal as EngineRefusal {
            return .missing(refusal.message)
        } catch let error as HTTPError where error.kind == .timedOut {
            return .missing("its registry does not answer")
        }
    }
}
