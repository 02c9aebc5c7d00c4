// SPDX-License-Identifier: Apache-2.0

import CHost
import CLinux
import Glibc
import Testing

@Suite("the host's C")
struct HostCTests {
    @Test("whatever fails returns a negative errno")
    func errors() {
        #expect(berth_accept(-1) == -EBADF)
        #expect(berth_pidfd_open(-1) == -EINVAL)
        #expect(berth_pidfd_kill(-1) == -EBADF)
        #expect(berth_bounded_file(-1) == -EINVAL)
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("/nowhere/at-all"), nil]
        defer { free(words[0]) }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        #expect(berth_spawn(&words, &environment, -1, -1, -1, -1) == -ENOENT)
    }

    @Test("a pipe closes on exec")
    func pipe() {
        var ends: [Int32] = [-1, -1]
        #expect(berth_pipe(&ends) == 0)
        for end in ends {
            #expect(fcntl(end, F_GETFD) & FD_CLOEXEC != 0)
            close(end)
        }
    }
}
