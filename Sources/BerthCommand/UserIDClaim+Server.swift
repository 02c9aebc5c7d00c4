// SPDX-License-Identifier: Apache-2.0

import Hardening
import Housekeeping
import Logging
import Pool
import Runc

extension UserIDClaim {
    /// A part of the configured user ids that no other server of the host gives out; nil: no container needs one, or the
    /// host has no place to say so in.
    static func take(for fleet: FleetConfiguration, _ logger: Logger) throws -> UserIDClaim? {
        guard let range = fleet.uids else { return nil }
        // A reload may bring the first pool that does.
        let isNeeded = fleet.pools.contains { $0.template.uid == nil }
        do throws(RuntimeError) {
            // The same for all servers, wherever each has its own state.
            let base = try StateDirectory.common()
            let claim = try UserIDClaim(of: range, atLeast: fleet.max, path: "\(base)/\(name)")
            logger.info(
                "user ids of containers",
                metadata: ["uids": "\(claim.range.lowerBound)-\(claim.range.upperBound)"])
            return claim
        } catch {
            guard error.cause == .failed || !isNeeded else { throw error }
            logger.warning(
                "other servers of this host may give out the same user ids: set uids to a range of this server's own",
                metadata: ["error": "\(error.message)"])
            return nil
        }
    }
}
