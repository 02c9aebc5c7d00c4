// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Housekeeping
internal import Pool

/// The files of the host's /etc that programs need to run, as in Debian's packages, without secrets.
///
/// It is an allow list. Files in which sites write passwords and tokens (`environment`, `wgetrc`, `npmrc`, `pip.conf`,
/// `gitconfig`, settings of Maven and databases, /etc/ssl/private …) are not in it. Only files that every user of the host may
/// read are copied.
enum HostFiles {
    /// Directories with everything in them; a `*` at the end stands for the rest of a name.
    private static let directories = [
        "alternatives", "alsa", "chromium", "common-lisp", "dictionaries-common", "dotnet", "emacs", "firefox-esr",
        "fonts", "gdb", "ghostscript", "glvnd", "groff", "gtk-2.0", "gtk-3.0", "gtk-4.0", "ImageMagick-*", "java",
        "java-*", "julia", "ld.so.conf.d", "libnl-3", "libreoffice", "lynx", "maven", "mono", "mpi*", "ocaml",
        "OpenCL", "openal", "openmpi", "pango", "perl", "php", "proj", "pki/tls/certs",
        "pki/ca-trust/extracted", "python*", "R", "ssl/certs", "terminfo", "texmf", "vdpau", "vim", "vulkan", "xdg",
        "xml", "sgml",
    ]
    private static let files = [
        "ant.conf", "bash.bashrc", "bindresvport.blacklist", "crypto-policies/back-ends/opensslcnf.config",
        "debian_version", "drirc", "environment-modules", "ethertypes", "gai.conf", "gnuplotrc", "gprofng.rc",
        "host.conf", "inputrc", "issue", "java.conf", "ld.so.cache", "ld.so.conf", "locale.alias", "localtime",
        "lsb-release", "magic", "magic.mime", "mailcap", "manpath.config", "matplotlibrc", "mime.types", "nanorc",
        "networks", "octave.conf", "ocamlfind.conf", "os-release", "papersize", "protocols", "redhat-release", "rpc",
        "sbclrc", "services", "ssl/openssl.cnf", "system-release", "timezone", "X11/rgb.txt",
    ]
    /// Exceptions in the directories above: files that only servers read, and files in which sites write passwords.
    private static let secrets: Set = ["maven/settings.xml", "maven/settings-security.xml", "xdg/rclone"]
    private static let suspects = ["password", "passwd", "secret", "token", "credential", "private", "netrc"]
    /// Maximum size of a file: larger ones are not configuration, and are left out.
    private static let maxFile = 4 << 20
    private static let maxBytes = 64 << 20

    /// Copies these files from `/etc` to `target`, which must exist.
    static func copy(
        from source: String = "/etc", to target: String, _ cancellation: Cancellation
    ) throws(RuntimeError) {
        var left = maxBytes
        for pattern in directories + files {
            for name in expanded(pattern, in: source) { try copy(source, target, name, &left, cancellation) }
        }
    }

    private static func expanded(_ pattern: String, in source: String) -> [String] {
        guard pattern.hasSuffix("*") else { return [pattern] }
        let parts = pattern.split(separator: "/")
        let directory = parts.dropLast().map { "\($0)/" }.joined()
        let start = parts.last.map { String($0.dropLast()) } ?? ""
        return Files.list("\(source)/\(directory)").filter { $0.hasPrefix(start) }.map { directory + $0 }
    }

    private static func copy(
        _ source: String, _ target: String, _ name: String, _ left: inout Int, _ cancellation: Cancellation
    ) throws(RuntimeError) {
        // Copying some hundred files may take a second on a busy disk.
        try cancellation.check()
        let lower = name.lowercased()
        guard !secrets.contains(name), !suspects.contains(where: { lower.contains($0) }) else { return }
        var info = stat()
        guard lstat("\(source)/\(name)", &info) == 0 else { return }
        switch info.st_mode & S_IFMT {
        case S_IFLNK:
            guard case .symlink(let link) = Files.kind("\(source)/\(name)") else { return }
            try makeParents(target, name)
            guard symlink(link, "\(target)/\(name)") == 0 || errno == EEXIST else {
                throw Files.failure("link", "\(target)/\(name)")
            }
        case S_IFDIR where info.st_mode & 0o005 == 0o005:
            try Files.makeDirectories(target, name)
            for entry in Files.list("\(source)/\(name)") {
                try copy(source, target, "\(name)/\(entry)", &left, cancellation)
            }
        case S_IFREG where info.st_mode & 0o004 != 0:
            guard let content = Files.read("\(source)/\(name)", limit: min(maxFile, left)) else { return }
            left -= content.count
            try makeParents(target, name)
            try Files.write("\(target)/\(name)", content, mode: info.st_mode & 0o111 == 0 ? 0o644 : 0o755)
        default: return
        }
    }

    private static func makeParents(_ target: String, _ name: String) throws(RuntimeError) {
        let parent = name.split(separator: "/").dropLast().joined(separator: "/")
        if !parent.isEmpty { try Files.makeDirectories(target, parent) }
    }
}
