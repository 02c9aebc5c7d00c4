// SPDX-License-Identifier: Apache-2.0

import Glibc
import Hardening
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

/// Item C18.
@Suite("files that containers share with the host", .serialized)
struct OverlayTests {
    /// Watches a directory, says when it has begun, and prints the number of events on request.
    private static let watcher = [
        "import ctypes, os, sys",
        "libc = ctypes.CDLL(None)",
        "fd = libc.inotify_init1(0o4000)",
        "[libc.inotify_add_watch(fd, p.encode(), 0xfff) for p in (\"/usr/bin\", \"/usr/bin/env\", \"/etc/passwd\", \"/.berth\")]",
        "print(\"watching\", flush=True); sys.stdin.readline()",
        "try: print(len(os.read(fd, 65536)))",
        "except BlockingIOError: print(0)",
    ].joined(separator: "\\n")

    @Test(
        "inotify shows nothing of what the host and other containers open, and locks keep nobody out",
        arguments: Bench.Kind.allCases)
    func apart(_ kind: Bench.Kind) async throws {
        try await Bench.with("overlay", kind) { bench in
            try #require(bench.runtime.isOverlaid)
            let (one, two) = (try await bench.container("one"), try await bench.container("two"))
            // It reads from a pipe that it holds open itself, so that it waits there for a line.
            _ = try one.run("printf '%b' '\(Self.watcher)' > /tmp/w.py; mkfifo /tmp/go")
            _ = try one.run("python3 /tmp/w.py <> /tmp/go > /tmp/seen 2>&1 & echo")
            // By the shell alone: programs that it started would be seen, as they are its own container's.
            let seen = "while read -r line; do echo $line; done < /tmp/seen"
            #expect(eventually(within: 10) { (try? one.run(seen)) == "watching" })
            _ = try two.run("env true; cat /etc/passwd /usr/bin/env > /dev/null; ls /.berth")
            let host = try Subprocess.run(["/usr/bin/env", "true"], seconds: 10, Cancellation())
            #expect(host.status == 0)
            _ = try one.run("echo > /tmp/go")
            #expect(eventually(within: 10) { (try? one.run(seen))?.contains("\n") == true })
            #expect(try one.run(seen) == "watching\n0")

            _ = try one.run("flock /usr/bin/env sleep 1000 & echo")
            #expect(eventually(within: 10) { (try? one.run("flock -n /usr/bin/env true || echo held")) == "held" })
            #expect(try two.run("flock -n /usr/bin/env echo free") == "free")
            let free = try Subprocess.run(
                ["/usr/bin/flock", "-n", "/usr/bin/env", "true"], seconds: 10, Cancellation())
            #expect(free.status == 0, "the host's file is locked")
        }
    }

    @Test("without overlays programs have no inotify, and all else is as with them", arguments: Bench.Kind.allCases)
    func without(_ kind: Bench.Kind) async throws {
        try await Bench.with("binds", kind, usesOverlays: false) { bench in
            let container = try await bench.container("one")
            let program =
                "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.inotify_init1(0), ctypes.get_errno())"
            #expect(try container.run("python3 -c '\(program)'") == "-1 38")
            #expect(
                try container.run("id -un 1000; cat /etc/hostname; touch /usr/x; touch /var/tmp/y") == """
                    berth
                    one
                    touch: cannot touch '/usr/x': Read-only file system
                    """)
        }
    }

    @Test(
        "an image whose /workspace and /tmp have mode 0755 gives them to the pool's user", arguments: [true, false],
        Bench.Kind.allCases)
    func modes(_ usesOverlays: Bool, _ kind: Bench.Kind) async throws {
        let busybox = try #require(Subprocess.find("busybox"), "busybox-static is not installed")
        try await Bench.with("modes", kind, usesOverlays: usesOverlays) { bench in
            let image = "\(bench.base)/image"
            try Files.makeDirectory(image)
            for name in ["bin", "tmp", "workspace", "data/deep", "etc"] { try Files.makeDirectories(image, name) }
            try Files.write("\(image)/bin/busybox", try #require(Files.read(busybox, limit: 1 << 24)), mode: 0o755)
            for name in ["sh", "stat", "ls", "cat"] { symlink("busybox", "\(image)/bin/\(name)") }
            try Files.write("\(image)/etc/passwd", "node:x:4711:4711::/home/node:/bin/sh\n".utf8)
            let places = ["/tmp", "/workspace", "/data/deep"]
            var template = MemberTemplate(image: image, tmpfsPaths: places)
            template.uid = 4711
            let container = try await bench.container("one", template)
            for place in places { #expect(try container.run("stat -c %a:%u:%g \(place)") == "1777:4711:4711") }
            #expect(
                try container.run("cat /etc/passwd /etc/group").hasPrefix("node:x:4711:4711::/home/node:/bin/sh\nroot:")
            )
            #expect(
                Files.list(image) == ["bin", "data", "etc", "tmp", "workspace"]
                    && Files.list("\(image)/etc") == ["passwd"])
        }
    }
}
