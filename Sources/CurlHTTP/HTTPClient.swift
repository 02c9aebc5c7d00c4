// SPDX-License-Identifier: Apache-2.0

/// An HTTP/1.1 client for one server, over libcurl's multi interface.
///
/// One thread waits for all transfers in `curl_multi_poll`, and is woken with `curl_multi_wakeup`. The alternative,
/// sockets and timers by callback on an epoll, pays off only with thousands of transfers. A container engine gets a
/// handful of requests at a time, none of them on the data path, and this is half the code. Connections are kept and
/// used again.
package final class HTTPClient: Sendable {
    private let loop: CurlLoop
    let endpoint: HTTPEndpoint

    /// - Throws: `HTTPError` if libcurl or its thread can't be set up.
    package init(endpoint: HTTPEndpoint) throws(HTTPError) {
        self.endpoint = endpoint
        loop = try CurlLoop(endpoint: endpoint)
    }

    deinit { loop.shutdown() }

    /// Sends a request and returns the whole response, whatever its status. If the task is cancelled, the transfer is
    /// aborted at once and its connection closed.
    /// - Parameter onHead: called with the status when the head has arrived, on the client's thread. It must not block.
    package func send(
        _ request: HTTPRequest, onHead: (@Sendable (Int) -> Void)? = nil
    ) async throws(HTTPError) -> HTTPResponse {
        let transfer = Transfer(request, onHead: onHead, lines: nil)
        return try await perform(transfer)
    }

    /// Sends a request and calls `each` with every line of the body as it arrives, without its line end. While `each`
    /// runs, lines are queued; the transfer pauses when more than `HTTPRequest.maxBodyBytes` would be in the queue, not
    /// counting one incomplete line of at most that length.
    ///
    /// If the status is not a success, the response is returned with its body instead, which has the same maximum.
    /// - Throws: `HTTPError`, or an error of `each`, which aborts the transfer.
    package func lines(
        _ request: HTTPRequest, each: (sending [UInt8]) async throws -> Void
    ) async throws -> HTTPResponse {
        let queue = LineQueue(limit: request.maxBodyBytes)
        let transfer = Transfer(request, onHead: nil, lines: queue)
        async let response: HTTPResponse = {
            // In every case, the loop ends the queue.
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

    /// Ends the thread. Transfers in flight end as cancelled. It may be called again.
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
