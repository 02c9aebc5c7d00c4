internal import RPC

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

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: RPCError) {
        self.init(Code(rawValue: error.code.rawValue) ?? .unknown, error.message)
    }

    public var description: String { message }
}
