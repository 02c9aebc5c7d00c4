// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import CHost
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Decodes what arrives on an upgraded connection.
package protocol StreamDecoder: Sendable {
    /// Decodes `bytes`, which may begin and end anywhere in the stream, and appends the result to `output`.
    /// - Throws: `HTTPError` if they violate the protocol; then the stream ends.
    mutating func decode(_ bytes: UnsafeRawBufferPointer, into output: inout [UInt8]) throws(HTTPError)
}

/// The response to an upgrade request.
package struct HTTPUpgrade: Sendable {
    package var response: HTTPResponse
    /// A socket on which the upgraded connection goes on; the caller must close it. Nil if the server refused the
    /// upgrade.
    package var descriptor: Int32?
}

extension HTTPClient {
    /// Sends an upgrade request on a new connection, and takes over the connection if the server answers 101.
    ///
    /// Then a thread copies bytes between the connection, which may use TLS or a program, and the socket that the
    /// caller gets. It buffers one read of at most 128 KiB in each direction, and ends when one of the two ends. If the
    /// task is cancelled, this returns at once, and the thread closes the connection.
    package func upgrade(
        _ request: HTTPRequest, decoder: any StreamDecoder
    ) async throws(HTTPError) -> HTTPUpgrade {
        let work = UpgradeThread(request, endpoint, decoder)
        let result: Result<HTTPUpgrade, HTTPError> = await withTaskCancellationHandler {
            await withCheckedContinuation { work.start($0) }
        } onCancel: {
            work.cancel()
        }
        return try result.get()
    }
}

/// One upgraded connection, from beginning to end. It has a thread, since a handle of libcurl belongs to one thread.
private final class UpgradeThread: Sendable {
    private static let maxHead = 64 << 10
    /// Maximum bytes of the body of a refusal.
    private static let maxBody = 64 << 10

    private typealias Waiting = CheckedContinuation<Result<HTTPUpgrade, HTTPError>, Never>

    private enum Caller {
        case waiting(Waiting)
        case none
        case cancelled
    }

    private let request: HTTPRequest
    private let endpoint: HTTPEndpoint
    private let decoder: any StreamDecoder
    private let caller = Mutex(Caller.none)
    /// Becomes readable on cancellation.
    private let cancelled: Int32

    init(_ request: HTTPRequest, _ endpoint: HTTPEndpoint, _ decoder: any StreamDecoder) {
        self.request = request
        self.endpoint = endpoint
        self.decoder = decoder
        cancelled = berth_event()
    }

    deinit { if cancelled >= 0 { close(cancelled) } }

    func start(_ continuation: CheckedContinuation<Result<HTTPUpgrade, HTTPError>, Never>) {
        let isCancelled = caller.withLock { caller in
            if case .cancelled = caller { return true }
            caller = .waiting(continuation)
            return false
        }
        guard !isCancelled else { return continuation.resume(returning: .failure(HTTPError(.cancelled, "cancelled"))) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 512 << 10)
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let work = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, &attributes,
            { context in
                if let context { Unmanaged<UpgradeThread>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, work.toOpaque())
        guard code == 0 else {
            work.release()
            answer(.failure(HTTPError(.cannotConnect, "no thread: \(String(cString: strerror(code)))")))
            return
        }
        pthread_detach(thread)
    }

    func cancel() {
        let waiting = caller.withLock { caller -> Waiting? in
            defer { caller = .cancelled }
            if case .waiting(let continuation) = caller { return continuation }
            return nil
        }
        var one: UInt64 = 1
        _ = write(cancelled, &one, 8)
        waiting?.resume(returning: .failure(HTTPError(.cancelled, "cancelled")))
    }

    /// Returns false if the caller no longer waits.
    @discardableResult
    private func answer(_ result: Result<HTTPUpgrade, HTTPError>) -> Bool {
        let waiting = caller.withLock { caller -> Waiting? in
            guard case .waiting(let continuation) = caller else { return nil }
            caller = .none
            return continuation
        }
        waiting?.resume(returning: result)
        return waiting != nil
    }

    // MARK: On the thread

    private func run() {
        let commands = CommandConnector.of(endpoint)
        guard let easy = curl_easy_init() else {
            answer(.failure(HTTPError(.invalidRequest, "libcurl is out of memory")))
            return
        }
        do throws(HTTPError) {
            let connection = try connect(easy, commands)
            let exchanged = try exchange(connection)
            guard exchanged.response.status == 101 else {
                curl_easy_cleanup(easy)
                answer(.success(HTTPUpgrade(response: exchanged.response, descriptor: nil)))
                return
            }
            var ends: [Int32] = [-1, -1]
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
                throw HTTPError(.cannotConnect, "socketpair: \(String(cString: strerror(errno)))")
            }
            if answer(.success(HTTPUpgrade(response: exchanged.response, descriptor: ends[0]))) {
                var pump = StreamPump(connection: connection, local: ends[1], decoder: decoder)
                pump.run(beginningWith: exchanged.rest)
            } else {
                close(ends[0])
            }
            close(ends[1])
            curl_easy_cleanup(easy)
        } catch {
            curl_easy_cleanup(easy)
            // The connection is closed now, so the program of a command has written its error.
            let words = commands?.takeLastWords()
            answer(.failure(words.map { HTTPError(.cannotConnect, $0) } ?? error))
        }
        withExtendedLifetime(commands) {}
    }

    private func connect(
        _ easy: UnsafeMutableRawPointer, _ commands: CommandConnector?
    ) throws(HTTPError) -> RawConnection {
        let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(berth_error_size))
        errorText.initialize(repeating: 0, count: Int(berth_error_size))
        defer {
            berth_setopt_pointer(easy, CURLOPT_ERRORBUFFER, nil)
            errorText.deallocate()
        }
        berth_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        berth_setopt_long(easy, CURLOPT_NOSIGNAL, 1)
        berth_setopt_string(easy, CURLOPT_PROXY, "")
        berth_setopt_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        berth_setopt_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        berth_setopt_long(easy, CURLOPT_CONNECT_ONLY, 1)
        let base = try easySetEndpoint(easy, endpoint, commands)
        berth_setopt_string(easy, CURLOPT_URL, "\(base)/")
        var isUnixSocket = false
        if case .unixSocket = endpoint { isUnixSocket = true }
        let code = curl_easy_perform(easy)
        guard code == CURLE_OK else { throw easyError(easy, code, errorText, isUnixSocket: isUnixSocket) }
        var socket = curl_socket_t(-1)
        guard berth_getinfo_socket(easy, &socket) == CURLE_OK, socket >= 0 else {
            throw HTTPError(.cannotConnect, "there is no connection")
        }
        if case .tcp = endpoint {
            // What is not acknowledged for half a minute never will be. The system's own limit is a quarter of an hour.
            var milliseconds: Int32 = 30_000
            let size = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, size)
        }
        return RawConnection(easy: easy, socket: socket)
    }

    /// Sends the request and reads the head of the response, and the body if it is a refusal.
    private func exchange(_ connection: RawConnection) throws(HTTPError) -> (response: HTTPResponse, rest: [UInt8]) {
        let deadline = ContinuousClock.now + request.timeout
        let body = request.body ?? []
        var head = "\(request.method.rawValue) \(request.target) HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        head += "Upgrade: tcp\r\nContent-Length: \(body.count)\r\n"
        for header in request.headers {
            guard !header.name.contains(where: \.isNewline), !header.value.contains(where: \.isNewline) else {
                throw HTTPError(.invalidRequest, "a header holds a line break")
            }
            head += "\(header.name): \(header.value)\r\n"
        }
        var unsent = (Array("\(head)\r\n".utf8) + body)[...]
        while !unsent.isEmpty {
            switch connection.send(unsent) {
            case .moved(let count): unsent = unsent.dropFirst(count)
            case .wouldBlock: try wait(connection, POLLOUT, deadline)
            case .ended: throw HTTPError(.protocolViolation, "the server closed the connection")
            }
        }
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        var response: HTTPResponse?
        while true {
            if response == nil, let end = Self.endOfHead(received) {
                response = try Self.head(received[..<end])
                received.removeFirst(end)
            }
            if var response {
                let length = response.header("content-length").flatMap { Int($0) } ?? Self.maxBody
                if response.status == 101 { return (response, received) }
                if received.count >= min(length, Self.maxBody) {
                    response.body = received
                    return (response, [])
                }
            }
            switch chunk.withUnsafeMutableBytes({ connection.receive($0) }) {
            case .moved(let count): received += chunk.prefix(count)
            case .wouldBlock: try wait(connection, POLLIN, deadline)
            case .ended:
                guard var response else { throw HTTPError(.protocolViolation, "the server closed the connection") }
                response.body = received
                return (response, [])
            }
            guard received.count <= Self.maxHead + Self.maxBody else {
                throw HTTPError(.protocolViolation, "the head of the response is too long")
            }
        }
    }

    private func wait(
        _ connection: RawConnection, _ events: Int32, _ deadline: ContinuousClock.Instant
    ) throws(HTTPError) {
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { throw HTTPError(.timedOut, "no answer in \(request.timeout)") }
        var ends = [
            pollfd(fd: connection.socket, events: Int16(events), revents: 0),
            pollfd(fd: cancelled, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&ends, 2, Int32(clamping: left.wholeMilliseconds + 1))
        if ends[1].revents != 0 { throw HTTPError(.cancelled, "cancelled") }
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for end in 4...bytes.count where bytes[end - 1] == 10 && bytes[end - 2] == 13 && bytes[end - 3] == 10 {
            if bytes[end - 4] == 13 { return end }
        }
        return nil
    }

    private static func head(_ bytes: ArraySlice<UInt8>) throws(HTTPError) -> HTTPResponse {
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, first.hasPrefix("HTTP/1."),
            let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { throw HTTPError(.protocolViolation, "what listens there does not speak HTTP") }
        lines.removeFirst()
        let headers = lines.prefix(256).compactMap { line -> (name: String, value: String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), String(line[line.index(after: colon)...].drop { $0 == " " }))
        }
        return HTTPResponse(status: status, headers: headers, body: [])
    }
}
