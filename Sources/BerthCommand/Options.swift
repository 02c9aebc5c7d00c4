// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Configuration
import Console

/// Which server run and stats speak to.
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

/// A duration as `Notation` reads it.
struct DurationArgument: CustomStringConvertible {
    let duration: Duration
    let description: String

    /// - Throws: `ValidationError` that says what would be right.
    init(parsing text: String) throws {
        guard let duration = Notation.duration(text) else {
            throw ValidationError("a duration is 250ms, 5s, 2m or 1h")
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
    /// An execution that was started in a lease is found with that lease alone, which is easily forgotten.
    func askingForLease(_ lease: Lease?) -> BerthError {
        guard code == .notFound, lease == nil else { return self }
        return BerthError(code, "\(message); one that was started in a lease needs --lease")
    }
}
