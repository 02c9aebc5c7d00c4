// SPDX-License-Identifier: Apache-2.0

internal import CCurl

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// One request in flight. It owns the easy handle and everything that the handle points to. Only the thread of the loop
/// uses it, except for its constants.
final class Transfer: @unchecked Sendable {
    let request: HTTPRequest
    let lines: LineQueue?
    private let onHead: (@Sendable (Int) -> Void)?
    private(set) var easy: UnsafeMutableRawPointer?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var errorText: UnsafeMutablePointer<CChar>?
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private var status = 0
    private var isUnixSocket = false
    private var commands: CommandConnector?
    /// The error of a callback that ended the transfer.
    private var ownError: HTTPError?
    var continuation: CheckedContinuation<Result<HTTPResponse, HTTPError>, Never>?

    init(_ request: HTTPRequest, onHead: (@Sendable (Int) -> Void)?, lines: LineQueue?) {
        self.request = request
        self.onHead = onHead
        self.lines = lines
    }

    /// Creates the easy handle, which `release` frees.
    /// - Parameter commands: makes the connections of an endpoint that is a command. It must outlive the multi handle.
    func prepare(for endpoint: HTTPEndpoint, commands: CommandConnector?) throws(HTTPError) {
        guard let easy = curl_easy_init() else { throw HTTPError(.invalidRequest, "libcurl is out of memory") }
        self.easy = easy
        let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(berth_error_size))
        errorText.initialize(repeating: 0, count: Int(berth_error_size))
        self.errorText = errorText
        berth_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        let context = Unmanaged.passUnretained(self).toOpaque()
        berth_setopt_pointer(easy, CURLOPT_PRIVATE, context)
        berth_setopt_pointer(easy, CURLOPT_WRITEDATA, context)
        berth_setopt_pointer(easy, CURLOPT_HEADERDATA, context)
        berth_setopt_receive(easy, CURLOPT_WRITEFUNCTION, Transfer.receiveBody)
        berth_setopt_receive(easy, CURLOPT_HEADERFUNCTION, Transfer.receiveHeader)
        // No signals, since they concern the whole process. No proxy, since those of the environment are for the web.
        berth_setopt_long(easy, CURLOPT_NOSIGNAL, 1)
        berth_setopt_string(easy, CURLOPT_PROXY, "")
        berth_setopt_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        berth_setopt_long(easy, CURLOPT_TIMEOUT_MS, max(1, request.timeout.wholeMilliseconds))
        berth_setopt_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        try setMethod(easy)
        self.commands = commands
        let base = try easySetEndpoint(easy, endpoint, commands)
        if case .unixSocket = endpoint { isUnixSocket = true }
        let code = berth_setopt_string(easy, CURLOPT_URL, base + request.target)
        guard code == CURLE_OK, request.path.first == "/" else {
            throw HTTPError(.invalidRequest, "no valid path: \(request.path)")
        }
    }

    private func setMethod(_ easy: UnsafeMutableRawPointer) throws(HTTPError) {
        var headers = request.headers.map { "\($0.name): \($0.value)" }
        // An empty Expect keeps curl from asking before it sends a large body, and waiting up to a second for the
        // answer.
        headers.append("Expect:")
        switch request.method {
        case .get: break
        case .head: berth_setopt_long(easy, CURLOPT_NOBODY, 1)
        case .post, .put, .delete: berth_setopt_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
        if request.method == .post {
            // On a kept connection that turns out to be dead, curl would send the request a second time.
            berth_setopt_long(easy, CURLOPT_FRESH_CONNECT, 1)
        }
        if request.method == .post || request.method == .put || request.body != nil {
            let body = request.body ?? []
            berth_setopt_long(easy, CURLOPT_POSTFIELDSIZE, body.count)
            body.withUnsafeBytes { bytes in
                let empty = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(StaticString("").utf8Start))
                let start = bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) } ?? empty
                _ = berth_setopt_pointer(easy, CURLOPT_COPYPOSTFIELDS, start)
            }
            if !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
                headers.append("Content-Type: \(request.body == nil ? "" : "application/json")")
            }
        }
        for header in headers {
            guard !header.utf8.contains(where: { $0 == 13 || $0 == 10 }),
                let list = curl_slist_append(headerList, header)
            else { throw HTTPError(.invalidRequest, "a header holds a line break") }
            headerList = list
        }
        berth_setopt_list(easy, CURLOPT_HTTPHEADER, headerList)
    }

    /// Frees the easy handle, which must have been removed from its multi handle.
    func release() {
        if let easy { curl_easy_cleanup(easy) }
        curl_slist_free_all(headerList)
        errorText?.deallocate()
        (easy, headerList, errorText) = (nil, nil, nil)
    }

    // MARK: Callbacks

    private static let receiveBody: berth_receive = { bytes, size, count, context in
        guard let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return transfer.received(UnsafeRawBufferPointer(start: bytes, count: size * count))
    }

    private static let receiveHeader: berth_receive = { bytes, size, count, context in
        guard let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return transfer.receivedHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
    }

    private func received(_ bytes: UnsafeRawBufferPointer) -> Int {
        if let lines, (200..<300).contains(status) {
            switch lines.offer(bytes) {
            case .taken: return bytes.count
            case .full: return Int(berth_receive_pause)
            case .lineTooLong:
                ownError = HTTPError(
                    .bodyTooLarge, "a line of the response is longer than \(request.maxBodyBytes) bytes")
                return 0
            }
        }
        guard body.count + bytes.count <= request.maxBodyBytes else {
            ownError = HTTPError(.bodyTooLarge, "the response is longer than \(request.maxBodyBytes) bytes")
            return 0
        }
        body.append(contentsOf: bytes)
        return bytes.count
    }

    private func receivedHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        let line = String(decoding: bytes, as: UTF8.self).trimmingLineEnd
        if line.hasPrefix("HTTP/") {
            // If there are several heads, for example 100 Continue first, the last one counts.
            headers = []
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        } else if line.isEmpty {
            if status >= 200 { onHead?(status) }
        } else if let colon = line.firstIndex(of: ":"), headers.count < 256 {
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            headers.append((line[..<colon].lowercased(), String(value)))
        }
        return bytes.count
    }

    /// The result for the caller when curl reports the end of the transfer.
    func outcome(_ code: CURLcode) -> Result<HTTPResponse, HTTPError> {
        if let ownError { return .failure(ownError) }
        guard code == CURLE_OK else { return .failure(error(code)) }
        return .success(HTTPResponse(status: status, headers: headers, body: body))
    }

    private func error(_ code: CURLcode) -> HTTPError {
        let error = easyError(easy, code, errorText, isUnixSocket: isUnixSocket)
        // The program knows more than curl, for example "Permission denied (publickey)".
        guard let words = commands?.takeLastWords(), error.kind != .cancelled else { return error }
        return HTTPError(error.kind == .timedOut ? .timedOut : .cannotConnect, words)
    }
}

extension Duration {
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        // At most a day, which fits every long.
        return seconds >= 86_400 ? 86_400_000 : Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}

extension String {
    fileprivate var trimmingLineEnd: String {
        var view = self[...].unicodeScalars
        while let last = view.last, last == "\r" || last == "\n" { view.removeLast() }
        return String(view)
    }
}
