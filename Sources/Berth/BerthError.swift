// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// Why a call failed.
///
///     } catch let error as BerthError where error.code == .notFound {
///
/// How a program ends is never an error: it is in `Ended`.
public struct BerthError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of the failure. More may come with later versions.
    public var code: Code
    /// One line: what was wrong and, if known, what would be right.
    public var message: String
    /// A more precise kind than `code`; nil if the server gives none.
    public var reason: Reason?
    /// Details of the reason, for example "retry_after_ms".
    public var metadata: [String: String]

    public init(_ code: Code, _ message: String, _ reason: Reason? = nil, metadata: [String: String] = [:]) {
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = metadata
    }

    init(_ error: RPCError) {
        self.init(
            Code(rawValue: error.code.rawValue), error.message,
            (error.reason?.protoName ?? error.otherReason).map { Reason(name: $0) }, metadata: error.metadata)
    }

    public var description: String { message }
}

extension BerthError {
    /// gRPC's status codes: open, since a server may answer with any of them. A `switch` over it needs a `default`.
    public struct Code: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
        /// The number on the wire.
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// The caller cancelled the call.
        public static let cancelled = Code(rawValue: 1)
        public static let unknown = Code(rawValue: 2)
        public static let invalidArgument = Code(rawValue: 3)
        /// The call's deadline has passed.
        public static let deadlineExceeded = Code(rawValue: 4)
        /// The lease, execution, pool or file does not exist (any longer).
        public static let notFound = Code(rawValue: 5)
        public static let alreadyExists = Code(rawValue: 6)
        public static let permissionDenied = Code(rawValue: 7)
        /// A limit is reached: members, executions, memory, the size of a message, space for files.
        public static let resourceExhausted = Code(rawValue: 8)
        /// The request is valid, but not now, or not for this execution or file.
        public static let failedPrecondition = Code(rawValue: 9)
        public static let aborted = Code(rawValue: 10)
        public static let outOfRange = Code(rawValue: 11)
        public static let unimplemented = Code(rawValue: 12)
        public static let `internal` = Code(rawValue: 13)
        /// The server cannot be reached, the connection was lost, or the server can't serve this now: `message` says which.
        public static let unavailable = Code(rawValue: 14)
        public static let dataLoss = Code(rawValue: 15)
        public static let unauthenticated = Code(rawValue: 16)

        private static let names = [
            "ok", "cancelled", "unknown", "invalidArgument", "deadlineExceeded", "notFound", "alreadyExists",
            "permissionDenied", "resourceExhausted", "failedPrecondition", "aborted", "outOfRange", "unimplemented",
            "internal", "unavailable", "dataLoss", "unauthenticated",
        ]

        /// As here: "notFound"; "code 99" for one without a name.
        public var description: String {
            Int(exactly: rawValue).flatMap { Code.names.indices.contains($0) ? Code.names[$0] : nil }
                ?? "code \(rawValue)"
        }

        /// As gRPC spells it: "NOT_FOUND".
        public var name: String {
            String(description.flatMap { $0.isUppercase ? "_\($0)" : $0 == " " ? "_" : $0.uppercased() })
        }
    }

    /// A more precise kind of failure. It is open, since a later server may send more of them.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        /// As the contract spells it: "IS_A_DIRECTORY".
        public let name: String

        public init(name: String) { self.name = name }

        public var description: String { name }

        // Files
        public static let noSuchFile = Reason(name: "NO_SUCH_FILE")
        public static let isADirectory = Reason(name: "IS_A_DIRECTORY")
        public static let notADirectory = Reason(name: "NOT_A_DIRECTORY")
        public static let alreadyExists = Reason(name: "ALREADY_EXISTS")
        public static let directoryNotEmpty = Reason(name: "DIRECTORY_NOT_EMPTY")
        public static let notAFile = Reason(name: "NOT_A_FILE")
        public static let readOnly = Reason(name: "READ_ONLY")
        /// Outside the places that programs may write to.
        public static let outside = Reason(name: "OUTSIDE")
        public static let notPermitted = Reason(name: "NOT_PERMITTED")
        public static let noSpace = Reason(name: "NO_SPACE")
        public static let tooManyLinks = Reason(name: "TOO_MANY_LINKS")
        public static let nameTooLong = Reason(name: "NAME_TOO_LONG")
        public static let badArchive = Reason(name: "BAD_ARCHIVE")

        // Leases, executions, pools
        public static let noSuchLease = Reason(name: "NO_SUCH_LEASE")
        public static let noSuchExecution = Reason(name: "NO_SUCH_EXECUTION")
        public static let noSuchPool = Reason(name: "NO_SUCH_POOL")
        public static let executionLimit = Reason(name: "EXECUTION_LIMIT")
        public static let backgroundLimit = Reason(name: "BACKGROUND_LIMIT")
        public static let waiterLimit = Reason(name: "WAITER_LIMIT")
        public static let clientLimit = Reason(name: "CLIENT_LIMIT")
        public static let memoryLimit = Reason(name: "MEMORY_LIMIT")
        public static let messageTooLarge = Reason(name: "MESSAGE_TOO_LARGE")
        public static let inputEnded = Reason(name: "INPUT_ENDED")
        public static let inputGap = Reason(name: "INPUT_GAP")
        public static let noTerminal = Reason(name: "NO_TERMINAL")
        /// Creating containers has failed, and the server waits before the next try.
        public static let breakerOpen = Reason(name: "BREAKER_OPEN")
        public static let shuttingDown = Reason(name: "SHUTTING_DOWN")
        public static let drainingPool = Reason(name: "DRAINING_POOL")
        public static let noSuchContext = Reason(name: "NO_SUCH_CONTEXT")
        public static let contextLimit = Reason(name: "CONTEXT_LIMIT")
        /// A piece of code runs in it.
        public static let contextBusy = Reason(name: "CONTEXT_BUSY")
        public static let contextStartFailed = Reason(name: "CONTEXT_START_FAILED")
        /// Nobody listens there, or whoever does takes no more connections.
        public static let connectionRefused = Reason(name: "CONNECTION_REFUSED")
        public static let notASocket = Reason(name: "NOT_A_SOCKET")
        public static let connectionLimit = Reason(name: "CONNECTION_LIMIT")
        /// No token, or one that is unknown, revoked or expired.
        public static let unknownCaller = Reason(name: "UNKNOWN_CALLER")
        public static let operatorOnly = Reason(name: "OPERATOR_ONLY")
        /// A limit of the tenant: `metadata["limit"]` names it, "retry_after_ms" is the time until it may be tried again.
        public static let tenantLimit = Reason(name: "TENANT_LIMIT")
    }
}
