// SPDX-License-Identifier: Apache-2.0

import Console
import Glibc
import Testing

/// There is one pipe at a time in a process, so these run one after another.
@Suite("Signals through a pipe", .serialized)
struct SignalPipeTests {
    @Test("each signal is read once, in the order of coming, and then there is none")
    func order() {
        let pipe = SignalPipe(taking: [SIGUSR2, SIGWINCH])
        defer { end(pipe, SIGUSR2, SIGWINCH) }
        #expect(pipe.next() == nil)
        send(SIGUSR2)
        send(SIGWINCH)
        send(SIGUSR2)
        #expect([pipe.next(), pipe.next(), pipe.next(), pipe.next()] == [SIGUSR2, SIGWINCH, SIGUSR2, nil])
    }

    @Test("the descriptor can be polled, and a signal that is taken later comes too")
    func polled() {
        let pipe = SignalPipe()
        defer { end(pipe, SIGUSR2) }
        var look = pollfd(fd: pipe.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&look, 1, 0) == 0)
        pipe.take(SIGUSR2)
        send(SIGUSR2)
        #expect(poll(&look, 1, 0) == 1)
        #expect(pipe.next() == SIGUSR2)
    }

    @Test("more signals than the pipe holds block nobody, and errno stays as it was")
    func full() {
        let pipe = SignalPipe(taking: [SIGUSR2])
        defer { end(pipe, SIGUSR2) }
        let setPipeSize: Int32 = 1031  // F_SETPIPE_SZ, which Glibc's module lacks
        let size = Int(fcntl(pipe.descriptor, setPipeSize, 4096))
        for _ in 0..<(size + 100) {
            errno = ENOENT
            send(SIGUSR2)
            guard errno == ENOENT else {
                Issue.record("errno became \(errno)")
                return
            }
        }
        var read = 0
        while pipe.next() != nil { read += 1 }
        #expect(read == size)
    }

    /// To this thread, which is one of a pool whose threads block signals.
    private func send(_ number: Int32) {
        var numbers = sigset_t()
        sigemptyset(&numbers)
        sigaddset(&numbers, number)
        pthread_sigmask(SIG_UNBLOCK, &numbers, nil)
        raise(number)
    }

    private func end(_ pipe: SignalPipe, _ numbers: Int32...) {
        for number in numbers { signal(number, SIG_DFL) }
        close(pipe.descriptor)
    }
}
