// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Pool

/// An answer of the API with a status other than success.
struct APIRefusal: Error {
    var status: Int
    /// The API's word for it: "AlreadyExists", "NotFound", "Forbidden", …
    var reason: String
    /// One line.
    var message: String

    init(status: Int, reason: String, message: String) {
        self.status = status
        self.reason = reason
        self.message = message
    }

    init(_ response: HTTPResponse) {
        self.init(status: response.status, body: response.body)
    }

    init(status: Int, body: [UInt8]) {
        let object = try? JSONDecoder().decode(StatusObject.self, from: Data(body))
        let words = object?.message ?? String(decoding: body.prefix(500), as: UTF8.self)
        let line = words.split(whereSeparator: \.isNewline).joined(separator: " ")
        self.init(
            status: object?.code ?? status, reason: object?.reason ?? "",
            message: line.isEmpty ? "HTTP status \(status)" : line)
    }

    /// Whether the request may have been carried out all the same.
    var isDoubtful: Bool { status >= 500 }

    var asRuntimeError: RuntimeError {
        switch status {
        case 401:
            RuntimeError(.invalidConfiguration, "the cluster does not accept this server's credentials: \(message)")
        case 403 where message.contains("exceeded quota"):
            RuntimeError(
                message.contains("memory") ? .outOfMemory : .failed, "the namespace's quota is used up: \(message)")
        case 403:
            RuntimeError(
                .invalidConfiguration,
                "the cluster does not allow it: \(message); docs/kubernetes.md has the rights that are needed")
        case 400, 404, 422: RuntimeError(.invalidConfiguration, "the cluster refuses it: \(message)")
        case 429: RuntimeError(.runtimeUnreachable, "the cluster's API is too busy: \(message)")
        case 500...: RuntimeError(.runtimeUnreachable, "the cluster's API fails: \(message)")
        default: RuntimeError(.failed, "the cluster says: \(message)")
        }
    }
}

/// The API's `Status`: of refusals, and in a watch.
struct StatusObject: Decodable, Sendable {
    var code: Int?
    var reason: String?
    var message: String?
}

extension ClusterAccess {
    /// The error for a failed exchange, with what to do about it.
    func explain(_ error: any Error) -> RuntimeError {
        switch error {
        case let error as RuntimeError: return error
        case let error as APIRefusal: return error.asRuntimeError
        case is CancellationError: return RuntimeError(.notReadyInTime, "given up before the pod was ready")
        case let error as HTTPError:
            switch error.kind {
            case .cancelled: return RuntimeError(.notReadyInTime, "given up before the pod was ready")
            case .invalidRequest: return RuntimeError(.invalidConfiguration, error.message)
            case .tls:
                return RuntimeError(.runtimeUnreachable, "no TLS with the cluster's API (\(source)): \(error)")
            case .timedOut:
                return RuntimeError(.runtimeUnreachable, "the cluster's API (\(source)) does not answer: \(error)")
            default:
                return RuntimeError(.runtimeUnreachable, "the cluster's API (\(source)) is not reached: \(error)")
            }
        default: return RuntimeError(.failed, "\(error)")
        }
    }
}
