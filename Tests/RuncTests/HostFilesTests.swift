// SPDX-License-Identifier: Apache-2.0

import Glibc
import Hardening
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

/// Item E25: what programs find of the host's /etc.
@Suite("what of the host's /etc is in the image host")
struct HostFilesTests {
    @Test("what programs need is copied, and no secret, nothing private, and nothing that another user may not read")
    func copied() throws {
        let base = "/tmp/berth-runc-tests-etc-\(getpid())"
        try Files.makeDirectory(base)
        defer { try? Files.removeTree(base) }
        let source = "\(base)/etc"
        try Files.makeDirectory(source)
        let needed = [
            "fonts/fonts.conf", "fonts/conf.avail/10-hinting.conf", "java-17-openjdk/security/java.security",
            "matplotlibrc", "ImageMagick-6/policy.xml", "perl/Net/libnet.cfg", "ssl/certs/ca-certificates.crt",
            "ssl/openssl.cnf", "maven/m2.conf", "R/Rprofile.site", "texmf/web2c/texmf.cnf", "ld.so.conf.d/x.conf",
            "python3.11/sitecustomize.py", "php/8.2/cli/php.ini", "mono/config", "localtime", "terminfo/README",
        ]
        let kept = [
            "shadow", "gshadow", "passwd", "ssl/private/key.pem", "maven/settings.xml", "environment", "npmrc",
            "gitconfig", "pip.conf", "wgetrc", "ssh/ssh_host_rsa_key", "postgresql/pg_hba.conf", "sudoers",
            "machine-id",
            "xdg/app/credentials.json", "java-17-openjdk/management/jmxremote.password",
        ]
        for name in needed + kept + ["fonts/unread.conf"] {
            let parent = name.split(separator: "/").dropLast().joined(separator: "/")
            if !parent.isEmpty { try Files.makeDirectories(source, parent) }
            try Files.write("\(source)/\(name)", name.utf8, mode: name.contains("unread") ? 0o640 : 0o644)
        }
        symlink("../conf.avail/10-hinting.conf", "\(source)/fonts/link")
        try Files.makeDirectory("\(base)/copy")
        try HostFiles.copy(from: source, to: "\(base)/copy", Cancellation())
        for name in needed { #expect(Files.read("\(base)/copy/\(name)") == Array(name.utf8), "\(name)") }
        for name in kept + ["fonts/unread.conf"] { #expect(!Files.exists("\(base)/copy/\(name)"), "\(name)") }
        guard case .symlink("../conf.avail/10-hinting.conf") = Files.kind("\(base)/copy/fonts/link") else {
            Issue.record("a link is a link")
            return
        }
    }

    @Test("the members of the host's /etc that its programs need are in a real container")
    func inside() async throws {
        try await Bench.with("etc") { bench in
            let container = try await bench.container("one")
            let wanted = [
                "fonts", "matplotlibrc", "java-17-openjdk", "alternatives", "ssl/certs", "perl", "ld.so.cache",
            ]
            for name in wanted where Files.exists("/etc/\(name)") {
                #expect(try container.run("test -e /etc/\(name) && echo there") == "there", "\(name)")
            }
            #expect(try container.run("cat /etc/hostname; getent hosts one | cut -d ' ' -f 1") == "one\n127.0.0.1")
        }
    }

    @Test("a user has a name of its own, and the image's entries stay")
    func accounts() {
        var accounts = Accounts(
            passwd: Array("root:x:0:0::/root:/bin/sh\nberth:x:5:5::/:/bin/sh".utf8), group: Array("staff:x:33:\n".utf8))
        accounts.add(70_000, [33, 5], home: "/workspace")
        #expect(
            String(decoding: accounts.passwd, as: UTF8.self) == """
                root:x:0:0::/root:/bin/sh
                berth:x:5:5::/:/bin/sh
                berth-70000:x:70000:70000::/workspace:/bin/sh
                berth-33:x:33:33::/workspace:/bin/sh

                """)
        #expect(
            String(decoding: accounts.group, as: UTF8.self)
                == "staff:x:33:\nberth-70000:x:70000:\nberth:x:5:\n")
        #expect(accounts.names == [70_000: "berth-70000", 33: "berth-33", 5: "berth"])
    }

    @Test("where a user namespace has not all ids, members get others of its own")
    func userSpace() {
        #expect(UserSpace(map: "         0          0 4294967295\n").user(70_000) == 70_000)
        #expect(UserSpace(map: "").user(70_000) == 70_000)
        let rootless = UserSpace(map: "0 1000 1\n1 100000 65536\n")
        #expect(rootless.end == 65_537)
        #expect((1000..<65_537).contains(rootless.user(70_000)))
        #expect(Set((70_000..<99_999).map { rootless.user($0) }).count == 29_999)
    }
}
