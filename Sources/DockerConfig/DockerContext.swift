// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Housekeeping
package import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A named engine of `docker context`.
package struct DockerContext: Sendable, Equatable {
    package var name: String
    /// The address, in the form of DOCKER_HOST.
    package var host: String
    /// The directory of `ca.pem`, `cert.pem` and `key.pem`; nil if the context has none.
    package var certificates: String?
    package var skipsVerification = false

    package func file(_ name: String) -> String? {
        guard let path = certificates.map({ "\($0)/\(name)" }), access(path, R_OK) == 0 else { return nil }
        return path
    }

    /// Whether it configures TLS.
    package var hasTLS: Bool { certificates != nil || skipsVerification }
}

extension DockerConfigFile {
    private struct Meta: Decodable {
        struct Endpoint: Decodable {
            var Host: String?
            var SkipTLSVerify: Bool?
        }
        var Name: String
        var Endpoints: [String: Endpoint]?
    }

    /// The context in use: the one that DOCKER_CONTEXT names, otherwise the one that `docker context use` has chosen.
    /// Nil for the default context, which configures nothing.
    /// - Throws: `invalidConfiguration` if there is no context with that name.
    package func context(environment: [String: String]) throws(RuntimeError) -> DockerContext? {
        let chosen: (name: String, by: String)
        if let name = environment["DOCKER_CONTEXT"], !name.isEmpty {
            chosen = (name, "DOCKER_CONTEXT")
        } else if let name = try file().currentContext, !name.isEmpty {
            chosen = (name, "\(directory ?? "")/config.json")
        } else {
            return nil
        }
        guard chosen.name != "default" else { return nil }
        let root = "\(directory ?? "")/contexts"
        for id in Files.list("\(root)/meta").filter({ !$0.hasPrefix(".") }) {
            guard let bytes = try Self.read("\(root)/meta/\(id)/meta.json"),
                let meta = try? JSONDecoder().decode(Meta.self, from: Data(bytes)), meta.Name == chosen.name
            else { continue }
            guard let endpoint = meta.Endpoints?["docker"], let host = endpoint.Host, !host.isEmpty else {
                throw RuntimeError(.invalidConfiguration, "the Docker context \"\(chosen.name)\" names no engine")
            }
            let certificates = "\(root)/tls/\(id)/docker"
            return DockerContext(
                name: chosen.name, host: host,
                certificates: Files.list(certificates).allSatisfy { $0.hasPrefix(".") } ? nil : certificates,
                skipsVerification: endpoint.SkipTLSVerify ?? false)
        }
        throw RuntimeError(
            .invalidConfiguration,
            "there is no Docker context \"\(chosen.name)\", which \(chosen.by) names: see docker context ls, or name an "
                + "engine with --docker-host")
    }
}
