// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping

/// Where pulled images are kept, unpacked.
package enum ImageDirectory {
    /// That of the machine, or of the user that has started this server.
    package static var standard: String {
        guard UserNamespace.isOwn else { return "/var/cache/berth/images" }
        if let cache = getenv("XDG_CACHE_HOME") { return "\(String(cString: cache))/berth/images" }
        guard let home = getenv("HOME") else { return "\(StateDirectory.defaultBase)/images" }
        return "\(String(cString: home))/.cache/berth/images"
    }
}
