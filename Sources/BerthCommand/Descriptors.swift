// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The descriptors that this process may have, and who gets how many of them.
struct Descriptors {
    /// What the server and its runtime need beside connections and containers.
    private static let ownNeed = 256
    /// A container's stream, and what the runtime needs for a moment.
    private static let perMember = 4

    let limit: Int
    /// Connections at most, so that what they leave is enough for containers.
    let maxConnections: Int
    /// What all connections and containers that were asked for would take.
    let needed: Int

    /// - Parameters:
    ///   - refused: connections that are being refused, which count beside those that are served.
    init(limit: Int, maxConnections: Int, maxMembers: Int, refused: Int) {
        self.limit = limit
        let reserve = Self.perMember * maxMembers + Self.ownNeed
        needed = maxConnections + reserve
        // Of a small limit, connections get no more than a half.
        self.maxConnections = max(1, min(maxConnections, limit - min(reserve, limit / 2) - refused))
    }

    /// Raises the process's limit as far as it may, and returns it.
    static func raiseLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(resource, &limit)
        return Int(clamping: limit.rlim_max)
    }

    /// Whether a create would find the descriptors it needs.
    static func areLeft() -> Bool {
        var opened: [Int32] = []
        defer { for descriptor in opened { close(descriptor) } }
        while opened.count < 16 {
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return errno != EMFILE && errno != ENFILE && errno != ENOMEM }
            opened.append(descriptor)
        }
        return true
    }
}
