// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Configuration
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The server that a command connects to.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The server: HOST:PORT, tls://HOST:PORT or unix:PATH (default: $BERTH_SERVER, else 127.0.0.1:7411).",
            valueName: "address"))
    var server: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Authorities for the certificate of a tls:// server, in PEM (default: $BERTH_TLS_CA, else the system's).",
            valueName: "file"))
    var tlsCa: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Own certificate for a tls:// server, in PEM ($BERTH_TLS_CERT).", valueName: "file"))
    var tlsCert: String?

    @Option(
        name: .long, help: ArgumentHelp("The own certificate's key, in PEM ($BERTH_TLS_KEY).", valueName: "file"))
    var tlsKey: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "File with the token for the server (default: $BERTH_TOKEN_FILE, else $BERTH_TOKEN is the token).",
            valueName: "file"))
    var tokenFile: String?

    /// The flags go where the variables are, so that there is one way to the client: it reads them at each connecting.
    func validate() throws {
        let flags = [
            ("BERTH_TLS_CA", tlsCa), ("BERTH_TLS_CERT", tlsCert), ("BERTH_TLS_KEY", tlsKey),
            ("BERTH_TOKEN_FILE", tokenFile),
        ]
        for (name, value) in flags {
            guard let value else { continue }
            setenv(name, value, 1)
        }
        if tokenFile != nil { unsetenv("BERTH_TOKEN") }
    }

    func address() throws(BerthError) -> ServerAddress {
        if let server { return try ServerAddress(server) }
        if let variable = Arguments.variable("BERTH_SERVER") {
            do throws(BerthError) {
                return try ServerAddress(variable)
            } catch {
                throw BerthError(error.code, "BERTH_SERVER: \(error.message)")
            }
        }
        return .standard
    }
}

/// A duration in the format of `Notation`.
struct DurationArgument: CustomStringConvertible {
    let duration: Duration
    let description: String

    /// - Throws: `ValidationError` with examples of durations.
    init(parsing text: String) throws {
        guard let duration = Notation.duration(text) else {
            throw ValidationError("write a duration as 250ms, 5s, 2m or 1h")
        }
        self.duration = duration
        description = text
    }

    init(seconds: Int) {
        duration = .seconds(seconds)
        description = "\(seconds)s"
    }
}

extension BerthError {
    /// Adds a hint if no lease was given: an execution in a lease is found only with that lease.
    func askingForLease(_ lease: Lease?) -> BerthError {
        guard code == .notFound, lease == nil else { return self }
        return BerthError(code, "\(message); an execution in a lease needs --lease")
    }
}
