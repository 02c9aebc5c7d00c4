// SPDX-License-Identifier: Apache-2.0

internal import CCurl

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Sets the address of the server on an easy handle.
/// - Returns: the URL without its path.
func easySetEndpoint(
    _ easy: UnsafeMutableRawPointer, _ endpoint: HTTPEndpoint, _ commands: CommandConnector?
) throws(HTTPError) -> String {
    let base: String
    switch endpoint {
    case .unixSocket(let path):
        guard path.utf8.count < 108 else {
            throw HTTPError(.invalidRequest, "the socket's path is longer than 107 bytes: \(path)")
        }
        berth_setopt_string(easy, CURLOPT_UNIX_SOCKET_PATH, path)
        base = "http://localhost"
    case .tcp(let host, let port, let tls):
        let authority = host.contains(":") ? "[\(host)]" : host
        base = "\(tls == nil ? "http" : "https")://\(authority):\(port)"
        if let tls { easySetTLS(easy, tls) }
        // A machine that is gone says nothing: without probes, who waits for it would wait for ever.
        berth_setopt_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        berth_setopt_long(easy, CURLOPT_TCP_KEEPIDLE, 15)
        berth_setopt_long(easy, CURLOPT_TCP_KEEPINTVL, 5)
    case .command:
        guard let commands else { throw HTTPError(.invalidRequest, "no program is named") }
        commands.install(on: easy)
        // Any path will do: the connector decides where each connection leads.
        berth_setopt_string(easy, CURLOPT_UNIX_SOCKET_PATH, "/command")
        base = "http://localhost"
    }
    berth_setopt_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    return base
}

private func easySetTLS(_ easy: UnsafeMutableRawPointer, _ tls: HTTPTLS) {
    if let authorities = tls.authorities { berth_setopt_string(easy, CURLOPT_CAINFO, authorities) }
    if let certificate = tls.certificate { berth_setopt_string(easy, CURLOPT_SSLCERT, certificate) }
    if let key = tls.key { berth_setopt_string(easy, CURLOPT_SSLKEY, key) }
    berth_setopt_long(easy, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    if !tls.verifies {
        berth_setopt_long(easy, CURLOPT_SSL_VERIFYPEER, 0)
        berth_setopt_long(easy, CURLOPT_SSL_VERIFYHOST, 0)
    }
}

/// Turns a result code of curl into an error.
func easyError(
    _ easy: UnsafeMutableRawPointer?, _ code: CURLcode, _ errorText: UnsafeMutablePointer<CChar>?, isUnixSocket: Bool
) -> HTTPError {
    var words = errorText.map { String(cString: $0) } ?? ""
    if words.isEmpty { words = String(cString: curl_easy_strerror(code)) }
    var number = 0
    if let easy { berth_getinfo_long(easy, CURLINFO_OS_ERRNO, &number) }
    switch code {
    case CURLE_OPERATION_TIMEDOUT: return HTTPError(.timedOut, words)
    case CURLE_COULDNT_CONNECT:
        if number != 0 {
            let cause = String(cString: strerror(Int32(number)))
            // For a socket, curl's text names host and port of the URL, which mean nothing there.
            words = isUnixSocket ? cause : "\(words) (\(cause))"
        }
        switch Int32(number) {
        case ENOENT: return HTTPError(.noSuchSocket, words)
        case EACCES, EPERM: return HTTPError(.permissionDenied, words)
        case ECONNREFUSED: return HTTPError(.connectionRefused, words)
        default: return HTTPError(.cannotConnect, words)
        }
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_INTERFACE_FAILED: return HTTPError(.cannotConnect, words)
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
        CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
        return HTTPError(.tls, words)
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return HTTPError(.invalidRequest, words)
    default: return HTTPError(.protocolViolation, words)
    }
}
