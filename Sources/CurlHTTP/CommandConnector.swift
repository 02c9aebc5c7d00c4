// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import CHost
@preconcurrency internal import Dispatch
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Makes connections that are standard input and output of a program; each connection starts a program.
///
/// When curl asks for a socket, this opens a listener just for it, under a name that the kernel chooses, and gives curl
/// a socket and that address. The connection that the listener accepts becomes the program's. So there is no proxy to
/// run, and no port or file that others see. (A socketpair would be simpler, but libcurl 7.88 would still connect its
/// end.)
final class CommandConnector: Sendable {
    /// Maximum bytes of a program's standard error that are kept.
    private static let diagnosticBytes = 4096

    private struct Running: Equatable {
        var pid: pid_t
        var diagnostic: Int32
    }
    private struct State {
        /// Programs by the descriptor of curl's socket; nil while the program is being started.
        var running: [Int32: Running?] = [:]
        var lastWords: String?
    }

    private let argv: [String]
    private let state = Mutex(State())

    init(_ argv: [String]) { self.argv = argv }

    static func of(_ endpoint: HTTPEndpoint) -> CommandConnector? {
        if case .command(let argv) = endpoint { return CommandConnector(argv) }
        return nil
    }

    /// Makes a handle use this connector. Its connections must not outlive this object.
    func install(on easy: UnsafeMutableRawPointer) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        berth_setopt_pointer(easy, CURLOPT_OPENSOCKETDATA, context)
        berth_setopt_pointer(easy, CURLOPT_CLOSESOCKETDATA, context)
        berth_setopt_open_socket(easy) { context, _, address in
            guard let context, let address else { return -1 }
            return Unmanaged<CommandConnector>.fromOpaque(context).takeUnretainedValue().open(address)
        }
        berth_setopt_close_socket(easy) { context, descriptor in
            guard let context else { return 0 }
            Unmanaged<CommandConnector>.fromOpaque(context).takeUnretainedValue().close(descriptor)
            return 0
        }
    }

    /// The last line that the program of the last closed connection wrote to standard error. It is returned only once.
    func takeLastWords() -> String? { state.withLock { $0.lastWords.take() } }

    private func open(_ address: UnsafeMutablePointer<curl_sockaddr>) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let (listener, descriptor) = (socket(AF_UNIX, kind, 0), socket(AF_UNIX, kind, 0))
        guard listener >= 0, descriptor >= 0, Self.listens(listener, address) else {
            if listener >= 0 { Glibc.close(listener) }
            if descriptor >= 0 { Glibc.close(descriptor) }
            return -1
        }
        // curl connects after this function has returned.
        DispatchQueue.global().async { [self] in
            defer { Glibc.close(listener) }
            guard let accepted = Self.acceptOwn(listener) else { return }
            defer { Glibc.close(accepted) }
            start(accepted, for: descriptor)
        }
        state.withLock { $0.running[descriptor] = .some(nil) }
        return descriptor
    }

    /// Listens under a name that the kernel chooses, and puts that into curl's address.
    private static func listens(_ listener: Int32, _ address: UnsafeMutablePointer<curl_sockaddr>) -> Bool {
        var own = sockaddr_un()
        own.sun_family = sa_family_t(AF_UNIX)
        var length = socklen_t(MemoryLayout<sa_family_t>.size)
        let isBound = withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                guard bind(listener, pointer, length) == 0, listen(listener, 4) == 0 else { return false }
                length = socklen_t(MemoryLayout<sockaddr_un>.size)
                return getsockname(listener, pointer, &length) == 0
            }
        }
        guard isBound else { return false }
        // curl's structure has room for any address at its end, but its header declares only the first part.
        let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) ?? 16
        withUnsafeBytes(of: &own) { bytes in
            UnsafeMutableRawPointer(address).advanced(by: offset)
                .copyMemory(from: bytes.baseAddress ?? UnsafeRawPointer(address), byteCount: Int(length))
        }
        address.pointee.addrlen = length
        return true
    }

    /// Accepts only a connection of this process, since any process of this machine may connect to such a name.
    private static func acceptOwn(_ listener: Int32) -> Int32? {
        while true {
            var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, 10_000) > 0 else { return nil }
            let accepted = accept(listener, nil, nil)
            guard accepted >= 0 else { return nil }
            // struct ucred: pid, uid, gid.
            var peer: [Int32] = [0, 0, 0]
            var size = socklen_t(MemoryLayout<Int32>.size * peer.count)
            if getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, peer[0] == getpid() {
                _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
                return accepted
            }
            Glibc.close(accepted)
        }
    }

    private func start(_ accepted: Int32, for descriptor: Int32) {
        let diagnostic = berth_bounded_file(Self.diagnosticBytes)
        var words = (["/usr/bin/env"] + argv).map { strdup($0) } + [nil]
        defer { for pointer in words { free(pointer) } }
        let pid = berth_spawn(&words, environ, accepted, accepted, diagnostic, -1)
        guard pid > 0 else {
            if diagnostic >= 0 { Glibc.close(diagnostic) }
            return
        }
        let running = Running(pid: pid, diagnostic: diagnostic)
        // The connection may be closed by now.
        let isWanted = state.withLock { state in
            guard let place = state.running[descriptor], place == nil else { return false }
            state.running[descriptor] = running
            return true
        }
        if !isWanted { end(running) }
    }

    private func close(_ descriptor: Int32) {
        let running = state.withLock { $0.running.removeValue(forKey: descriptor) } ?? nil
        Glibc.close(descriptor)
        if let running { end(running) }
    }

    private func end(_ running: Running) {
        let words = Self.lastLine(running.diagnostic)
        if running.diagnostic >= 0 { Glibc.close(running.diagnostic) }
        if let words { state.withLock { $0.lastWords = words } }
        // The program ends when its input does, unless it hangs in a dead network.
        kill(-running.pid, SIGTERM)
        DispatchQueue.global().async {
            var status: Int32 = 0
            while waitpid(running.pid, &status, 0) < 0 && errno == EINTR {}
        }
    }

    private static func lastLine(_ descriptor: Int32) -> String? {
        guard descriptor >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: diagnosticBytes)
        let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
        let text = String(decoding: bytes.prefix(count).prefix { $0 != 0 }, as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).last.map(String.init)
    }
}
