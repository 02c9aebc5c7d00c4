// SPDX-License-Identifier: Apache-2.0

/// Which revision of the protocol a request is of. The two eras can be mixed on one connection: a request that carries its
/// version is served by that alone, and every other one by what `initialize` has settled.
package struct Negotiation: Sendable {
    private static let versionKey = "io.modelcontextprotocol/protocolVersion"
    private static let capabilitiesKey = "io.modelcontextprotocol/clientCapabilities"

    /// What `initialize` has settled; nil before it.
    package private(set) var settled: ProtocolVersion?

    package init() {}

    /// The revision that a request is to be served by.
    package mutating func version(of request: Incoming.Request) throws(ProtocolFailure) -> ProtocolVersion {
        if request.method == "initialize" {
            guard let asked = request.params["protocolVersion"]?.string else {
                throw .invalidParameters("initialize needs \"protocolVersion\", a string")
            }
            let version = ProtocolVersion.negotiated(asked)
            settled = version
            return version
        }
        let meta = request.meta
        if let asked = meta[Negotiation.versionKey] {
            guard let asked = asked.string else {
                throw .invalidParameters("\"\(Negotiation.versionKey)\" in _meta must be a string")
            }
            guard let version = ProtocolVersion(rawValue: asked), !version.hasHandshake else {
                throw .unsupportedVersion(asked)
            }
            guard meta[Negotiation.capabilitiesKey]?.object != nil else {
                throw .invalidParameters("_meta needs \"\(Negotiation.capabilitiesKey)\", an object; {} is enough")
            }
            return version
        }
        if request.method != "server/discover" {
            if let settled { return settled }
            // Allowed before `initialize`, too.
            if request.method == "ping" { return .november2025 }
        }
        throw .invalidParameters(
            "_meta needs \"\(Negotiation.versionKey)\" (\(ProtocolVersion.july2026.rawValue)); "
                + "with an older protocol, initialize comes first")
    }
}
