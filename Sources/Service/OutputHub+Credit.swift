// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

extension OutputHub {
    /// Bytes that the agent may send beyond what has come.
    var allowance: UInt64 {
        guard !isOverdue else { return agentWindow }
        // The extra credit is relative to what watchers have taken, not to what has come. Otherwise each piece would
        // bring credit for another one, and a program that nobody reads would fill the memory of the server.
        let beyond = isProbing ? probe : 0
        var least = agentWindow
        var isGoverned = false
        // By index, here and below, to avoid a copy of a watcher for each piece of output.
        for index in watchers.indices where !watchers[index].isObserver {
            isGoverned = true
            least = min(least, (agentWindow + beyond).less(written.sum - watchers[index].sent.sum))
            least = min(least, room(after: watchers[index].acknowledged, beyond))
        }
        if !isGoverned, unread == .kept { least = min(least, room(after: floor, beyond)) }
        return least
    }

    /// Bytes that fit into the ring of each stream, plus `beyond`, before output after `position` has to be dropped.
    private func room(after position: PerStream<UInt64>, _ beyond: UInt64) -> UInt64 {
        let most = ringSize + beyond
        return min(
            most.less(rings.stdout.end - position.stdout), most.less(rings.stderr.end - position.stderr),
            most.less(rings.events.end - position.events))
    }
}

extension UInt64 {
    /// The difference, but at least 0.
    func less(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
