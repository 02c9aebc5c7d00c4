// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Keeps the files of TLS up to date: new ones count for the connections that begin after that, and no open one is touched.
struct TLSUpkeep: Sendable {
    /// How often it looks whether a file has changed.
    private static let interval = Duration.seconds(2)
    /// A certificate that ends sooner than this is warned about.
    private static let notice = 7 * 24 * 3600

    /// Nil: there is nothing to do.
    let tls: ServerTLS?
    let logger: Logger

    /// Looks for changes until the task is cancelled. A change is seen by its time, size and inode, also through a link that
    /// now leads elsewhere.
    func run() async {
        guard let tls else { return }
        tellOfExpiry()
        while true {
            do { try await Task.sleep(for: Self.interval) } catch { return }
            attempt { () throws(RPCError) in try tls.reloadIfChanged() }
        }
    }

    /// Reads the files again, whether or not they have changed.
    func reload() {
        guard let tls else { return }
        attempt { () throws(RPCError) in
            try tls.reload()
            return true
        }
    }

    private func attempt(_ read: () throws(RPCError) -> Bool) {
        do throws(RPCError) {
            guard try read() else { return }
            logger.notice("the certificate is read again, for connections that begin from now on")
            tellOfExpiry()
        } catch {
            logger.error(
                "the certificate can't be read again, the one before stays in use",
                metadata: ["error": "\(error.message)"])
        }
    }

    private func tellOfExpiry() {
        guard let expiry = tls?.expiry, expiry != .max else { return }
        let left = expiry - time(nil)
        guard left < Self.notice else { return }
        logger.warning(
            left < 0 ? "the certificate has expired, clients will refuse it" : "the certificate expires soon",
            metadata: ["tls.expires_in_s": "\(left)"])
    }
}
