// SPDX-License-Identifier: Apache-2.0

import Hardening
import Housekeeping
import Logging
import Pool
import Runc

extension UserIDClaim {
    /// Claims a part of the configured user ids that no other server of the host uses. Nil: there is no range, or the
    /// claim failed, which is logged.
    static func take(for fleet: FleetConfiguration, _ logger: Logger) throws -> UserIDClaim? {
        guard let range = fleet.uids else { return nil }
        // Taken even if no pool needs one now, since a reload may bring a pool that does.
        let isNeeded = fleet.pools.contains { $0.template.uid == nil }
        do throws(RuntimeError) {
            // The same directory for all servers, whatever their `state_dir` is.
            let base = try StateDirectory.common()
            let claim = try UserIDClaim(of: range, atLeast: fleet.max, path: "\(base)/\(name)")
            logger.info(
                "user ids of containers",
                metadata: ["uids": "\(claim.range.lowerBound)-\(claim.range.upperBound)"])
            return claim
        } catch {
            guard error.cause == .failed || !isNeeded else { throw error }
            logger.warning(
                "other servers of this host may use the same user ids: set uids to a range of this server's own",
                metadata: ["error": "\(error.message)"])
            return nil
        }
    }
}
