// SPDX-License-Identifier: Apache-2.0

/// An HTTP/1.1 client of one server, over libcurl's multi interface.
///
/// One thread of its own waits for all transfers in `curl_multi_poll` and is woken with `curl_multi_wakeup`. The
/// alternative, sockets and timers by callback on an epoll, pays from thousands of transfers on; an engine's API sees a
/// handful, none of them on the data path, and this has half the code. Connections are kept and used again.
package final class HTTPClient: Sendable {
    private let loop: CurlLoop
    let endpoint: HTTPEndpoint

    /// - Throws: `HTTPError` when libcurl or its thread can't be set up.
    package init(endpoint: HTTPEndpoint) throws(HTTPError) {
        self.endpoint = endpoint
        loop = try CurlLoop(endpoint: endpoint)
    }

    deinit { loop.shutdown() }

    /// Sends a request and returns the whole response, whatever its status. Cancelling the task aborts the transfer at
    /// once, closing its connection.
    /// - Parameter onHead: called on the client's thread with the status when the head has come; must not block.
    package func send(
        _ request: HTTPRequest, onHead: (@Sendable (Int) -> Void)? = nil
    ) async throws(HTTPError) -> HTTPResponse {
        let transfer = Transfer(request, onHead: onHead, lines: nil)
        return try await perform(transfer)
    }

    /// Sends a request and calls `each` with every line of the body as it comes, without its end. While `each` runs, at
    /// most `HTTPRequest.maxBodyBytes` wait; then the server has to.
    ///
    /// A response whose status is no success is returned with its body instead, which is bounded alike.
    /// - Throws: `HTTPError`, or what `each` throws, which aborts the transfer.
    package func lines(
        _ request: HTTPRequest, each: (sending [UInt8]) async throws -> Void
    ) async throws -> HTTPResponse {
        let queue = LineQueue(limit: request.maxBodyBytes)
        let transfer = Transfer(request, onHead: nil, lines: queue)
        async let response: HTTPResponse = {
            // The queue's end is the loop's to tell, in every case.
            try await self.perform(transfer)
        }()
        do {
            while let next = await queue.next() {
                if next.wasFull { loop.resume(transfer) }
                for line in next.lines { try await each(line) }
            }
        } catch {
            loop.cancel(transfer)
            _ = try? await response
            throw error
        }
        return try await response
    }

    /// Ends the thread; transfers under way end as cancelled. Idempotent.
    package func shutdown() { loop.shutdown() }

    private func perform(_ transfer: Transfer) async throws(HTTPError) -> HTTPResponse {
        let result: Result<HTTPResponse, HTTPError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.start(transfer, continuation)
            }
        } onCancel: {
            loop.cancel(transfer)
        }
        return try result.get()
    }
}
