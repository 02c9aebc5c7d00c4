// SPDX-License-Identifier: Apache-2.0

public import BerthSchema

/// Why a call failed: gRPC's code, and a message that says what was wrong and what would be right.
public struct RPCError: Error, Sendable, Equatable, CustomStringConvertible {
    /// gRPC's status codes; the raw values are the wire's.
    public enum Code: Int32, Sendable, CaseIterable {
        case cancelled = 1
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case alreadyExists = 6
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case aborted = 10
        case outOfRange = 11
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
        case dataLoss = 15
        case unauthenticated = 16
    }

    public var code: Code
    public var message: String
    /// A more precise kind, if the code is too coarse to act on.
    public var reason: ErrorReason?
    /// The name of a reason that this version does not know; nil if `reason` is set, or there is none.
    package var otherReason: String?
    /// Details of the reason, named as in the contract.
    public var metadata: [String: String]

    public init(_ code: Code, _ message: String, _ reason: ErrorReason? = nil, metadata: [String: String] = [:]) {
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = metadata
    }

    public static func unimplemented(service: String, method: String) -> RPCError {
        RPCError(.unimplemented, "there is no method \(method) in a service \(service)")
    }

    public var description: String { "\(code): \(message)" }

    var status: Status {
        let name = reason?.protoName ?? otherReason
        return Status(
            code: code.rawValue, message: message, info: name.map { ErrorInfo(reason: $0, metadata: metadata) })
    }

    /// nil for a successful status. A code that gRPC does not define becomes `unknown`.
    init?(_ status: Status?) {
        guard let status, status.code != 0 else { return nil }
        let reason = status.info.flatMap { ErrorReason(name: $0.reason) }
        self.init(
            Code(rawValue: status.code) ?? .unknown, status.message, reason, metadata: status.info?.metadata ?? [:])
        if reason == nil { otherReason = status.info?.reason }
    }
}
