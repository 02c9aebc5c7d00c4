// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Configuration
import Console

/// The server that a command connects to.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The server: HOST:PORT or unix:PATH (default: $BERTH_SERVER, else 127.0.0.1:7411).", valueName: "address"))
    var server: String?

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
