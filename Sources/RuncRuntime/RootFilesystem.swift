internal import Glibc
internal import Pool

/// What a container sees as `/`: a small directory of mount points and links, made once for all members of a template,
/// and what is mounted into it. The parts of the image are bind mounts of its top level, so that nothing is ever
/// created in the image itself, not even a missing mount point.
struct RootFilesystem: Sendable {
    /// The directory, on the host.
    var path: String
    /// After /proc, /dev and /sys, before the agent and the tmpfs of the template.
    var mounts: [OCIConfiguration.Mount] = []
    var maskedPaths: [String] = []
    /// `NAME=value`: what the image gives its programs.
    var environment: [String] = [defaultPath]

    private static let defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// The host's own programs and libraries, and of its /etc only what programs need to run; no secret is in it:
    /// no /root, no /home, no shadow file, nothing of /var, /opt, /srv.
    ///
    /// /usr/local is part of it, since Python and others are often there, but not its etc and var, where sites keep
    /// configuration with tokens. Programs run as another user, so that a file in /usr that only root may read stays
    /// unread.
    static func host(at path: String, _ template: MemberTemplate) throws(RuntimeError) -> RootFilesystem {
        var root = RootFilesystem(path: path)
        try Files.makeDirectory(path)
        for name in ["bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"] {
            try root.include("/\(name)", as: "/\(name)")
        }
        root.maskedPaths = ["/usr/local/etc", "/usr/local/var"].filter { Files.exists($0) }
        try root.makeMountPoints(template)

        try Files.makeDirectories(path, "etc/ssl")
        for name in ["alternatives", "ssl/certs"] + Files.list("/etc").filter({ $0.hasPrefix("python3") }) {
            if case .directory = Files.kind("/etc/\(name)") { try root.include("/etc/\(name)", as: "/etc/\(name)") }
        }
        for name in ["ld.so.cache", "localtime", "mime.types", "os-release", "protocols", "services"] {
            if let content = Files.read("/etc/\(name)") { try Files.write("\(path)/etc/\(name)", content) }
        }
        let home = template.tmpfsPaths.contains("/workspace") ? "/workspace" : "/tmp"
        let passwd = """
            root:x:0:0:root:/:/usr/sbin/nologin
            berth:x:1000:1000::\(home):/bin/sh
            nobody:x:65534:65534:nobody:/:/usr/sbin/nologin

            """
        try Files.write("\(path)/etc/passwd", passwd.utf8)
        try Files.write("\(path)/etc/group", "root:x:0:\nberth:x:1000:\nnogroup:x:65534:\n".utf8)
        let nsswitch = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
        try Files.write("\(path)/etc/nsswitch.conf", nsswitch.utf8)
        for (name, content) in networkFiles(template) { try Files.write("\(path)/etc/\(name)", content) }
        return root
    }

    /// An unpacked image at `image`.
    static func directory(
        _ image: String, at path: String, environment: [String] = [], _ template: MemberTemplate
    ) throws(RuntimeError) -> RootFilesystem {
        guard case .directory = Files.kind(image) else {
            throw RuntimeError(.imageMissing, "the root filesystem \(image) is not a directory")
        }
        var root = RootFilesystem(path: path)
        if environment.contains(where: { $0.hasPrefix("PATH=") }) {
            root.environment = environment
        } else {
            root.environment += environment
        }
        let needed = mountPoints(template).map { $0.split(separator: "/").map(String.init) }
        try root.mirror(image, "", needed)
        try root.makeMountPoints(template)

        // In place of the image's own, where it has them, as every runtime does.
        try Files.makeDirectory("\(path).etc")
        for (name, content) in networkFiles(template) {
            guard case .other = Files.kind("\(image)/etc/\(name)") else { continue }
            try Files.write("\(path).etc/\(name)", content)
            root.mounts.append(.readOnly("\(path).etc/\(name)", at: "/etc/\(name)"))
        }
        return root
    }

    /// Makes `directory` of the image in the root: links as links, the rest as mounts; an entry that leads to a mount
    /// point is made in the same way rather than mounted, since the mount point may be missing in the image.
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

    private func makeMountPoints(_ template: MemberTemplate) throws(RuntimeError) {
        for point in Self.mountPoints(template) {
            // What lies inside a mount has its mount point there, or the container's start says that it hasn't.
            let isCovered = mounts.contains { point.hasPrefix("\($0.destination)/") }
            let top = "\(path)/\(point.split(separator: "/").first ?? "")"
            if !isCovered, case .symlink = Files.kind(top) { continue }
            if isCovered { continue }
            try Files.makeDirectories(path, point)
            // runc 1.1 gives a tmpfs the mode of the directory below it, whatever its options say.
            if template.tmpfsPaths.contains(point) { chmod("\(path)\(point)", 0o1777) }
        }
        if !mounts.contains(where: { $0.destination == "/.berth" }) { try Files.write("\(path)/.berth/agent", []) }
    }

    private static func mountPoints(_ template: MemberTemplate) -> [String] {
        ["/proc", "/dev", "/sys", "/.berth"] + template.tmpfsPaths
    }

    private static func networkFiles(_ template: MemberTemplate) -> [(name: String, content: [UInt8])] {
        let isHost = template.network == "host"
        return [
            ("hosts", Array("127.0.0.1 localhost\n::1 localhost\n".utf8)),
            ("hostname", Array("berth\n".utf8)),
            ("resolv.conf", isHost ? Files.read("/etc/resolv.conf") ?? [] : []),
        ]
    }
}
