// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Pool

/// The API of a cluster: paths, JSON, credentials, the rate of requests, refusals as errors.
final class KubernetesAPI: Sendable {
    /// Maximum time that one request may take.
    static let patience = Duration.seconds(15)
    /// How often a request is sent again that the API was too busy for, and the longest pause before that.
    private static let maxBusy = 6
    private static let maxPause = Duration.seconds(10)

    let access: ClusterAccess
    let namespace: String
    private let http: HTTPClient
    private let pace: RequestPace

    init(_ access: ClusterAccess, namespace: String, requestsPerSecond: Int) throws(RuntimeError) {
        self.access = access
        self.namespace = namespace
        pace = RequestPace(perSecond: requestsPerSecond)
        do throws(HTTPError) {
            http = try HTTPClient(endpoint: access.endpoint)
        } catch {
            throw RuntimeError(.invalidConfiguration, error.message)
        }
    }

    func shutdown() { http.shutdown() }

    var nodesPath: String { "/api/v1/nodes" }
    var podsPath: String { "/api/v1/namespaces/\(HTTPRequest.percentEncoded(namespace))/pods" }
    func podPath(_ name: String) -> String { "\(podsPath)/\(HTTPRequest.percentEncoded(name))" }

    // MARK: Pods

    func pod(_ name: String) async throws -> PodObject {
        try Self.decode(try await call(HTTPRequest(.get, podPath(name))))
    }

    /// - Throws: `APIRefusal` with 404 if there is none of that name, with 403 if this server may not look.
    func checkRuntimeClass(_ name: String) async throws {
        try await call(HTTPRequest(.get, "/apis/node.k8s.io/v1/runtimeclasses/\(HTTPRequest.percentEncoded(name))"))
    }

    /// Nil if there is none of that name.
    func podIfAny(_ name: String) async throws -> PodObject? {
        do {
            return try await pod(name)
        } catch let refusal as APIRefusal where refusal.status == 404 && refusal.reason == "NotFound" {
            return nil
        }
    }

    func pods(selector: String) async throws -> ObjectList<PodObject> { try await list(podsPath, selector: selector) }

    /// All objects of a kind, or those with the labels.
    func list<Object: WatchedObject>(_ path: String, selector: String?) async throws -> ObjectList<Object> {
        // An object of the API has at most 1.5 MB; a pod of ours has a few kB, a node some ten.
        let query = selector.map { [("labelSelector", $0)] } ?? []
        return try Self.decode(try await call(HTTPRequest(.get, path, query: query, maxBodyBytes: 64 << 20)))
    }

    func create(_ pod: PodSpecification) async throws -> PodObject {
        try Self.decode(try await call(HTTPRequest(.post, podsPath, body: try Self.encode(pod))))
    }

    /// Asks for the deletion of one pod, and of no later one of the same name, with a grace of a second.
    func delete(_ name: String, uid: String) async throws {
        let body = try Self.encode(DeleteOptions(preconditions: .init(uid: uid)))
        try await call(HTTPRequest(.delete, podPath(name), body: body))
    }

    // MARK: Requests

    /// Sends a request. A status other than success is thrown as `APIRefusal`. If the API is too busy (429), the request was
    /// not carried out, and is sent again after the time that the API asks for.
    @discardableResult
    func call(_ request: HTTPRequest) async throws -> HTTPResponse {
        var request = try authorized(request)
        request.timeout = min(request.timeout, Self.patience)
        var busy = 0
        while true {
            try await pace.turn()
            let response = try await http.send(request)
            if response.isSuccess { return response }
            guard response.status == 429, busy < Self.maxBusy else { throw APIRefusal(response) }
            busy += 1
            try await Task.sleep(for: Self.pause(response))
        }
    }

    /// Sends a request, and calls `each` with every line of the answer as it arrives.
    func lines(_ request: HTTPRequest, each: (sending [UInt8]) async throws -> Void) async throws {
        try await pace.turn()
        let response = try await http.lines(try authorized(request), each: each)
        guard response.isSuccess else { throw APIRefusal(response) }
    }

    private func authorized(_ request: HTTPRequest) throws -> HTTPRequest {
        var request = request
        request.path = access.basePath + request.path
        request.headers += [("Accept", "application/json"), ("User-Agent", "berth")]
        if let value = try access.authorization() { request.headers.append(("Authorization", value)) }
        return request
    }

    /// The time that the API asks for, and up to half of it more, so that not all come back at once.
    private static func pause(_ response: HTTPResponse) -> Duration {
        let seconds = response.header("retry-after").flatMap { Int($0) } ?? 1
        let asked = min(max(Duration.seconds(seconds), .milliseconds(100)), maxPause)
        return asked * Double.random(in: 1...1.5)
    }

    static func decode<Reply: Decodable>(_ response: HTTPResponse) throws -> Reply { try decode(response.body) }

    static func decode<Reply: Decodable>(_ body: [UInt8]) throws -> Reply {
        do {
            return try JSONDecoder().decode(Reply.self, from: Data(body))
        } catch {
            throw RuntimeError(
                .failed, "the API's answer is not understood: \(String(decoding: body.prefix(200), as: UTF8.self))")
        }
    }

    static func encode(_ value: some Encodable) throws -> [UInt8] { Array(try JSONEncoder().encode(value)) }
}

private struct DeleteOptions: Encodable {
    struct Preconditions: Encodable { var uid: String }
    var kind = "DeleteOptions"
    var apiVersion = "v1"
    var gracePeriodSeconds = 1
    var preconditions: Preconditions
}
