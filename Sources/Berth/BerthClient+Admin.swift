// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// Calls for operators. None of them ends a lease. A change holds until the server reloads its configuration.
///
/// All throw `BerthError`: `notFound` for an unknown pool, `invalidArgument` for impossible values.
extension BerthClient {
    /// Closes the breaker, so that the next create is tried at once. Use it after the cause of the failure is mended.
    /// - Parameter pool: nil means all pools.
    /// - Returns: the pools whose breaker was open.
    @discardableResult
    public func resetBackoff(pool: String? = nil) async throws(BerthError) -> [String] {
        try await call(AdminService.resetBackoff, ResetBackoffRequest(pool: pool ?? "")).pools
    }

    /// Changes how many members a pool keeps idle, and how many it has at most. Idle members beyond a smaller size are
    /// removed at once; beyond a smaller maximum, members are removed as their leases end.
    /// - Parameters:
    ///   - pool: its name.
    ///   - size: number of idle members to keep; a pool whose size follows demand becomes fixed. nil leaves it unchanged.
    ///   - max: maximum number of members in all states together; nil leaves it unchanged.
    /// - Returns: the size and the maximum that hold now.
    @discardableResult
    public func resize(
        pool: String, size: Int? = nil, max: Int? = nil
    ) async throws(BerthError) -> (size: Int, max: Int) {
        let response = try await call(
            AdminService.resize,
            ResizeRequest(
                pool: pool, size: size.map { UInt32(clamping: $0) }, max: max.map { UInt32(clamping: $0) }))
        return (Int(response.size), Int(response.max))
    }

    /// Takes a pool out of service: removes its idle members, creates no more, and refuses acquires, also those that are
    /// already in the queue. Leases continue until they end.
    /// - Returns: the number of leases still open.
    @discardableResult
    public func drain(pool: String) async throws(BerthError) -> Int {
        Int(try await call(AdminService.drain, DrainRequest(pool: pool)).leased)
    }

    /// Every member of a pool, or of all pools if `pool` is nil.
    public func members(pool: String? = nil) async throws(BerthError) -> [Member] {
        try await call(AdminService.listMembers, ListMembersRequest(pool: pool ?? "")).members
    }
}
