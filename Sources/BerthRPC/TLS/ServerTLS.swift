// SPDX-License-Identifier: Apache-2.0

internal import NIOSSL
internal import Synchronization

/// TLS of a server's TCP ports. Its files can be exchanged while it runs: open connections keep what they began with.
public final class ServerTLS: Sendable {
    private struct State {
        var context: NIOSSLContext
        var expiry: Int
        /// The files that were looked at last, also if they were wrong.
        var stamps: [SmallFile.Stamp]
    }

    public let files: TLSFiles
    private let state: Mutex<State>

    /// - Throws: INVALID_ARGUMENT, whose message names the file and what is wrong with it.
    public init(_ files: TLSFiles) throws(RPCError) {
        self.files = files
        let stamps = files.stamps
        let (context, expiry) = try files.serverContext()
        state = Mutex(State(context: context, expiry: expiry, stamps: stamps))
    }

    var context: NIOSSLContext { state.withLock { $0.context } }

    /// When the certificate in use ends, in seconds since 1970.
    public var expiry: Int { state.withLock { $0.expiry } }

    /// Reads the files again; connections that begin after that use them.
    /// - Throws: INVALID_ARGUMENT if something is wrong with them: those before stay in use.
    public func reload() throws(RPCError) {
        let stamps = files.stamps
        // Before they are read: a file that changes meanwhile is read again.
        state.withLock { $0.stamps = stamps }
        let (context, expiry) = try files.serverContext()
        state.withLock { ($0.context, $0.expiry) = (context, expiry) }
    }

    /// Reads the files again if one of them is another than when they were looked at last.
    /// - Returns: whether they were read.
    public func reloadIfChanged() throws(RPCError) -> Bool {
        let stamps = files.stamps
        guard state.withLock({ $0.stamps != stamps }) else { return false }
        try reload()
        return true
    }
}

/// TLS of a client.
public struct ClientTLS: Sendable {
    let context: NIOSSLContext

    /// Reads the files. It may block, and takes milliseconds.
    /// - Throws: INVALID_ARGUMENT, whose message names the file and what is wrong with it.
    public init(_ files: TLSFiles = TLSFiles()) throws(RPCError) {
        context = try files.clientContext()
    }
}
