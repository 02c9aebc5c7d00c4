// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping
internal import Pool

/// Read-only overlays: a file seen through one is another file to inotify and to locks, and the same in memory.
enum Overlay {
    /// What `lowerdir=` would have to have escaped is no overlay.
    static func canName(_ path: String) -> Bool { !path.contains { ":,\\".contains($0) } }

    /// Options of a mount that shows the directories, the uppermost first; at least two, as the kernel wants.
    static func options(_ layers: [String]) -> String {
        // No word of the image's own about where its files are.
        "redirect_dir=nofollow,metacopy=off,lowerdir=\(layers.joined(separator: ":"))"
    }

    /// Mounts it at `path`, which exists.
    static func mount(_ layers: [String], at path: String) throws(RuntimeError) {
        let flags = UInt(MS_RDONLY | MS_NOSUID | MS_NODEV)
        guard Glibc.mount("overlay", path, "overlay", flags, options(layers)) == 0 else {
            throw Files.failure("mount an overlay on", path)
        }
    }

    /// Takes it away from here; containers that began with it keep it.
    static func unmount(_ path: String) { umount2(path, Int32(MNT_DETACH)) }

    /// Whether this host can do that with the directory; tries it, in `scratch`, which exists and is its caller's alone.
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
