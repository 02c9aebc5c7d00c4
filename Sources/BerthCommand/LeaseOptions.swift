// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console

/// The lease that a command uses. Everyone who knows a lease may use it, and everyone on a machine can see the
/// arguments of all programs: so the lease may also come from the environment or from a file.
struct LeaseOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The lease, from berth acquire; @FILE reads it from a file (default: $BERTH_LEASE).", valueName: "token"))
    var lease: String?

    @Option(help: ArgumentHelp("A file that holds the lease; - is standard input.", valueName: "file"))
    var leaseFile: String?

    mutating func validate() throws {
        guard lease == nil || leaseFile == nil else {
            throw ValidationError("--lease and --lease-file can't be used together")
        }
    }

    /// Whether the flags name a lease, not only the environment.
    var isGiven: Bool { lease != nil || leaseFile != nil }

    /// - Throws: `Failure` if a file can't be read, or does not hold a lease.
    func optional() throws -> Lease? {
        if let leaseFile { return try LeaseOptions.lease(in: leaseFile) }
        if let lease, lease.hasPrefix("@") { return try LeaseOptions.lease(in: String(lease.dropFirst())) }
        if let lease, !lease.isEmpty { return Lease(token: lease) }
        return Arguments.variable("BERTH_LEASE").map { Lease(token: $0) }
    }

    /// - Throws: `Failure`, also if there is no lease.
    func required() throws -> Lease {
        if let lease = try optional() { return lease }
        throw Failure("no lease is given: --lease TOKEN, --lease-file FILE or the variable BERTH_LEASE", code: 2)
    }

    private static func lease(in path: String) throws -> Lease {
        do throws(LeaseFile.Failure) {
            return Lease(token: try LeaseFile.token(in: path))
        } catch {
            throw Failure(error.message, code: 2)
        }
    }
}
