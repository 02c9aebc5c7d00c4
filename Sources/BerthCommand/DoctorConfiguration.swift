// SPDX-License-Identifier: Apache-2.0

import Access
import Berth
import BerthRPC
import Configuration

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What a server's configuration names outside of itself, as `berth doctor --config` sees it: certificates, tokens, files,
/// addresses.
struct DoctorConfiguration {
    /// One line of the report.
    struct Finding {
        enum State: String {
            case ok
            /// The server runs, but not as it should.
            case lacks
            /// The server does not start, or nobody can call it.
            case missing
        }

        var state: State
        var words: String
        /// A command.
        var remedy: String?

        init(_ state: State, _ words: String, _ remedy: String? = nil) {
            (self.state, self.words, self.remedy) = (state, words, remedy)
        }
    }

    /// What ends sooner than this is told.
    private static let notice = 30 * 86400

    let configuration: ServerConfiguration
    let now: Int

    /// Findings by section; sections of what is not configured are left out.
    func findings() -> [(title: String, findings: [Finding])] {
        [("TLS", checkTLS()), ("callers", checkCallers()), ("http", checkHTTP())].filter { !$0.1.isEmpty }
    }

    // MARK: TLS

    private func checkTLS() -> [Finding] {
        guard let path = configuration.tlsCertificate, let key = configuration.tlsKey else { return [] }
        let files = TLSFiles(certificate: path, key: key, authorities: configuration.tlsClientAuthorities)
        let report: TLSReport
        do throws(RPCError) { report = try files.report() } catch { return [Finding(.missing, error.message)] }
        var found = [certificate(report, path)]
        found += hosts(report)
        found.append(privacy(key, "the key"))
        for authority in report.authorities {
            let words = "authority of clients' certificates: \(authority.name), \(validity(authority.notAfter))"
            found.append(Finding(authority.notAfter < now ? .missing : .ok, words))
        }
        return found
    }

    private func certificate(_ report: TLSReport, _ path: String) -> Finding {
        let words = "\(path): \(report.name), \(validity(report.notAfter))"
        if report.notAfter < now { return Finding(.missing, "\(words); clients refuse it") }
        if report.notBefore > now {
            return Finding(.missing, "\(words), but valid only from \(utc(report.notBefore)) on")
        }
        guard report.notAfter - now > Self.notice else {
            return Finding(
                .lacks, "\(words); replace the files, the key first: the server takes the new ones by itself")
        }
        return Finding(.ok, words)
    }

    /// Whether the names of the certificate are those that clients connect to.
    private func hosts(_ report: TLSReport) -> [Finding] {
        let names = report.hosts.isEmpty ? "no name" : report.hosts.joined(separator: ", ")
        var found: [Finding] = []
        for text in configuration.listen {
            guard let address = try? ServerAddress(text) else { continue }
            switch address {
            case .unix: continue
            case .tcp(let host, _), .tls(let host, _):
                if ["0.0.0.0", "::", "*"].contains(host) {
                    found.append(
                        report.hosts.isEmpty
                            ? Finding(.missing, "the certificate names no host, so clients accept it for none")
                            : Finding(.ok, "\(text): clients connect to \(names)"))
                } else if report.isFor(host) {
                    found.append(Finding(.ok, "\(text): the certificate is for \(host)"))
                } else {
                    found.append(
                        Finding(
                            .lacks,
                            "\(text): clients that connect to \(host) refuse the certificate, which is for \(names)"))
                }
            }
        }
        return found
    }

    private func validity(_ end: Int) -> String {
        end < now ? "expired on \(utc(end))" : "expires in \((end - now) / 86400) days"
    }

    /// Whether only the server's user can read a file.
    private func privacy(_ path: String, _ what: String, isHashes: Bool = false) -> Finding {
        var info = stat()
        guard stat(path, &info) == 0 else { return Finding(.missing, "\(path): \(String(cString: strerror(errno)))") }
        guard info.st_uid == geteuid() || info.st_uid == 0 else {
            return Finding(
                .lacks, "\(what) \(path) belongs to the user \(info.st_uid), who can change it", "chown root \(path)")
        }
        let open: mode_t = isHashes ? 0o022 : 0o077
        guard info.st_mode & open == 0 else {
            return Finding(
                .lacks, "\(what) \(path) can be \(isHashes ? "changed" : "read") by others than its owner",
                "chmod \(isHashes ? "go-w" : "600") \(path)")
        }
        return Finding(.ok, "\(what) \(path) is its owner's alone")
    }

    // MARK: callers

    private func checkCallers() -> [Finding] {
        guard !configuration.tenants.isEmpty else { return [] }
        var (found, entries): ([Finding], [TokenEntry]) = ([], [])
        if let path = configuration.tokens {
            do {
                entries = try TokenFile(
                    parsing: String(
                        decoding: try SmallFile.read(path, "the token file", maxSize: TokenFile.maxSize), as: UTF8.self)
                ).entries
                found.append(privacy(path, "the token file", isHashes: true))
            } catch let error as RPCError {
                found.append(Finding(.missing, error.message))
            } catch {
                found.append(Finding(.missing, "the token file \(path): \(error)"))
            }
        }
        let names = Set(configuration.tenants.map(\.name))
        for entry in entries where !names.contains(entry.tenant) {
            found.append(Finding(.lacks, "the token \(entry.id) is of \"\(entry.tenant)\", which is no tenant"))
        }
        for tenant in configuration.tenants {
            found.append(proofs(of: tenant, entries.filter { $0.tenant == tenant.name }))
        }
        return found
    }

    /// How somebody can call as a tenant.
    private func proofs(of tenant: TenantPolicy, _ tokens: [TokenEntry]) -> Finding {
        let valid = tokens.filter { $0.isValid(at: now) }
        var ways: [String] = []
        func add(_ count: Int, _ what: String) {
            if count > 0 { ways.append("\(count) \(what)\(count == 1 ? "" : "s")") }
        }
        add(valid.count, "token")
        add(tokens.count - valid.count, "expired token")
        add(tenant.users.count, "user id")
        add(tenant.certificates.count, "certificate")
        let words =
            "tenant \(tenant.name): \(ways.isEmpty ? "nothing shows that a caller is it" : ways.joined(separator: ", "))"
        let file = configuration.tokens ?? "FILE"
        guard !valid.isEmpty || !tenant.users.isEmpty || !tenant.certificates.isEmpty else {
            return Finding(.lacks, words, "berth token create \(tenant.name) --file \(file)")
        }
        let lasting = valid.contains { $0.expires.map { $0 - now > 7 * 86400 } ?? true }
        guard valid.isEmpty || lasting || !tenant.users.isEmpty || !tenant.certificates.isEmpty else {
            return Finding(
                .lacks, "\(words), the last of which expires within a week",
                "berth token create \(tenant.name) --file \(file)")
        }
        return Finding(.ok, words)
    }

    // MARK: http

    private func checkHTTP() -> [Finding] {
        guard let text = configuration.http, case .tcp(let host, let port) = try? ServerAddress(text) else { return [] }
        guard port != 0 else { return [Finding(.ok, "\(text): a free port")] }
        switch HTTPProbe.ask(host: host, port: port, path: "/livez") {
        case .answer(let line) where line.contains(" 200"): return [Finding(.ok, "\(text): a server answers there")]
        case .answer(let line):
            return [Finding(.missing, "\(text): something else listens there, and answers \"\(line)\"")]
        case .silence: return [Finding(.missing, "\(text): something listens there, and does not answer")]
        case .nobody: return [Finding(.ok, "\(text): nobody listens there yet")]
        case .failure(let words): return [Finding(.missing, "\(text): \(words)")]
        }
    }
}
