// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

/// Item J49: a writable directory has the right mode, whatever mode the image's directory has.
@Suite struct OpenPlacesTests {
    @Test("J49: a tmpfs that the agent is told of is opened to programs; another directory is left as it is")
    func places() throws {
        let base = "/tmp/berth-open-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: "\(base)/place", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: "\(base)/disk", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: base) }
        let agent = try BuildProducts.program("berth-agent")
        // In a mount namespace of its own, which ends with it.
        let script = """
            set -e; cd \(base); chmod 0750 disk; mount -t tmpfs -o mode=0755 tmpfs place
            \(agent) --version --open \(base)/place --open \(base)/disk --open \(base)/none >/dev/null
            stat -c %a place disk
            """
        let output = Pipe()
        let program = try ChildProcess(
            "/usr/bin/env", ["unshare", "--mount", "sh", "-c", script],
            output: output.fileHandleForWriting.fileDescriptor)
        try output.fileHandleForWriting.close()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(program.wait() == 0)
        #expect(text == "1777\n750\n")
    }
}
