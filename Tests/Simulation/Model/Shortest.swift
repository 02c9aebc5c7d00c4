// SPDX-License-Identifier: Apache-2.0

/// Shortens a story: leaves out smaller and smaller parts, as long as it still shows the same (ddmin by Zeller).
/// - Parameter show: returns what of a story is needed to show it; nil if it doesn't.
package func shortest<Event>(_ story: [Event], _ show: ([Event]) -> [Event]?) -> [Event] {
    var best = story
    var size = max(1, best.count / 2)
    while size >= 1 {
        var start = 0
        var wasShrunk = false
        while start < best.count {
            var shorter = best
            shorter.removeSubrange(start..<min(start + size, shorter.count))
            if let shown = show(shorter) {
                best = shown
                wasShrunk = true
            } else {
                start += size
            }
        }
        if size > 1 || !wasShrunk { size /= 2 }
    }
    return best
}
