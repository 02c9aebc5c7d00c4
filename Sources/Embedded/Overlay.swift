// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping
package import Pool

/// Read-only overlays: for inotify and locks, a file seen through one is a different file, and it uses no extra memory.
package enum Overlay {
    /// Whether a path can be used in `lowerdir=` without escaping.
    static func canName(_ path: String) -> Bool { !path.contains { ":,\\".contains($0) } }

    /// Mount options for the directories, uppermost first. The kernel requires at least two.
    package static func options(_ layers: [String]) -> String {
        // The image's own redirections of files are not followed.
        "redirect_dir=nofollow,metacopy=off,lowerdir=\(layers.joined(separator: ":"))"
    }

    /// Mounts an overlay at `path`, which must exist.
    package static func mount(_ layers: [String], at path: String) throws(RuntimeError) {
        let flags = UInt(MS_RDONLY | MS_NOSUID | MS_NODEV)
        guard Glibc.mount("overlay", path, "overlay", flags, options(layers)) == 0 else {
            throw Files.failure("mount an overlay on", path)
        }
    }

    /// Unmounts it here; containers that were started with it keep it.
    package static func unmount(_ path: String) { umount2(path, Int32(MNT_DETACH)) }

    /// Tries whether overlays work on this host with the directory, in `scratch`, which must exist and be used by nobody else.
    static func works(over directory: String, scratch: String) -> Bool {
        guard canName(directory), canName(scratch) else { return false }
        let (empty, point) = ("\(scratch)/empty", "\(scratch)/overlay")
        do throws(RuntimeError) {
            for path in [empty, point] { try Files.makeDirectory(path) }
            try mount([empty, directory], at: point)
            unmount(point)
            return true
        } catch {
            return false
        }
    }
}
