// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Hardening
internal import Housekeeping
package import Pool

/// What a container sees as `/`, made once for all members of a template: a *skeleton*, a small directory of mount points,
/// links and the host's configuration, and what is shown with it.
///
/// Each member sees it, and the image, through overlays of its own, so that it cannot watch with inotify which files others
/// open, nor lock them out with flock. If the kernel does not support that, the entries of the image's top level are bind
/// mounts, and inotify is refused. In either case nothing is created in the image itself, not even a missing mount point.
package struct RootFilesystem: Sendable {
    /// The skeleton, on the host.
    package var path: String
    /// Whether members see files through overlays.
    package var isOverlaid: Bool
    /// The layers of the overlay at `/`, uppermost first, below the member's own layer.
    package var layers: [String]
    /// Further overlays: the destination, and the directory of the host.
    package var overlays: [(destination: String, source: String)] = []
    /// After /proc, /dev and /sys, before the agent and the tmpfs of the template.
    package var mounts: [MemberMount] = []
    package var maskedPaths: [String] = []
    /// The image's environment, as `NAME=value`.
    package var environment: [String] = [defaultPath]
    /// The accounts of the image.
    package var accounts = Accounts.standard
    /// Names of the files in /etc that each member has for itself.
    package var ownFiles = RootFilesystem.ownNames

    private static let defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    private static let ownNames = ["group", "hostname", "hosts", "passwd", "resolv.conf"]

    private init(path: String, isOverlaid: Bool) {
        self.path = path
        self.isOverlaid = isOverlaid
        layers = [path]
    }

    /// The host's programs and libraries, and the files of /etc that programs need to run, without secrets: no /root, /home or
    /// shadow file, and nothing of /var, /opt and /srv.
    ///
    /// It includes /usr/local, where Python and others often are, but not its etc and var, where sites keep configuration with
    /// tokens. Programs run as another user, so they cannot read files in /usr that only root may read.
    static func host(
        at path: String, _ template: MemberTemplate, isOverlaid: Bool, _ cancellation: Cancellation
    ) throws(RuntimeError) -> RootFilesystem {
        var root = RootFilesystem(path: path, isOverlaid: isOverlaid)
        try Files.makeDirectory(path)
        for name in ["bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"] {
            if isOverlaid, case .directory = Files.kind("/\(name)") {
                try Files.makeDirectories(path, name)
                root.overlays.append(("/\(name)", "/\(name)"))
            } else {
                try root.include("/\(name)", as: "/\(name)")
            }
        }
        root.maskedPaths = ["/usr/local/etc", "/usr/local/var"].filter { Files.exists($0) }
        try root.makeMountPoints(template)
        try Files.makeDirectories(path, "etc")
        try HostFiles.copy(to: "\(path)/etc", cancellation)
        let nsswitch = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
        try Files.write("\(path)/etc/nsswitch.conf", nsswitch.utf8)
        for name in ownNames { try Files.write("\(path)/etc/\(name)", []) }
        return root
    }

    /// An unpacked image at `image`.
    static func directory(
        _ image: String, at path: String, environment: [String] = [], _ template: MemberTemplate, isOverlaid: Bool
    ) throws(RuntimeError) -> RootFilesystem {
        guard case .directory = Files.kind(image) else {
            throw RuntimeError(.imageMissing, "the root filesystem \(image) is not a directory")
        }
        var root = RootFilesystem(path: path, isOverlaid: isOverlaid && Overlay.canName(image))
        if environment.contains(where: { $0.hasPrefix("PATH=") }) {
            root.environment = environment
        } else {
            root.environment += environment
        }
        for (name, file) in [("passwd", \Accounts.passwd), ("group", \Accounts.group)] {
            if case .other = Files.kind("\(image)/etc/\(name)"), let text = Files.read("\(image)/etc/\(name)") {
                root.accounts[keyPath: file] = text
            }
        }
        try root.chooseOwnFiles(image)
        if root.isOverlaid {
            root.layers.append(image)
            try Files.makeDirectory(path)
            try root.makeMountPoints(template, over: image)
        } else {
            try root.mirror(image, template)
        }
        return root
    }

    /// Chooses the files in /etc that each member has for itself: those that are a file in the image, or missing. Links remain
    /// the image's.
    private mutating func chooseOwnFiles(_ image: String) throws(RuntimeError) {
        switch Files.kind("\(image)/etc") {
        case .directory:
            ownFiles = ownFiles.filter { name in
                switch Files.kind("\(image)/etc/\(name)") {
                case .absent, .other: true
                case .directory, .symlink: false
                }
            }
        case .absent: break
        case .symlink, .other: ownFiles = []
        }
    }

    // MARK: Without overlays

    private mutating func mirror(_ image: String, _ template: MemberTemplate) throws(RuntimeError) {
        let missing = ownFiles.filter { !Files.exists("\(image)/etc/\($0)") }
        let needed = Self.mountPoints(template).map { $0.split(separator: "/").map(String.init) }
        try mirror(image, "", needed + missing.map { ["etc", $0] })
        try makeMountPoints(template)
        if !missing.isEmpty { try Files.makeDirectories(path, "etc") }
        for name in missing { try Files.write("\(path)/etc/\(name)", []) }
    }

    /// Creates `directory` of the image in the root: links as links, everything else as mounts. An entry on the way to a mount
    /// point is created in the same way and not mounted, since the mount point may be missing in the image.
    private mutating func mirror(
        _ image: String, _ directory: String, _ needed: [[String]]
    ) throws(RuntimeError) {
        try Files.makeDirectory("\(path)\(directory)")
        for name in Files.list("\(image)\(directory)") {
            let entry = "\(directory)/\(name)"
            let below = needed.filter { $0.first == name }.map { Array($0.dropFirst()) }
            if below.contains([]) { continue }
            if !below.isEmpty, case .directory = Files.kind("\(image)\(entry)") {
                try mirror(image, entry, below)
            } else {
                try include("\(image)\(entry)", as: entry)
            }
        }
    }

    private mutating func include(_ source: String, as destination: String) throws(RuntimeError) {
        switch Files.kind(source) {
        case .absent: return
        case .symlink(let target):
            guard symlink(target, "\(path)\(destination)") == 0 || errno == EEXIST else {
                throw Files.failure("link", "\(path)\(destination)")
            }
            return
        case .directory: try Files.makeDirectories(path, destination)
        case .other: try Files.write("\(path)\(destination)", [])
        }
        mounts.append(.readOnly(source, at: destination))
    }

    // MARK: Mount points

    /// - Parameter image: the image below the skeleton: a link in it that leads to a mount point is left to the runtime.
    private func makeMountPoints(_ template: MemberTemplate, over image: String? = nil) throws(RuntimeError) {
        for point in Self.mountPoints(template) {
            // A mount point inside a mount must exist there, or starting the container fails with that message.
            let isCovered = (mounts.map(\.destination) + overlays.map(\.destination)).contains {
                point.hasPrefix("\($0)/")
            }
            if isCovered || Self.leadsThroughLink(point, in: image ?? path) { continue }
            try Files.makeDirectories(path, point)
            // runc 1.1 gives a tmpfs the mode of the directory below it, whatever its options say.
            if template.tmpfsPaths.contains(point) { chmod("\(path)\(point)", 0o1777) }
        }
        if !mounts.contains(where: { $0.destination == "/.berth" }) { try Files.write("\(path)/.berth/agent", []) }
    }

    private static func leadsThroughLink(_ point: String, in root: String) -> Bool {
        var current = root
        for name in point.split(separator: "/") {
            current += "/\(name)"
            if case .symlink = Files.kind(current) { return true }
        }
        return false
    }

    private static func mountPoints(_ template: MemberTemplate) -> [String] {
        ["/proc", "/dev", "/sys", "/.berth"] + template.tmpfsPaths
    }

    // MARK: One member

    /// The files in /etc that a member has for itself.
    package func files(_ template: MemberTemplate, hostname: String, _ accounts: Accounts) -> [(
        name: String, content: [UInt8]
    )] {
        let isHost = template.network == "host"
        let all = [
            ("group", accounts.group), ("hostname", Array("\(hostname)\n".utf8)),
            ("hosts", Array("127.0.0.1 localhost\n::1 localhost\n127.0.0.1 \(hostname)\n".utf8)),
            ("passwd", accounts.passwd), ("resolv.conf", isHost ? Files.read("/etc/resolv.conf") ?? [] : []),
        ]
        return all.filter { ownFiles.contains($0.0) }
    }
}
