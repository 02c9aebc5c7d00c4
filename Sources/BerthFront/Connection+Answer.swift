// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Why a unary call has failed.
struct CallFailure: Error {
    /// The status code of gRPC.
    let code: Int32
    let message: String
}

extension Connection {
    private static let unavailable: Int32 = 14

    /// Makes a unary call and waits for its answer.
    mutating func answer<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ request: Request
    ) throws(CallFailure) -> Response {
        let stream = call(method, request)
        var watchdog = Watchdog()
        while true {
            send()
            let writes = hasUnsent ? Int16(POLLOUT) : 0
            var polled = pollfd(fd: socket, events: Int16(POLLIN) | writes, revents: 0)
            if poll(&polled, 1, Int32(clamping: max(0, watchdog.next - Watchdog.now()))) > 0 {
                watchdog.heard()
                if let answer = try answer(to: stream, Response.self) { return answer }
            }
            if let words = watchdog.look(&self) { throw CallFailure(code: Connection.unavailable, message: words) }
        }
    }

    private mutating func answer<Response: Message>(
        to stream: UInt32, _: Response.Type
    ) throws(CallFailure) -> Response? {
        do throws(Lost) {
            try receive()
        } catch {
            throw CallFailure(code: Connection.unavailable, message: error.message)
        }
        while let frame = try frame() {
            guard frame.header.type == .response, frame.header.streamID == stream else { continue }
            var payload = 0..<0
            let status: Status?
            do throws(SchemaError) {
                status = try ResponseHead(reading: frame.data, payload: &payload).status
                if (status?.code ?? 0) == 0 {
                    return try Response(
                        decoding: UnsafeRawBufferPointer(rebasing: frame.data[payload]), arena: Arena())
                }
            } catch {
                throw CallFailure(code: Connection.unavailable, message: "the answer cannot be read: \(error)")
            }
            throw CallFailure(code: status?.code ?? 0, message: status?.message ?? "")
        }
        return nil
    }

    private mutating func frame() throws(CallFailure) -> Frame? {
        do throws(Lost) {
            return try next()
        } catch {
            throw CallFailure(code: Connection.unavailable, message: error.message)
        }
    }
}
