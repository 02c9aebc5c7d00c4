package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.berth.v1.AcquireResponse;
import dev.berth.v1.ExecutionInfo;
import dev.berth.v1.FileInfo;
import dev.berth.v1.ListDirectoryRequest;
import dev.berth.v1.ListExecutionsRequest;
import dev.berth.v1.ListExecutionsResponse;
import dev.berth.v1.ReadArchiveRequest;
import dev.berth.v1.ReadFileRequest;
import dev.berth.v1.ReleaseRequest;
import dev.berth.v1.ReleaseResponse;
import dev.berth.v1.RemoveFileRequest;
import dev.berth.v1.RemoveFileResponse;
import dev.berth.v1.RenewRequest;
import dev.berth.v1.RenewResponse;
import dev.berth.v1.WriteArchiveRequest;
import dev.berth.v1.WriteArchiveResponse;
import dev.berth.v1.WriteFileRequest;
import dev.berth.v1.WriteFileResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.List;

/**
 * A container, leased: programs run in it, and files are written to and read from it, from any thread.
 *
 * <p>It ends when it is closed or released, when its time passes without use, or soon after the connection that acquired
 * it ended. Paths of files are absolute, and lead to a place that programs can write to: /tmp, /workspace …
 */
public final class Lease implements AutoCloseable {
    private static final int CHUNK = 256 << 10;

    private final Channel channel;
    private final AcquireResponse acquired;

    Lease(Channel channel, AcquireResponse acquired) {
        this.channel = channel;
        this.acquired = acquired;
    }

    /** Whoever knows it may use the lease. */
    public String token() {
        return acquired.getLease();
    }

    /** The container's name, for logs. */
    public String member() {
        return acquired.getMember();
    }

    /** How long the lease lasts without use. */
    public Duration time() {
        return Duration.ofMillis(Integer.toUnsignedLong(acquired.getTtlMs()));
    }

    /** The container was warm; false: it was created while the call waited. */
    public boolean isWarm() {
        return acquired.getWarm();
    }

    /** Ends the lease and what runs in it. Once more does nothing. */
    public void release() {
        channel.call(
                "Release", ReleaseRequest.newBuilder().setLease(token()).build(), ReleaseResponse.parser(),
                channel.options.callTimeout);
    }

    /** {@link #release}; that it has ended before is no error. */
    @Override
    public void close() {
        try {
            release();
        } catch (BerthException error) {
            if (!Client.isOver(error)) {
                throw error;
            }
        }
    }

    /** Extends it by as long as before. @return the time left, if it is not used. */
    public Duration renew() {
        return renew(RenewRequest.newBuilder());
    }

    /** Extends it, which every other call on it does too. @return the time left, if it is not used. */
    public Duration renew(Duration time) {
        return renew(RenewRequest.newBuilder().setTtlMs(Command.millis(time)));
    }

    private Duration renew(RenewRequest.Builder request) {
        RenewResponse response = channel.call(
                "Renew", request.setLease(token()).build(), RenewResponse.parser(), channel.options.callTimeout);
        return Duration.ofMillis(Integer.toUnsignedLong(response.getTtlMs()));
    }

    // Programs

    public Execution execute(Command command) {
        return Client.execute(channel, token(), command);
    }

    /** {@link #execute}, and waits for all that it writes and its end. */
    public Result run(Command command) {
        return Client.run(channel, token(), command);
    }

    /** A further stream of an execution that runs, or is still kept; from its {@link Execution#id}. */
    public Execution attach(String execution, AttachOptions options) {
        return Client.attach(channel, token(), execution, options);
    }

    /** Those that run, and those that have ended and are still kept; the oldest first. */
    public List<ExecutionInfo> executions() {
        ListExecutionsRequest request = ListExecutionsRequest.newBuilder().setLease(token()).build();
        return channel.call(
                        "ListExecutions", request, ListExecutionsResponse.parser(), channel.options.callTimeout)
                .getExecutionsList();
    }

    // Files

    /** Writes a file, which is complete under its name or not there; readable by all. */
    public void writeFile(String path, byte[] bytes) {
        try {
            writeFile(path, new ByteArrayInputStream(bytes), 0, false);
        } catch (IOException impossible) {
            throw new AssertionError(impossible);
        }
    }

    /**
     * @param mode permission bits; 0 is 0644
     * @param createParents directories that are missing on the way are made
     * @throws IOException from reading {@code data}
     */
    public void writeFile(String path, InputStream data, int mode, boolean createParents) throws IOException {
        WriteFileRequest.Builder request = WriteFileRequest.newBuilder()
                .setLease(token())
                .setPath(path)
                .setMode(mode)
                .setCreateParents(createParents);
        new Upload(data) {
            @Override
            void send(ByteString bytes, boolean more) {
                request.setData(bytes).setMore(more);
                WriteFileResponse response =
                        channel.call("WriteFile", request.build(), WriteFileResponse.parser(), null);
                request.setUpload(response.getUpload()).setOffset(response.getOffset());
            }
        }.run();
    }

    /** Unpacks a tar archive into a directory, which is made if it is missing. @return how many files. */
    public long writeArchive(String path, InputStream tar) throws IOException {
        WriteArchiveRequest.Builder request = WriteArchiveRequest.newBuilder().setLease(token()).setPath(path);
        long[] files = {0};
        new Upload(tar) {
            @Override
            void send(ByteString bytes, boolean more) {
                request.setData(bytes).setMore(more);
                WriteArchiveResponse response =
                        channel.call("WriteArchive", request.build(), WriteArchiveResponse.parser(), null);
                request.setUpload(response.getUpload()).setOffset(response.getOffset());
                files[0] = response.getFiles();
            }
        }.run();
        return files[0];
    }

    /** Cuts data into pieces, and says of each whether more comes. */
    private abstract static class Upload {
        private final InputStream data;

        Upload(InputStream data) {
            this.data = data;
        }

        abstract void send(ByteString bytes, boolean more);

        void run() throws IOException {
            byte[] piece = data.readNBytes(CHUNK);
            while (true) {
                byte[] next = piece.length < CHUNK ? new byte[0] : data.readNBytes(CHUNK);
                send(UnsafeByteOperations.unsafeWrap(piece), next.length > 0);
                if (next.length == 0) {
                    return;
                }
                piece = next;
            }
        }
    }

    /** Reads a file while it is sent. */
    public RemoteFile readFile(String path) {
        return readFile(path, 0, 0);
    }

    /** @param length bytes at most; 0 is all to the end */
    public RemoteFile readFile(String path, long offset, long length) {
        ReadFileRequest request = ReadFileRequest.newBuilder()
                .setLease(token())
                .setPath(path)
                .setOffset(offset)
                .setLength(length)
                .setWindowBytes(channel.options.window)
                .build();
        return RemoteFile.open(channel, token(), "ReadFile", request);
    }

    /** A directory, or a single file, as a tar archive. */
    public RemoteFile readArchive(String path) {
        ReadArchiveRequest request = ReadArchiveRequest.newBuilder()
                .setLease(token())
                .setPath(path)
                .setWindowBytes(channel.options.window)
                .build();
        return RemoteFile.open(channel, token(), "ReadArchive", request);
    }

    /** What a directory holds, in the order of the names' bytes. */
    public List<FileInfo> list(String path) {
        ListDirectoryRequest request =
                ListDirectoryRequest.newBuilder().setLease(token()).setPath(path).build();
        DirectoryListing listing = new DirectoryListing();
        long deadline = Channel.deadline(channel.options.callTimeout);
        Connection connection = channel.connection(deadline);
        int call = connection.stream(
                Channel.SERVICE, "ListDirectory", request, channel.options.callTimeout.toNanos(), listing);
        try {
            return listing.await(deadline);
        } finally {
            connection.forget(call);
        }
    }

    /** Removes a file, a link or an empty directory. */
    public void remove(String path) {
        remove(path, false);
    }

    /** Removes a directory and all in it. */
    public void removeTree(String path) {
        remove(path, true);
    }

    private void remove(String path, boolean recursive) {
        RemoveFileRequest request = RemoveFileRequest.newBuilder()
                .setLease(token())
                .setPath(path)
                .setRecursive(recursive)
                .build();
        channel.call("RemoveFile", request, RemoveFileResponse.parser(), channel.options.callTimeout);
    }

    @Override
    public String toString() {
        return "Lease[" + member() + "]";
    }
}
