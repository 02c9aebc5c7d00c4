// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import dev.berth.v1.FileInfo;
import dev.berth.v1.ListDirectoryResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The entries of a directory, as they come. */
final class DirectoryListing implements Connection.Receiver {
    private final List<FileInfo> entries = new ArrayList<>();
    private final CompletableFuture<List<FileInfo>> all = new CompletableFuture<>();

    @Override
    public void message(ByteString data) {
        try {
            entries.addAll(Channel.parse(data, ListDirectoryResponse.parser()).getEntriesList());
        } catch (BerthException error) {
            all.completeExceptionally(error);
        }
    }

    @Override
    public void end(BerthException error, ByteString payload) {
        if (error != null) {
            all.completeExceptionally(error);
        } else {
            all.complete(entries);
        }
    }

    List<FileInfo> await(long deadline) {
        try {
            return all.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (ExecutionException failed) {
            throw ((BerthException) failed.getCause()).again();
        } catch (TimeoutException late) {
            throw new BerthException(BerthException.Code.DEADLINE_EXCEEDED, "no answer to ListDirectory in its time");
        } catch (InterruptedException interrupted) {
            throw BerthException.interrupted(interrupted);
        }
    }
}
