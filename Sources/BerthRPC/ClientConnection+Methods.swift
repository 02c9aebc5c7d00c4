// SPDX-License-Identifier: Apache-2.0

public import BerthSchema
public import NIOCore

/// Typed calls of the contract's methods.
extension ClientConnection {
    /// Calls a unary method; parameters as for the call by name.
    public func unary<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ message: Request, timeout: TimeAmount? = nil,
        metadata: [KeyValue] = [], then: @escaping @Sendable (Result<ByteBuffer, RPCError>) -> Void
    ) {
        unary(
            service: method.service, method: method.name, message, timeout: timeout, metadata: metadata, then: then)
    }

    /// Calls a unary method and decodes its answer; parameters as for the call by name.
    public func unary<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ message: Request, timeout: TimeAmount? = nil,
        metadata: [KeyValue] = []
    ) async throws(RPCError) -> Response {
        try await unary(
            service: method.service, method: method.name, message, timeout: timeout, metadata: metadata,
            returning: Response.self)
    }

    /// Calls a server-streaming method; parameters as for the call by name.
    @discardableResult
    public func stream<Request, Event>(
        _ method: StreamingMethod<Request, Event>, _ message: Request, timeout: TimeAmount? = nil,
        metadata: [KeyValue] = [], on event: @escaping @Sendable (StreamEvent) -> Void
    ) -> ClientStream {
        stream(service: method.service, method: method.name, message, timeout: timeout, metadata: metadata, on: event)
    }
}
