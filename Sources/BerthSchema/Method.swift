// SPDX-License-Identifier: Apache-2.0

/// A service of the contract, as dev/generate-schema writes it.
public protocol ServiceContract {
    /// What a router switches over.
    associatedtype Method: ServiceMethod
    /// Its full name, e.g. `berth.v1.Pool`.
    static var name: String { get }
}

/// A method of a service; the raw value is its name on the wire.
public protocol ServiceMethod: RawRepresentable<String>, CaseIterable, Sendable {
    /// It answers with a stream of messages, and not with one.
    var isStreaming: Bool { get }
}

/// A method with one answer, for callers.
public struct UnaryMethod<Request: Message, Response: Message>: Sendable {
    /// The service's full name.
    public let service: String
    public let name: String

    public init<S: ServiceContract>(_ service: S.Type, _ method: S.Method) {
        self.service = service.name
        name = method.rawValue
    }
}

/// A method that answers with a stream, for callers.
public struct StreamingMethod<Request: Message, Event: Message>: Sendable {
    /// The service's full name.
    public let service: String
    public let name: String

    public init<S: ServiceContract>(_ service: S.Type, _ method: S.Method) {
        self.service = service.name
        name = method.rawValue
    }
}
