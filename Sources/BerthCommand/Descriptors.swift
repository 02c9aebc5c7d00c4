// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The descriptors that this process may open, and how they are divided between connections and containers.
struct Descriptors {
    /// What the server and its runtime need in addition to connections and containers.
    private static let ownNeed = 256
    /// For each container: its connection, and what the runtime needs for a short time.
    private static let perMember = 4

    let limit: Int
    /// Maximum number of connections, such that enough descriptors are left for containers.
    let maxConnections: Int
    /// Descriptors that the configured numbers of connections and containers need.
    let needed: Int

    /// - Parameter refused: maximum number of connections that are being refused, which are open in addition to those
    ///   served.
    init(limit: Int, maxConnections: Int, maxMembers: Int, refused: Int) {
        self.limit = limit
        let reserve = Self.perMember * maxMembers + Self.ownNeed
        needed = maxConnections + reserve
        // If the limit is small, connections get at least half of it.
        self.maxConnections = max(1, min(maxConnections, limit - min(reserve, limit / 2) - refused))
    }

    /// Raises the limit of this process as far as allowed, and returns it.
    static func raiseLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(resource, &limit)
        return Int(clamping: limit.rlim_max)
    }

    /// Whether there are enough descriptors for a create.
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
