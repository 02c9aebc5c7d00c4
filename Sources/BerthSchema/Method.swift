// SPDX-License-Identifier: Apache-2.0

/// A service of the contract. dev/generate-schema writes the conformances.
public protocol ServiceContract {
    /// The methods, over which a router switches.
    associatedtype Method: ServiceMethod
    /// The full name of the service, for example `berth.v1.Pool`.
    static var name: String { get }
}

/// A method of a service; the raw value is its name on the wire.
public protocol ServiceMethod: RawRepresentable<String>, CaseIterable, Sendable {
    /// Whether it answers with a stream of messages.
    var isStreaming: Bool { get }
}

/// A method with one answer, for callers.
public struct UnaryMethod<Request: Message, Response: Message>: Sendable {
    /// The full name of the service.
    public let service: String
    public let name: String

    public init<S: ServiceContract>(_ service: S.Type, _ method: S.Method) {
        self.service = service.name
        name = method.rawValue
    }
}

/// A method that answers with a stream, for callers.
public struct StreamingMethod<Request: Message, Event: Message>: Sendable {
    /// The full name of the service.
    public let service: String
    public let name: String

    public init<S: ServiceContract>(_ service: S.Type, _ method: S.Method) {
        self.service = service.name
        name = method.rawValue
    }
}
