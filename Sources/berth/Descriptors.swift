import Pool

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

/// A runtime whose creates wait while the server itself has no descriptors left: that is not the runtime's failure, and
/// must not open the breaker.
struct PatientRuntime<Base: ContainerRuntime>: ContainerRuntime {
    private static var pause: Duration { .milliseconds(250) }

    let base: Base
    let areDescriptorsLeft: @Sendable () -> Bool

    var kind: String { base.kind }

    func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        while true {
            try await wait()
            do throws(RuntimeError) {
                return try await base.create(member, template)
            } catch {
                guard !areDescriptorsLeft() else { throw error }
                // They ran out meanwhile. What the create has left has the same name as what the next one makes.
                try await base.remove(member)
            }
        }
    }

    /// The create's own time-out cancels the task.
    private func wait() async throws(RuntimeError) {
        while !areDescriptorsLeft() {
            do {
                try await Task.sleep(for: Self.pause)
            } catch {
                throw RuntimeError(.failed, "the server has no descriptors left; raise its limit (ulimit -n)")
            }
        }
    }

    func remove(_ member: MemberID) async throws(RuntimeError) { try await base.remove(member) }
    func members() async throws(RuntimeError) -> [MemberID] { try await base.members() }
    func shutdown() async { await base.shutdown() }
}
