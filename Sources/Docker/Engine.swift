// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Pool
internal import Synchronization

/// The Engine API: versioned paths, JSON, refusals as errors.
final class Engine: Sendable {
    /// The supported API versions: 1.40 is the first with everything that is used, 1.51 the newest that was checked.
    static let oldest = APIVersion(major: 1, minor: 40)
    static let newest = APIVersion(major: 1, minor: 51)

    let endpoint: DockerEndpoint
    private let http: HTTPClient
    private let known = Mutex<(version: EngineVersion, api: APIVersion)?>(nil)

    init(_ endpoint: DockerEndpoint) throws(RuntimeError) {
        self.endpoint = endpoint
        do throws(HTTPError) { http = try HTTPClient(endpoint: endpoint.http) } catch { throw endpoint.explain(error) }
    }

    func shutdown() { http.shutdown() }

    /// Timeout of the first requests: for its version Podman looks up packages of its programs, which takes five seconds on a
    /// busy machine, and has taken over ten.
    static let patience = Duration.seconds(30)

    /// Asks the engine for its version, and chooses the newest API that both support.
    func negotiate(timeout: Duration = patience) async throws -> (version: EngineVersion, api: APIVersion) {
        let response = try await http.send(HTTPRequest(.get, "/version", timeout: timeout))
        let version: EngineVersion = try Self.decode(response)
        guard let theirs = APIVersion(version.ApiVersion) else {
            throw RuntimeError(.invalidConfiguration, "\(version.engine) names no API version: \(version.ApiVersion)")
        }
        let least = version.MinAPIVersion.flatMap { APIVersion($0) }
        let api = min(theirs, Self.newest)
        guard api >= Self.oldest, least.map({ $0 <= api }) ?? true else {
            throw RuntimeError(
                .invalidConfiguration,
                "\(version.engine) speaks API \(least?.description ?? "?") to \(theirs), Berth \(Self.oldest) to "
                    + "\(Self.newest): install an engine that knows one of these")
        }
        known.withLock { $0 = (version, api) }
        return (version, api)
    }

    /// The version of the engine, which is asked once.
    func version() async throws -> EngineVersion {
        if let known = known.withLock({ $0?.version }) { return known }
        return try await negotiate().version
    }

    /// Sends a request with the negotiated version. A status other than success is thrown as `EngineRefusal`.
    @discardableResult
    func call(_ request: HTTPRequest, onHead: (@Sendable (Int) -> Void)? = nil) async throws -> HTTPResponse {
        let response = try await http.send(try await versioned(request), onHead: onHead)
        guard response.isSuccess else { throw Self.refusal(response) }
        return response
    }

    func call<Reply: Decodable>(_ request: HTTPRequest, returning: Reply.Type) async throws -> Reply {
        try Self.decode(try await call(request))
    }

    func lines(_ request: HTTPRequest, each: (sending [UInt8]) async throws -> Void) async throws {
        let response = try await http.lines(try await versioned(request), each: each)
        guard response.isSuccess else { throw Self.refusal(response) }
    }

    /// Takes over the connection of a request that the engine answers with 101.
    /// - Returns: a socket, which the caller must close.
    func upgrade(_ request: HTTPRequest, decoder: any StreamDecoder) async throws -> Int32 {
        let upgrade = try await http.upgrade(try await versioned(request), decoder: decoder)
        guard let descriptor = upgrade.descriptor else { throw Self.refusal(upgrade.response) }
        return descriptor
    }

    private func versioned(_ request: HTTPRequest) async throws -> HTTPRequest {
        var request = request
        let api: APIVersion
        if let known = known.withLock({ $0?.api }) { api = known } else { api = try await negotiate().api }
        request.path = "/v\(api)\(request.path)"
        return request
    }

    static func refusal(_ response: HTTPResponse) -> EngineRefusal {
        let fault = try? JSONDecoder().decode(EngineFault.self, from: Data(response.body))
        let words = fault?.message ?? String(decoding: response.body.prefix(500), as: UTF8.self)
        let line = words.split(whereSeparator: \.isNewline).joined(separator: " ")
        return EngineRefusal(status: response.status, message: line.isEmpty ? "HTTP status \(response.status)" : line)
    }

    private static func decode<Reply: Decodable>(_ response: HTTPResponse) throws -> Reply {
        guard response.isSuccess else { throw refusal(response) }
        return try decode(response.body)
    }

    static func decode<Reply: Decodable>(_ body: [UInt8]) throws -> Reply {
        do {
            return try JSONDecoder().decode(Reply.self, from: Data(body))
        } catch {
            throw RuntimeError(
                .failed, "the engine's answer is not understood: \(String(decoding: body.prefix(200), as: UTF8.self))")
        }
    }

    static func encode(_ value: some Encodable) throws -> [UInt8] { Array(try JSONEncoder().encode(value)) }
}

/// "1.41"
struct APIVersion: Comparable, CustomStringConvertible {
    var major: Int
    var minor: Int

    init(major: Int, minor: Int) { (self.major, self.minor) = (major, minor) }

    init?(_ text: String) {
        let parts = text.split(separator: ".")
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
        self.init(major: major, minor: minor)
    }

    var description: String { "\(major).\(minor)" }
    static func < (one: APIVersion, other: APIVersion) -> Bool { (one.major, one.minor) < (other.major, other.minor) }
}
