// SPDX-License-Identifier: Apache-2.0

import Berth
import Foundation
import Testing
import TestSupport

@Suite("berth cp, and files of real containers", .serialized)
struct FileTests {
    @Test("directories and files are copied there and back, as they are", arguments: Runtime.allCases)
    func copies(_ runtime: Runtime) async throws {
        try await Self.with(runtime) { copying in
            try copying.local(
                "mkdir -p src/d; echo x > src/d/x; printf '#!/bin/sh\\necho ran' > src/run; chmod 755 src/run; "
                    + "ln -s d/x src/l; head -c 3000000 /dev/urandom > src/big")
            try await copying.succeed(["src", "LEASE:/workspace"])
            let owned = "test $(stat -c %u run) = $(id -u) && stat -c %a run"
            #expect(try await copying.remote("cd src && ./run && cat l && \(owned)") == "ran\nx\n755\n")
            try await copying.succeed(["LEASE:/workspace/src", "back"])
            try copying.local("diff -r src back && test -L back/l")
            try await copying.succeed(["src/.", "LEASE:/tmp/new"])
            #expect(try await copying.remote("ls /tmp/new") == "big\nd\nl\nrun\n")
            try await copying.succeed(["src/big", "LEASE:/tmp/"])
            try await copying.succeed(["src/big", "LEASE:/tmp/renamed"])
            try await copying.succeed(["LEASE:/tmp/big", "."])
            try await copying.succeed(["LEASE:/tmp/renamed", "other"])
            try copying.local("cmp big src/big && cmp other src/big")
            // The target exists: it goes into it.
            try await copying.succeed(["LEASE:/workspace/src/d", "back"])
            try copying.local("cmp back/d/x src/d/x")
        }
    }

    @Test("names, slashes and links mean what they mean to other copy commands")
    func names() async throws {
        try await Self.with(.runc) { copying in
            try copying.local(
                "mkdir -p src/d; echo x > src/d/x; echo f > f; ln -s f link; ln -s src linked; mkdir back")
            // A link is followed where it is named itself; with or without a slash a directory goes in as a whole.
            for (source, target) in [
                ("link", "/tmp/"), ("linked", "/tmp"), ("src/", "/tmp/new"), ("src", "/tmp/new"),
                ("src", "/tmp/slash/"),
                (".", "/tmp/here"), ("src", "/tmp/made/on/the/way"), ("f", "/tmp/new"), ("f", "/tmp/new"),
            ] { try await copying.succeed([source, "LEASE:\(target)"]) }
            let files = "cd /tmp; find . -type f | sort; test ! -L link && test -L here/link && echo links"
            #expect(
                try await copying.remote(files) == """
                    ./here/f
                    ./here/src/d/x
                    ./link
                    ./linked/d/x
                    ./made/on/the/way/d/x
                    ./new/d/x
                    ./new/f
                    ./new/src/d/x
                    ./slash/d/x
                    links

                    """)
            for (source, target) in [
                ("/tmp/link", "back/"), ("/tmp/new/f", "back"), ("/tmp/new", "back"), ("/tmp/new/.", "back/all"),
                ("/tmp/linked/", "back/as/"),
            ] { try await copying.succeed(["LEASE:\(source)", target]) }
            try copying.local("diff -r src back/new/src; diff -r src back/as; diff -r back/new back/all; cmp f back/f")
            for (arguments, path) in [
                (["f", "LEASE:/tmp/none/"], "/tmp/none/f"), (["src", "LEASE:/tmp/new/f"], "/tmp/new/f"),
                (["LEASE:/tmp/link", "none/"], "none/"), (["LEASE:/tmp/new", "back/none/as"], "back/none/as"),
            ] {
                let result = try await copying.cp(arguments)
                #expect(result.status != 0 && result.err.hasPrefix("berth: \(path)"), "\(arguments): \(result)")
            }
        }
    }

    @Test("\"-\" is an archive on standard input or output", arguments: Runtime.allCases)
    func archives(_ runtime: Runtime) async throws {
        try await Self.with(runtime) { copying in
            let cp = "\(try BuildProducts.program("berth")) cp"
            try copying.local("mkdir a; echo x > a/x; tar -C a -c . | \(cp) - \(copying.lease):/workspace/in")
            #expect(try await copying.remote("cat in/x") == "x\n")
            try copying.local("mkdir b; \(cp) \(copying.lease):/workspace/in - | tar -C b -x; diff -r a b")
            try copying.local("BERTH_LEASE=\(copying.lease) \(cp) :/workspace/in/x - | tar -xO | cmp - a/x")
        }
    }

    @Test("what fails names the file, on one line, with code 1 or 2", arguments: Runtime.allCases)
    func errors(_ runtime: Runtime) async throws {
        try await Self.with(runtime) { copying in
            try copying.local("echo x > f; mkdir d")
            let cases: [([String], Int32, String)] = [
                (["nothing", "LEASE:/tmp"], 1, "nothing: No such file"),
                (["LEASE:/tmp/nothing", "."], 2, "/tmp/nothing"),
                (["LEASE:/proc/1/environ", "."], 1, "/proc/1/environ: Permission denied"),
                (["f", "LEASE:/usr/f"], 1, "/usr/f: is not in a place"),
                (["f", "LEASE:/proc/self/f"], 1, "not in a place"),
                (["f", "LEASE:/dev/shm/f"], 1, "not in a place"), (["f", "LEASE:/tmp/no/way"], 2, "/tmp/no/way"),
                (["LEASE:/tmp", "f"], 1, "f: "), (["f", "g"], 2, "neither"), (["f", "LEASE:f"], 2, "not absolute"),
                (["f", ":/tmp"], 2, "names no lease"), (["f", "nolease:/tmp/f"], 2, "no such lease"),
            ]
            for (arguments, status, words) in cases {
                let result = try await copying.cp(arguments)
                #expect(result.status == status, "\(arguments): \(result)")
                #expect(result.err.contains(words), "\(arguments): \(result)")
                #expect(result.err.split(separator: "\n").count == 1, "\(arguments): \(result)")
            }
            // More than the place has.
            try copying.local("head -c 200000000 /dev/zero | tr '\\0' x > large")
            let full = try await copying.cp(["large", "LEASE:/workspace/large"])
            #expect(full.status == 1)
            #expect(full.err.contains("/workspace/large"), "\(full)")
            #expect(try await copying.remote("ls -a /workspace | wc -l") == "2\n")
        }
    }

    @Test("E28: a directory that is there keeps its mode, one that is made has the source's")
    func modes() async throws {
        try await Self.with(.runc) { copying in
            try copying.local(
                "mkdir -p src/sub d/sub; chmod 750 src; chmod 700 src/sub d/sub; chmod 711 d; touch src/f")
            try await copying.succeed(["LEASE:/workspace/.", "d"])
            try copying.local("test $(stat -c %a d) = 711")
            let before = try await copying.remote("stat -c %a /workspace")
            try await copying.succeed(["src/.", "LEASE:/workspace"])
            #expect(try await copying.remote("stat -c %a /workspace") == before)
            #expect(try await copying.remote("stat -c %a sub; chmod 705 sub") == "700\n")
            try await copying.succeed(["LEASE:/workspace/.", "d"])
            try copying.local("test $(stat -c %a d/sub) = 700; test -f d/f")
            try await copying.succeed(["src/.", "LEASE:/workspace/new"])
            try await copying.succeed(["LEASE:/workspace/new/.", "back"])
            try copying.local("test $(stat -c %a back) = 750; test $(stat -c %a back/sub) = 700")
        }
    }

    @Test("E28: what is left out is named, both ways")
    func leftOut() async throws {
        try await Self.with(.runc) { copying in
            try copying.local("mkdir -p src/d; mkfifo src/d/pipe; echo x > src/f")
            let up = try await copying.cp(["src", "LEASE:/workspace"])
            #expect(up.status == 0)
            #expect(up.err == "berth: left out: d/pipe: is a pipe\n")
            _ = try await copying.remote(
                "cd src && mkfifo p && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'")
            let down = try await copying.cp(["LEASE:/workspace/src", "back"])
            #expect(down.status == 0)
            #expect(down.err == "berth: left out: p: is a pipe\nberth: left out: s: is a socket\n")
            try copying.local("test $(find back -type f) = back/f")
            let through = try await copying.cp(["LEASE:/workspace/src", "-"])
            #expect(through.status == 0)
            #expect(through.err == down.err)
            // Other programs pass over the words in the archive.
            try copying.local(
                "\(try BuildProducts.program("berth")) cp \(copying.lease):/workspace/src - | tar -t 2>&1 | tee l; "
                    + "test \"$(sort l | tr '\\n' ' ')\" = './ d/ f '")
        }
    }

    @Test("E28: a file of the kernel's, whose size is said to be 0, comes with what is in it")
    func kernelFile() async throws {
        try await Self.with(.runc) { copying in
            try await copying.succeed(["LEASE:/proc/version", "."])
            try await copying.succeed(["LEASE:/proc/version", "other"])
            try copying.local("cmp version /proc/version; cmp other /proc/version")
            try await copying.succeed(["/proc/version", "LEASE:/workspace/here"])
            #expect(try await copying.remote("cmp here /proc/version && echo same") == "same\n")
        }
    }

    @Test("E28: archives of sparse files, as GNU tar writes them, are unpacked with their holes")
    func sparseArchives() async throws {
        try await Self.with(.runc) { copying in
            let program = try BuildProducts.program("berth")
            // More than the place has, if it were written out.
            try copying.local("truncate -s 3G s; printf end >> s; printf x > t")
            for flags in ["--format=gnu", "--format=posix"] {
                try copying.local(
                    "tar \(flags) --sparse -c s t | \(program) cp - \(copying.lease):/workspace")
                #expect(
                    try await copying.remote(
                        "stat -c %s s; tail -c 4 s | od -An -c; test $(stat -c %b s) -lt 100 && cat t; rm s t")
                        == "3221225475\n  \\0   e   n   d\nx")
            }
        }
    }

    @Test("E28: holes stay holes, both ways, in a file and in a directory")
    func holes() async throws {
        try await Self.with(.runc) { copying in
            // More than the place has, if it were written out.
            try copying.local(
                "mkdir src; truncate -s 100M src/hole; printf end | dd of=src/hole bs=1 seek=50000000 conv=notrunc 2>&1; "
                    + "head -c 100000 /dev/urandom > src/full")
            try await copying.succeed(["src", "LEASE:/workspace"])
            try await copying.succeed(["src/hole", "LEASE:/workspace/single"])
            #expect(
                try await copying.remote("cmp src/hole single && test $(du -k single | cut -f1) -lt 100 && echo same")
                    == "same\n")
            try await copying.succeed(["LEASE:/workspace/src", "back"])
            try await copying.succeed(["LEASE:/workspace/single", "single"])
            try copying.local(
                "cmp src/hole back/hole; cmp src/full back/full; cmp src/hole single; "
                    + "test $(du -k back/hole | cut -f1) -lt 100; test $(du -k single | cut -f1) -lt 100")
        }
    }

    @Test("E28: compressed archives are recognised, and a damaged one or a missing tool is said")
    func compressed() async throws {
        try await Self.with(.runc) { copying in
            let cp = "\(try BuildProducts.program("berth")) cp"
            try copying.local("mkdir a; head -c 500000 /dev/urandom > a/x; tar -C a -c . > a.tar")
            for tool in ["gzip", "zstd", "xz", "bzip2"] {
                try copying.local(
                    "\(tool) -c a.tar > a.\(tool); \(cp) - \(copying.lease):/workspace/\(tool) < a.\(tool)")
                try copying.local("cat a.\(tool) | \(cp) - \(copying.lease):/tmp/\(tool)")
                try await copying.succeed(["LEASE:/workspace/\(tool)/x", "x"])
                try copying.local("cmp x a/x")
            }
            try copying.local(
                "head -c 100000 a.gzip > cut; ! \(cp) - \(copying.lease):/workspace/cut < cut 2> words; grep -q gzip words"
            )
            try copying.local(
                "! PATH=/nowhere \(cp) - \(copying.lease):/workspace/no < a.zstd 2> words; grep -q 'apt-get install zstd' words"
            )
        }
    }

    @Test("E27: names that are no UTF-8 are copied as they are")
    func bytes() async throws {
        try await Self.with(.runc) { copying in
            let cp = "\(try BuildProducts.program("berth")) cp"
            try copying.local(
                """
                n=$(printf 'a\\351'); echo x > "$n"; mkdir "d$n"; echo y > "d$n/$n"
                \(cp) "$n" \(copying.lease):/workspace; \(cp) "d$n" "\(copying.lease):/workspace/e$n"
                \(cp) "\(copying.lease):/workspace/$n" "back$n"; cmp "$n" "back$n"
                \(cp) "\(copying.lease):/workspace/e$n" "b$n"; cmp "d$n/$n" "b$n/$n"
                ! \(cp) "no$n" \(copying.lease):/workspace 2> words; grep -qF 'noa\\xe9: No such file' words
                """)
            #expect(try await copying.remote("ls | od -An -c | tr -d ' '") == "a351\\nea351\\n\n")
        }
    }

    @Test("I43: what the user may read is copied from anywhere")
    func anywhere() async throws {
        try await Self.with(.runc) { copying in
            try await copying.succeed(["LEASE:/usr/bin/env", "env"])
            try copying.local("cmp env /usr/bin/env")
        }
    }

    private static func with(_ runtime: Runtime, _ body: (Copying) async throws -> Void) async throws {
        try await ServerProcess.with(runtime) { server in
            let acquired = try await berth(["acquire"], environment: ["BERTH_SERVER": server.address])
            guard acquired.status == 0 else { throw NeverHappened(description: "\(acquired)") }
            let copying = Copying(
                server: server.address, lease: acquired.out.trimmingCharacters(in: .whitespacesAndNewlines))
            try FileManager.default.createDirectory(atPath: copying.folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: copying.folder) }
            try await body(copying)
            _ = try await berth(["release", copying.lease], environment: ["BERTH_SERVER": server.address])
        }
    }
}

/// A lease and a local directory.
private struct Copying {
    let server: String
    let lease: String
    let folder = "/tmp/berth-cp-\(UUID().uuidString.prefix(8))"

    func cp(_ arguments: [String]) async throws -> (status: Int32, out: String, err: String) {
        let words = arguments.map { "'\($0.replacingOccurrences(of: "LEASE", with: lease))'" }.joined(separator: " ")
        let program = try Program(
            "/bin/sh", ["-c", "cd \(folder) && exec \(BuildProducts.program("berth")) cp \(words)"],
            environment: ["BERTH_SERVER": server])
        let status = try await program.end()
        return (status, program.out, program.err)
    }

    func succeed(_ arguments: [String]) async throws {
        let result = try await cp(arguments)
        #expect(result.status == 0, "\(arguments): \(result.err)")
    }

    func local(_ script: String) throws {
        let process = try ChildProcess(
            "/bin/sh", ["-ec", "cd \(folder); \(script)"], environment: ["BERTH_SERVER": server])
        #expect(process.wait() == 0, "\(script)")
    }

    func remote(_ script: String) async throws -> String {
        let result = try await berth(
            ["run", "--lease", lease, "--", "sh", "-c", script], environment: ["BERTH_SERVER": server])
        #expect(result.status == 0, "\(script): \(result.err)")
        return result.out
    }
}
