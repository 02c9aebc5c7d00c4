// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import FileTree
import Foundation
import Testing
import TestSupport

@testable import AgentCore

@Suite("Operations on files, by a real agent")
struct FilesToolTests {
    @Test("a file is written with its mode, as the user, and read back, whole and in ranges")
    func roundTrip() throws {
        let place = try FilesPlace()
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        #expect(try place.write("a", bytes, mode: 0o640).code == 0)
        let read = try place.run(.read(path: "\(place.path)/a", offset: 0, length: 0))
        #expect(read.out == bytes)
        #expect(
            read.info.map { [$0.size, UInt64($0.mode), UInt64($0.uid), UInt64($0.gid)] } == [
                1_000_000, 0o640, 1000, 1000,
            ])
        #expect(read.info?.name == "\(place.path)/a")
        for (offset, length) in [(0, 1), (999_999, 5), (1_000_000, 1), (5_000_000, 0), (300_000, 400_000)] {
            let range = try place.run(
                .read(path: "\(place.path)/a", offset: UInt64(offset), length: UInt64(length)))
            let end = length == 0 ? bytes.count : offset + length
            #expect(range.out == Array(bytes[min(offset, bytes.count)..<min(max(end, offset), bytes.count)]))
            #expect(range.code == 0)
        }
        #expect(try place.contents() == ["a"])
    }

    @Test("an older file is replaced in one step, through a link too, and who reads it goes on with the old one")
    func replaced() throws {
        let place = try FilesPlace()
        #expect(try place.write("a", Array("old".utf8)).code == 0)
        try place.shell("ln -s a relative; ln -s \(place.path)/a absolute; ln -s new dangling")
        let handle = try #require(FileHandle(forReadingAtPath: "\(place.outside)/a"))
        #expect(try place.write("relative", Array("two".utf8)).code == 0)
        #expect(handle.readDataToEndOfFile() == Data("old".utf8))
        #expect(try place.shell("cat a").text == "two")
        #expect(try place.write("absolute", Array("three".utf8)).code == 0)
        #expect(try place.write("dangling", Array("four".utf8)).code == 0)
        #expect(
            try place.shell("cat a new; readlink relative absolute dangling").text
                == "threefoura\n\(place.path)/a\nnew\n")
    }

    @Test("a write that is cut midway leaves nothing, whether it is killed, terminated, or its input just ends")
    func cut() throws {
        let place = try FilesPlace()
        #expect(try place.write("a", Array("old".utf8)).code == 0)
        let operation = FileOperation.write(path: "\(place.path)/a", mode: 0o644, createsParents: false)
        for grace: UInt64 in [0, 5000] {
            let started = try place.start(operation, input: [[UInt8](repeating: 1, count: 100_000)], keepsOpen: true)
            // It has the input when its space is used.
            while try place.agent.shellFree(place.path) { usleep(1000) }
            try place.agent.signal(started.execution, 0, grace: grace)
            let outcome = try place.finish(started)
            #expect(outcome.ended.cause == .cancelled)
        }
        // The end of the input without the last piece.
        let ended = try place.agent.run(["/proc/self/exe"] + operation.arguments.map(\.description)) { request in
            (request.uid, request.gid) = (1000, 1000)
            request.stdin = FileOperation.header(5) + [1, 2, 3, 4, 5]
        }
        #expect(ended.ended.exitCode == 1)
        #expect(try place.contents() == ["a"])
        #expect(try place.shell("cat a").text == "old")
    }

    @Test("what is wrong is told by gRPC's code, and the file is named")
    func errors() throws {
        let place = try FilesPlace()
        try place.shell(
            "mkdir d full; touch d/x f; ln -s /etc/passwd out; ln -s ../../../../../etc/passwd up; ln -s loop loop; "
                + "mkfifo pipe; ln -s /proc/self/environ env; mkdir locked; touch locked/y; chmod 0 locked")
        try place.shell("mkdir \(place.path)/root; chmod 755 root; touch root/z", uid: 0)
        let p = place.path
        let write = { (name: String) in FileOperation.write(path: "\(p)/\(name)", mode: 0o644, createsParents: false) }
        let read = { (path: SystemString) in FileOperation.read(path: path, offset: 0, length: 0) }
        let cases: [(FileOperation, Int32, String)] = [
            (read("\(p)/nothing"), 5, "nothing"), (read("\(p)/f/x"), 9, "f/x"), (read("\(p)/d"), 9, "a directory"),
            (read("\(p)/pipe"), 9, "a pipe"), (write("up"), 7, "leads outside"),
            (write("env"), 7, "leads outside"), (read("\(p)/loop"), 9, "loop"),
            (read("\(p)/locked/y"), 7, "locked"),
            (write("../../etc/passwd"), 7, "leads outside"), (read("/etc/shadow"), 7, "/etc/shadow"),
            (read("/dev/null"), 9, "a device"), (read("/proc/1/environ"), 7, "environ"),
            (.write(path: "/proc/self/comm", mode: 0o644, createsParents: false), 7, "not in a place"),
            (.write(path: "/sys/x", mode: 0o644, createsParents: false), 7, "not in a place"),
            (.makeDirectory(path: "/dev/x", mode: 0o755, makesParents: false), 7, "not in a place"),
            (.changeMode(path: "/dev/null", mode: 0o777), 7, "not in a place"),
            (.changeMode(path: "\(p)/out", mode: 0o777), 7, "leads outside"),
            (.rename(from: "/dev/null", to: "\(p)/null", neverReplaces: false), 7, "not in a place"),
            (.rename(from: "\(p)/f", to: "/dev/null", neverReplaces: false), 7, "not in a place"),
            (.rename(from: "\(p)/f", to: "\(p)", neverReplaces: false), 9, "the place itself"),
            (.stat(path: "\(p)/nothing", followsLink: true), 5, "nothing"),
            (read("relative"), 3, "slash"), (read(SystemString(p)), 9, "a directory"),
            (write("nothing/x"), 5, "nothing"), (write("d"), 9, "a directory"), (write("pipe"), 9, "a pipe"),
            (write("root/x"), 7, "root/x"), (write("out"), 7, "leads outside"), (write("f/x"), 9, "f/x"),
            (write(String(repeating: "n", count: 300)), 3, "nnn"),
            (.list(path: "\(p)/f"), 9, "not a directory"), (.list(path: "\(p)/nothing"), 5, "nothing"),
            (.list(path: "\(p)/locked"), 7, "locked"),
            (.remove(path: "\(p)/d", isRecursive: false), 9, "not empty"),
            (.remove(path: SystemString(p), isRecursive: true), 9, p),
            (.remove(path: "\(p)/nothing", isRecursive: true), 5, "nothing"),
            (.remove(path: "\(p)/root/z", isRecursive: false), 7, "root/z"),
            (.pack(path: "\(p)/pipe"), 9, "a pipe"), (.pack(path: "\(p)/locked"), 7, "locked"),
            (.unpack(path: "\(p)/f"), 9, "not a directory"),
        ]
        for (operation, code, words) in cases {
            let outcome = try place.run(operation, input: [])
            #expect(outcome.code == code, "\(operation): \(outcome.message)")
            #expect(outcome.message.lowercased().contains(words.lowercased()), "\(operation): \(outcome.message)")
        }
        #expect(try place.contents("/d") == ["x"])
    }

    @Test("no space left is RESOURCE_EXHAUSTED, and leaves the space as it was")
    func noSpace() throws {
        let place = try FilesPlace(size: "256k")
        let outcome = try place.write("a", [UInt8](repeating: 7, count: 1_000_000))
        #expect(outcome.code == 8)
        #expect(outcome.message.contains("No space left"))
        #expect(try place.contents() == [])
        #expect(try place.write("b", [UInt8](repeating: 7, count: 200_000)).code == 0)
    }

    @Test("directories on the way are made, if that is asked for")
    func parents() throws {
        let place = try FilesPlace()
        let path = "\(place.path)/x/y/z/f"
        let made = try place.run(.write(path: SystemString(path), mode: 0o600, createsParents: true), input: [[65]])
        #expect(made.code == 0, "\(made.message)")
        #expect(try place.shell("cat x/y/z/f; stat -c '%a %u' x/y").text == "A755 1000\n")
    }

    @Test("10 000 entries are listed in the order of their bytes, with names that are no text")
    func list() throws {
        let place = try FilesPlace()
        let script =
            "import os; [open(b'%05d' % i, 'w') for i in range(10000)]; open(b'new\\nline', 'w'); "
            + "open(b'bad\\xff', 'w'); os.symlink('target', 'link'); os.mkfifo('pipe')"
        try place.shell("python3 -c \"\(script)\"")
        let entries = try place.list()
        #expect(entries.count == 10004)
        #expect(entries.prefix(10000).map(\.name) == (0..<10000).map { SystemString(String(format: "%05d", $0)) })
        #expect(entries.suffix(4).map(\.name.description) == ["bad\u{fffd}", "link", "new\nline", "pipe"])
        #expect(entries.suffix(4).map(\.type) == [.regular, .symbolicLink, .regular, .other])
        #expect(entries[10001].linkTarget == Array("target".utf8))
    }

    @Test("a tree goes with all that is in it, however deep, and nothing that links lead to")
    func remove() throws {
        let place = try FilesPlace()
        let deep =
            "import os; os.mkdir('t'); os.chdir('t'); os.symlink('../keep', 'l')\n"
            + "for i in range(3000): os.mkdir('d'); os.chdir('d')\nopen('leaf', 'w')"
        try place.shell("mkdir keep; touch keep/it; ln -s keep gone; python3 -c \"\(deep)\"")
        #expect(try place.run(.remove(path: "\(place.path)/t", isRecursive: true)).code == 0)
        #expect(try place.run(.remove(path: "\(place.path)/gone", isRecursive: true)).code == 0)
        #expect(try place.contents() == ["keep"])
        #expect(try place.contents("/keep") == ["it"])
    }

    @Test("a lease that a program holds on a file, and locks, are answered and not waited for")
    func leases() throws {
        let place = try FilesPlace()
        try place.shell("echo x > f")
        let holder =
            "import fcntl, sys, time, signal; signal.signal(signal.SIGIO, signal.SIG_IGN); f = open('f', 'r+'); "
            + "fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK); print('held', flush=True); time.sleep(60)"
        let started = try place.agent.start(shell: "cd \(place.path) && exec python3 -c \"\(holder)\"") { request in
            (request.uid, request.gid) = (1000, 1000)
        }
        #expect(try place.agent.stdout(started, count: 5) == "held\n")
        let outcome = try place.run(.read(path: "\(place.path)/f", offset: 0, length: 0))
        #expect(outcome.code == 9)
        #expect(outcome.message.contains("holds it"))
        try place.agent.signal(started.execution, 0)
    }

    @Test("places are the mounts that can be written to and are neither the kernel's nor the agent's")
    func places() throws {
        let table = """
            1 0 0:1 / / ro - overlay overlay rw
            2 1 0:2 / /tmp rw,nosuid - tmpfs tmpfs rw
            3 1 0:3 / /workspace rw - tmpfs tmpfs rw
            4 3 0:4 / /workspace/ro ro - tmpfs tmpfs rw
            5 1 0:5 / /proc rw - proc proc rw
            6 1 0:6 / /dev rw - tmpfs tmpfs rw
            7 6 0:7 / /dev/shm rw - tmpfs shm rw
            8 1 0:8 / /sys/fs/cgroup rw - tmpfs tmpfs rw
            9 1 0:9 / /.berth rw - ext4 /dev/x rw
            10 2 0:10 / /tmp/q rw - mqueue mqueue rw
            """
        let mounts = try #require(Mount.all(in: Array(table.utf8)))
        func prefix(_ path: String) -> [String]? {
            Places.place(of: PathWalk.components(path.utf8), in: mounts)?.1.map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(prefix("/tmp") == ["tmp"])
        #expect(prefix("/tmp/a/b") == ["tmp"])
        for path in [
            "/", "/etc", "/tmpx", "/workspace/ro/x", "/proc/1", "/dev/shm/x", "/sys/fs/cgroup/x", "/.berth/x", "/tmp/q",
        ] {
            #expect(prefix(path) == nil, "\(path)")
        }
    }
}

extension AgentProcess {
    /// Whether a file system is nearly empty.
    fileprivate func shellFree(_ path: String) throws -> Bool {
        try run(shell: "df -k --output=used \(path) | tail -1").text.split(separator: " ").last.map { $0.first == "0" }
            ?? true
    }
}
