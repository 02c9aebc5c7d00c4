internal import RPC
public import Schema

/// Why a call failed.
public struct BerthError: Error, Sendable, Equatable, CustomStringConvertible {
    /// gRPC's status codes, as far as Berth uses them.
    public enum Code: Int32, Sendable {
        case cancelled = 1
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case permissionDenied = 7
        case resourceExhausted = 8
        /// The request is right, but not now, or not for this execution or file.
        case failedPrecondition = 9
        case unimplemented = 12
        case `internal` = 13
        /// The server cannot be reached, or can't serve this now: `message` says which.
        case unavailable = 14
        case unauthenticated = 16
    }

    public var code: Code
    /// What was wrong and, where that is known, what would be right; one line.
    public var message: String
    /// The finer kind; nil where the server names none, or one that is not known here.
    public var reason: ErrorReason?
    /// What goes with the reason, e.g. "retry_after_ms".
    public var metadata: [String: String]

    public init(_ code: Code, _ message: String, _ reason: ErrorReason? = nil, metadata: [String: String] = [:]) {
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = metadata
    }

    init(_ error: RPCError) {
        self.init(
            Code(rawValue: error.code.rawValue) ?? .unknown, error.message, error.reason, metadata: error.metadata)
    }

    public var description: String { message }
}
