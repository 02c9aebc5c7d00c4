// SPDX-License-Identifier: Apache-2.0

/// A service of the contract, as dev/generate-schema writes it.
package protocol ServiceContract {
    /// What a router switches over.
    associatedtype Method: ServiceMethod
    /// Its full name, e.g. `berth.v1.Pool`.
    static var name: String { get }
}

/// A method of a service; the raw value is its name on the wire.
package protocol ServiceMethod: RawRepresentable<String>, CaseIterable, Sendable {
    /// It answers with a stream of messages, and not with one.
    var isStreaming: Bool { get }
}

/// A method with one answer, for callers.
package struct UnaryMethod<Request: Message, Response: Message>: Sendable {
    /// The service's full name.
    package let service: String
    package let name: String

    package init<S: ServiceContract>(_ service: S.Type, _ method: S.Method) {
        self.service = service.name
        name = method.rawValue
    }
}

/// A method that answers with a stream, for callers.
package struct StreamingMethod<Request: Message, Event: Message>: Sendable {
    /// The service's full name.
    package let service: String
    package let name: String

    package init<S: ServiceContract>(_ service: S.Type, _ method: S.Method) {
        self.service = service.name
        name = method.rawValue
    }
}
