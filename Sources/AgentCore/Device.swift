// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A device of the host that is mounted by itself, as rootless engines do. It stores nothing that programs write, so only its
/// mode, its owner and the device itself could change.
struct Device: Equatable {
    let path: String
    private let mode: UInt32
    private let uid: UInt32
    private let gid: UInt32
    private let number: UInt64

    /// Returns nil if something else is mounted.
    init?(mount: Mount) {
        guard mount.type == "devtmpfs" else { return nil }
        self.init(path: mount.path)
    }

    /// Returns nil if it is not such a device.
    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, Device.hasNoMemory(mode: status.st_mode, number: UInt64(status.st_rdev)) else {
            return nil
        }
        self.path = path
        (mode, uid, gid, number) = (status.st_mode, status.st_uid, status.st_gid, UInt64(status.st_rdev))
    }

    /// Whether it is null, zero, full, random, urandom or the process's own tty.
    static func hasNoMemory(mode: UInt32, number: UInt64) -> Bool {
        guard mode & S_IFMT == S_IFCHR else { return false }
        let major = number >> 8 & 0xFFF | number >> 32 & 0xFFFF_F000
        let minor = number & 0xFF | number >> 12 & 0xFFFF_FF00
        return major == 1 && [3, 5, 7, 8, 9].contains(minor) || major == 5 && minor == 0
    }
}
