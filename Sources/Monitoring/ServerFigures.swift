// SPDX-License-Identifier: Apache-2.0

package import Pool

/// What a server knows of itself at one moment.
package struct ServerFigures: Sendable {
    /// "0.1.0"
    package var version: String
    /// "docker", "native" and so on
    package var runtime: String
    package var isDraining = false
    package var connections = 0
    package var maxConnections = 0
    package var executions = 0
    /// Bytes that are held for clients, and their limit.
    package var heldBytes = 0
    package var maxHeldBytes = 0
    /// Sum of the members' memory limits in bytes.
    package var memberBytes: Int64 = 0
    /// Nil: no limit.
    package var maxMemberBytes: Int64?
    package var pools: [PoolSnapshot] = []

    package init(version: String, runtime: String) {
        self.version = version
        self.runtime = runtime
    }

    /// Whether new callers can be served: the server does not drain, and a pool has or can create a member.
    package var isReady: Bool { !isDraining && pools.contains(where: \.canServe) }

    /// For people: whether it is ready, and a line for each pool.
    package var verdict: String {
        let first =
            isReady
            ? "ready" : isDraining ? "not ready: the server drains" : "not ready: no pool has or can create a member"
        return ([first] + pools.map { "\($0.name): \($0.verdict)" }).map { $0 + "\n" }.joined()
    }
}

extension PoolSnapshot {
    var canServe: Bool {
        guard !isDraining else { return false }
        if case .open = breaker { return idle > 0 || resetting > 0 }
        return true
    }

    /// One line for people: what the pool has, or what is wrong with it.
    var verdict: String {
        let members = "\(idle) idle of \(target) wanted, \(leased) leased"
        if isDraining { return "draining, \(members)" }
        switch breaker {
        case .open(let error, let nextTry):
            return "creates fail, next try in \(Int(nextTry.inSeconds.rounded(.up))) s, \(members): \(error.message)"
        case .halfOpen(let error): return "creates failed, trying again, \(members): \(error.message)"
        case .closed: break
        }
        if let held { return "no new members (\(held)), \(members)" }
        return idle >= target ? "warm, \(members)" : "filling, \(members)"
    }
}
