// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// For operators. Nothing here ends a lease. What is changed holds until the server loads its configuration again.
///
/// All throw `BerthError`: `notFound` for a pool that is not there, `invalidArgument` for what can't be right.
extension BerthClient {
    /// Closes the breaker: the next create is tried at once. For when the cause of the failure is mended.
    /// - Parameter pool: nil is all pools.
    /// - Returns: the pools whose breaker was not closed.
    @discardableResult
    public func resetBackoff(pool: String? = nil) async throws(BerthError) -> [String] {
        try await call(AdminService.resetBackoff, ResetBackoffRequest(pool: pool ?? "")).pools
    }

    /// Changes how many members a pool keeps idle, and how many it has at most. Idle members beyond a smaller size are
    /// removed at once; beyond a smaller maximum, members are removed as their leases end.
    /// - Parameters:
    ///   - pool: its name.
    ///   - size: makes the size of a pool that follows demand fixed; nil is as it is.
    ///   - max: members in all states together; nil is as it is.
    /// - Returns: what they are now.
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

    /// Takes a pool out of service: removes its idle members, creates no more, refuses its acquires, those in line
    /// included. Leases go on to their end.
    /// - Returns: how many leases there are.
    @discardableResult
    public func drain(pool: String) async throws(BerthError) -> Int {
        Int(try await call(AdminService.drain, DrainRequest(pool: pool)).leased)
    }

    /// Every member of a pool; nil is of all.
    public func members(pool: String? = nil) async throws(BerthError) -> [Member] {
        try await call(AdminService.listMembers, ListMembersRequest(pool: pool ?? "")).members
    }
}
