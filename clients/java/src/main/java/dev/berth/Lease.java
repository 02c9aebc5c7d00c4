// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import com.google.protobuf.UnsafeByteOperations;
import dev.berth.v1.AcquireResponse;
import dev.berth.v1.ChangeModeRequest;
import dev.berth.v1.ChangeModeResponse;
import dev.berth.v1.ContextInfo;
import dev.berth.v1.ExecutionInfo;
import dev.berth.v1.FileInfo;
import dev.berth.v1.ListContextsRequest;
import dev.berth.v1.ListContextsResponse;
import dev.berth.v1.ListDirectoryRequest;
import dev.berth.v1.ListExecutionsRequest;
import dev.berth.v1.ListExecutionsResponse;
import dev.berth.v1.MakeDirectoryRequest;
import dev.berth.v1.MakeDirectoryResponse;
import dev.berth.v1.ReadArchiveRequest;
import dev.berth.v1.ReadFileRequest;
import dev.berth.v1.ReleaseRequest;
import dev.berth.v1.ReleaseResponse;
import dev.berth.v1.RemoveFileRequest;
import dev.berth.v1.RemoveFileResponse;
import dev.berth.v1.RenameFileRequest;
import dev.berth.v1.RenameFileResponse;
import dev.berth.v1.RenewRequest;
import dev.berth.v1.RenewResponse;
import dev.berth.v1.StatRequest;
import dev.berth.v1.StatResponse;
import dev.berth.v1.WriteArchiveRequest;
import dev.berth.v1.WriteArchiveResponse;
import dev.berth.v1.WriteFileRequest;
import dev.berth.v1.WriteFileResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.List;

/**
 * A container, leased: programs run in it, and files are written to and read from it, from any thread.
 *
 * <p>It ends when it is closed or released, when its time passes without use, or soon after the connection that acquired
 * it ended. One that was acquired and is garbage-collected without being closed is released, with a warning to the logger
 * {@code dev.berth}, unless it is detached; an execution holds its lease. Paths of files are absolute, and lead to a place that programs can write to: /tmp, /workspace …
 */
public final class Lease implements AutoCloseable {
    private static final int CHUNK = 256 << 10;

    private final Channel channel;
    private final AcquireResponse acquired;

    final Leftovers.Held held = new Leftovers.Held();

    Lease(Channel channel, AcquireResponse acquired) {
        this.channel = channel;
        this.acquired = acquired;
    }

    /** "" of no lease. */
    static String token(Lease lease) {
        return lease == null ? "" : lease.token();
    }

    void releaseWhenDropped(Connection connection) {
        Leftovers.Held part = held;
        ReleaseRequest request = ReleaseRequest.newBuilder().setLease(token()).build();
        Leftovers.watch(this, "a lease of " + member(), () -> {
            // It goes with its connection.
            boolean isLeft = part.take() && connection.isOpen();
            if (isLeft) {
                connection.unary(Channel.SERVICE, "Release", request, 0);
            }
            return isLeft;
        });
    }

    /** A call, with the lease held until it is answered. */
    private <R> R call(String method, MessageLite request, Parser<R> parser, Duration timeout) {
        try {
            return channel.call(method, request, parser, timeout);
        } finally {
            Reference.reachabilityFence(this);
        }
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
        call(
                "Release", ReleaseRequest.newBuilder().setLease(token()).build(), ReleaseResponse.parser(),
                channel.options.callTimeout);
        held.release();
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
            held.release();
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
        RenewResponse response = call(
                "Renew", request.setLease(token()).build(), RenewResponse.parser(), channel.options.callTimeout);
        return Duration.ofMillis(Integer.toUnsignedLong(response.getTtlMs()));
    }

    // Programs

    public Execution execute(Command command) {
        return Client.execute(channel, this, command);
    }

    /** {@link #execute}, and waits for all that it writes and its end. */
    public Result run(Command command) {
        return Client.run(channel, this, command);
    }

    /** A further stream of an execution that runs, or is still kept; from its {@link Execution#id}. */
    public Execution attach(String execution, AttachOptions options) {
        return Client.attach(channel, this, execution, options);
    }

    /** Those that run, and those that have ended and are still kept; the oldest first. */
    public List<ExecutionInfo> executions() {
        ListExecutionsRequest request = ListExecutionsRequest.newBuilder().setLease(token()).build();
        return call(
                        "ListExecutions", request, ListExecutionsResponse.parser(), channel.options.callTimeout)
                .getExecutionsList();
    }

    // Contexts

    /**
     * Starts an interpreter, {@code "python"}, {@code "bash"}, {@code "sh"} or {@code "node"}, and returns when it takes code.
     *
     * @throws BerthException FAILED_PRECONDITION (CONTEXT_START_FAILED) when it can't be started in this container
     */
    public Context context(String language) {
        return context(new ContextOptions(language));
    }

    /** The same, with an environment, a directory or a user of its own. */
    public Context context(ContextOptions options) {
        return Context.open(channel, this, options);
    }

    /** One that was opened before, perhaps by another client, from its {@link Context#id}; makes no call. */
    public Context existingContext(String id) {
        return new Context(channel, this, id, "", "");
    }

    /** Those that are open, the oldest first. */
    public List<ContextInfo> contexts() {
        ListContextsRequest request = ListContextsRequest.newBuilder().setLease(token()).build();
        return call("ListContexts", request, ListContextsResponse.parser(), channel.options.callTimeout)
                .getContextsList();
    }

    /**
     * Connects to what listens in the container: a TCP port of its loopback, or a unix socket.
     *
     * @throws BerthException FAILED_PRECONDITION (CONNECTION_REFUSED, NOT_A_SOCKET), NOT_FOUND (NO_SUCH_FILE),
     *     PERMISSION_DENIED
     */
    public ContainerStream connect(ConnectOptions options) {
        return ContainerStream.open(Client.connect(channel, this, options));
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
        writeFile(Words.bytes(path, "path"), data, mode, createParents);
    }

    /** The same with a path that is not UTF-8, as all here that take a path as bytes. */
    public void writeFile(byte[] path, InputStream data, int mode, boolean createParents) throws IOException {
        WriteFileRequest.Builder request = WriteFileRequest.newBuilder()
                .setLease(token())
                .setMode(mode)
                .setCreateParents(createParents);
        Words.put(path, request::setPath, request::setPathRaw);
        new Upload(data) {
            @Override
            void send(ByteString bytes, boolean more) {
                request.setData(bytes).setMore(more);
                WriteFileResponse response = call("WriteFile", request.build(), WriteFileResponse.parser(), null);
                request.setUpload(response.getUpload()).setOffset(response.getOffset());
            }
        }.run();
    }

    /** Unpacks a tar archive into a directory, which is made if it is missing. @return how many files. */
    public long writeArchive(String path, InputStream tar) throws IOException {
        return writeArchive(Words.bytes(path, "path"), tar);
    }

    public long writeArchive(byte[] path, InputStream tar) throws IOException {
        WriteArchiveRequest.Builder request = WriteArchiveRequest.newBuilder().setLease(token());
        Words.put(path, request::setPath, request::setPathRaw);
        long[] files = {0};
        new Upload(tar) {
            @Override
            void send(ByteString bytes, boolean more) {
                request.setData(bytes).setMore(more);
                WriteArchiveResponse response =
                        call("WriteArchive", request.build(), WriteArchiveResponse.parser(), null);
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
        return readFile(Words.bytes(path, "path"), offset, length);
    }

    public RemoteFile readFile(byte[] path, long offset, long length) {
        ReadFileRequest.Builder request = ReadFileRequest.newBuilder()
                .setLease(token())
                .setOffset(offset)
                .setLength(length)
                .setWindowBytes(channel.options.window);
        Words.put(path, request::setPath, request::setPathRaw);
        return RemoteFile.open(channel, this, "ReadFile", request.build());
    }

    /** A directory, or a single file, as a tar archive. */
    public RemoteFile readArchive(String path) {
        return readArchive(Words.bytes(path, "path"));
    }

    public RemoteFile readArchive(byte[] path) {
        ReadArchiveRequest.Builder request = ReadArchiveRequest.newBuilder()
                .setLease(token())
                .setWindowBytes(channel.options.window);
        Words.put(path, request::setPath, request::setPathRaw);
        return RemoteFile.open(channel, this, "ReadArchive", request.build());
    }

    /** What a directory holds, in the order of the names' bytes. */
    public List<FileInfo> list(String path) {
        return list(Words.bytes(path, "path"));
    }

    public List<FileInfo> list(byte[] path) {
        ListDirectoryRequest.Builder request = ListDirectoryRequest.newBuilder().setLease(token());
        Words.put(path, request::setPath, request::setPathRaw);
        DirectoryListing listing = new DirectoryListing();
        long deadline = Channel.deadline(channel.options.callTimeout);
        Connection connection = channel.connection(deadline);
        int call = connection.stream(
                Channel.SERVICE, "ListDirectory", request.build(), channel.options.callTimeout.toNanos(), listing);
        try {
            return listing.await(deadline);
        } finally {
            connection.forget(call);
            Reference.reachabilityFence(this);
        }
    }

    /** What is at a path: a link itself, or, if {@code follow}, what it leads to. */
    public FileInfo stat(String path, boolean follow) {
        return stat(Words.bytes(path, "path"), follow);
    }

    public FileInfo stat(byte[] path, boolean follow) {
        StatRequest.Builder request = StatRequest.newBuilder().setLease(token()).setFollow(follow);
        Words.put(path, request::setPath, request::setPathRaw);
        return call("Stat", request.build(), StatResponse.parser(), channel.options.callTimeout).getInfo();
    }

    /**
     * Makes a directory.
     *
     * @param mode permission bits; 0 is 0755
     * @param parents directories that are missing on the way are made, and it may be there already
     */
    public void makeDirectory(String path, int mode, boolean parents) {
        makeDirectory(Words.bytes(path, "path"), mode, parents);
    }

    public void makeDirectory(byte[] path, int mode, boolean parents) {
        MakeDirectoryRequest.Builder request =
                MakeDirectoryRequest.newBuilder().setLease(token()).setMode(mode).setParents(parents);
        Words.put(path, request::setPath, request::setPathRaw);
        call("MakeDirectory", request.build(), MakeDirectoryResponse.parser(), channel.options.callTimeout);
    }

    /** Gives a file, a link or a directory another path. What is there is replaced, unless {@code noReplace}. */
    public void rename(String from, String to, boolean noReplace) {
        rename(Words.bytes(from, "from"), Words.bytes(to, "to"), noReplace);
    }

    public void rename(byte[] from, byte[] to, boolean noReplace) {
        RenameFileRequest.Builder request =
                RenameFileRequest.newBuilder().setLease(token()).setNoReplace(noReplace);
        Words.put(from, request::setFrom, request::setFromRaw);
        Words.put(to, request::setTo, request::setToRaw);
        call("RenameFile", request.build(), RenameFileResponse.parser(), channel.options.callTimeout);
    }

    /** Changes the permission bits of a file or a directory. */
    public void changeMode(String path, int mode) {
        changeMode(Words.bytes(path, "path"), mode);
    }

    public void changeMode(byte[] path, int mode) {
        ChangeModeRequest.Builder request = ChangeModeRequest.newBuilder().setLease(token()).setMode(mode);
        Words.put(path, request::setPath, request::setPathRaw);
        call("ChangeMode", request.build(), ChangeModeResponse.parser(), channel.options.callTimeout);
    }

    /** Removes a file, a link or an empty directory. */
    public void remove(String path) {
        remove(Words.bytes(path, "path"), false);
    }

    public void remove(byte[] path) {
        remove(path, false);
    }

    /** Removes a directory and all in it. */
    public void removeTree(String path) {
        remove(Words.bytes(path, "path"), true);
    }

    public void removeTree(byte[] path) {
        remove(path, true);
    }

    private void remove(byte[] path, boolean recursive) {
        RemoveFileRequest.Builder request =
                RemoveFileRequest.newBuilder().setLease(token()).setRecursive(recursive);
        Words.put(path, request::setPath, request::setPathRaw);
        call("RemoveFile", request.build(), RemoveFileResponse.parser(), channel.options.callTimeout);
    }

    @Override
    public String toString() {
        return "Lease[" + member() + "]";
    }
}
