// SPDX-License-Identifier: Apache-2.0

import Access
import Berth
import BerthRPC
import Configuration
import Embedded
import Housekeeping
import Logging
import Pool
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The checked settings of `berth serve`.
struct ServerSettings: Sendable {
    var configuration: ServerConfiguration
    var addresses: [ServerAddress]
    /// Sockets that the manager of services has opened, at these addresses; empty: the server opens its own.
    var sockets: [InheritedSocket] = []
    /// The source to read again at a reload.
    var source: ConfigurationSource
    var logger: Logger
    /// Templates that are prepared already, with the images that they stand for.
    var knownTemplates: [MemberTemplate] = []

    var limits: ServiceLimits {
        var limits = ServiceLimits(
            defaultTimeout: configuration.executionTimeout, defaultGrace: configuration.executionGrace,
            maxTimeout: configuration.maxExecutionTimeout, uid: configuration.uid ?? MemberTemplate.standardUID,
            outputGrace: configuration.outputGrace, maxOutputGrace: configuration.maxOutputGrace)
        limits.maxExecutionsPerLease = configuration.maxExecutions
        limits.maxConnectionsPerLease = configuration.maxConnects
        limits.maxWatchers = configuration.maxWatchers
        limits.maxContexts = configuration.maxContexts
        limits.maxDisplay = Int(configuration.maxDisplayBytes)
        limits.unreadTime = configuration.unreadTime
        return limits
    }

    var limitPolicy: LimitPolicy { LimitPolicy(rawValue: configuration.limits.rawValue) ?? .required }

    /// The files of TLS; nil: TCP addresses speak plain ttrpc.
    var tls: TLSFiles? {
        guard configuration.tlsCertificate != nil else { return nil }
        return TLSFiles(
            certificate: configuration.tlsCertificate, key: configuration.tlsKey,
            authorities: configuration.tlsClientAuthorities)
    }

    /// Nil: nothing is audited.
    /// - Throws: `Failure` if the file can't be written to.
    func auditTrail() throws -> AuditTrail? {
        guard let path = configuration.audit else { return nil }
        do {
            let log = try AuditLog(
                path, maxSize: configuration.auditBytes,
                onFailure: { [logger] words in
                    logger.error("the audit log can't be written", metadata: ["file": "\(path)", "error": "\(words)"])
                },
                onRecovery: { [logger] lost in
                    logger.notice(
                        "the audit log is written again", metadata: ["file": "\(path)", "lines.lost": "\(lost)"])
                })
            return AuditTrail(log, isWhole: configuration.auditArguments == .whole) {
                var now = timespec()
                clock_gettime(CLOCK_REALTIME, &now)
                return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
            }
        } catch {
            throw Failure(error.description, code: 2)
        }
    }

    /// The configured name, or one that is the same after a restart and differs between the servers of a host.
    var instanceName: String {
        if let instance = configuration.instance { return instance }
        for address in addresses {
            switch address {
            case .tcp(_, let port) where port != 0, .tls(_, let port) where port != 0: return "\(port)"
            case .unix(let path): return "unix-\(path.utf8.reduce(UInt32(5381)) { ($0 << 5) &+ $0 &+ UInt32($1) })"
            case .tcp, .tls: continue
            }
        }
        return "pid-\(getpid())"
    }
}
