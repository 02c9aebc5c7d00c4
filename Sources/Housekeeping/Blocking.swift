// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Glibc
package import Pool

/// A descriptor that becomes readable on cancellation, so that a blocked thread can poll it together with others.
package final class Cancellation: Sendable {
    package let descriptor: Int32

    package init() {
        descriptor = berth_event()
    }

    package func cancel() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    package var isCancelled: Bool { wait(milliseconds: 0) }

    /// Waits for the cancellation. Returns false if it has not come within that time.
    package func wait(milliseconds: Int32) -> Bool {
        var end = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&end, 1, milliseconds) > 0
    }

    package func check() throws(RuntimeError) {
        if isCancelled { throw RuntimeError(.failed, "cancelled") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

private final class Job {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Runs `body`, which may block, on a new thread, so that it does not block Swift's concurrency threads.
///
/// Calls to the container runtime are rare and few at a time, so the cost of a thread for each can't be measured.
package func blocking<T: Sendable>(
    _ body: @escaping @Sendable (Cancellation) throws(RuntimeError) -> T
) async throws(RuntimeError) -> T {
    let cancellation = Cancellation()
    guard cancellation.descriptor >= 0 else {
        throw systemFailure("eventfd", -cancellation.descriptor)
    }
    let result: Result<T, RuntimeError> = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            let job = Job {
                do throws(RuntimeError) {
                    continuation.resume(returning: .success(try body(cancellation)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            let box = Unmanaged.passRetained(job)
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, box.toOpaque())
            if failure == 0 {
                pthread_detach(thread)
            } else {
                box.release()
                // Here, EAGAIN stands for a lack of memory or of threads.
                let error = RuntimeError(
                    .failed, "no thread could be started: \(String(cString: strerror(failure)))",
                    isServersOwn: failure == EAGAIN || RuntimeError.isShortage(failure))
                continuation.resume(returning: .failure(error))
            }
        }
    } onCancel: {
        cancellation.cancel()
    }
    return try result.get()
}

/// The error of the last system call, from `errno`.
package func lastFailure(_ what: String) -> RuntimeError { systemFailure(what, errno) }

package func systemFailure(_ what: String, _ code: Int32) -> RuntimeError {
    RuntimeError(.failed, "\(what): \(String(cString: strerror(code)))", errno: code)
}

package func lastError() -> String { String(cString: strerror(errno)) }
