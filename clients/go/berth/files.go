// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"io"
	"io/fs"
	"runtime"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// FileInfo is what there is at a path of a container. Name may hold any bytes, UTF-8 or not, as paths may everywhere here.
type FileInfo struct {
	Name     string
	Type     pb.FileType
	Size     int64
	Mode     fs.FileMode // permission bits, as in 07777
	Modified time.Time
	UID, GID int
	// LinkTarget is of a link, as it is written there.
	LinkTarget string
}

func newFileInfo(info *pb.FileInfo) FileInfo {
	name := info.GetName()
	if bytes := info.GetNameRaw(); len(bytes) > 0 {
		name = string(bytes)
	}
	return FileInfo{
		Name: name, Type: info.GetType(), Size: int64(info.GetSize()), Mode: fs.FileMode(info.GetMode()),
		Modified: time.UnixMicro(info.GetModifiedUs()), UID: int(info.GetUid()), GID: int(info.GetGid()),
		LinkTarget: string(info.GetLinkTarget()),
	}
}

// WriteOptions are for WriteFile; the zero value is good.
type WriteOptions struct {
	Mode          fs.FileMode // permission bits; 0 is 0644
	CreateParents bool        // directories that are missing on the way are made
}

const maxWrite = 256 << 10

// WriteFile writes all of content. The file is complete under its name or not there at all.
func (l *Lease) WriteFile(ctx context.Context, path string, content io.Reader, options WriteOptions) error {
	request := &pb.WriteFileRequest{
		Lease: l.Token, Mode: uint32(options.Mode), CreateParents: options.CreateParents,
	}
	request.Path, request.PathRaw = text(path)
	return eachPart(content, func(data []byte, more bool) error {
		var response pb.WriteFileResponse
		request.Data, request.More = data, more
		if err := l.call(ctx, "WriteFile", request, &response); err != nil {
			return err
		}
		request.Upload = response.Upload
		request.Offset += uint64(len(data))
		return nil
	})
}

// WriteArchive unpacks a tar archive into a directory, which is made if it is missing, and returns how many files it
// had.
func (l *Lease) WriteArchive(ctx context.Context, path string, archive io.Reader) (files uint64, err error) {
	request := &pb.WriteArchiveRequest{Lease: l.Token}
	request.Path, request.PathRaw = text(path)
	err = eachPart(archive, func(data []byte, more bool) error {
		var response pb.WriteArchiveResponse
		request.Data, request.More = data, more
		if err := l.call(ctx, "WriteArchive", request, &response); err != nil {
			return err
		}
		request.Upload = response.Upload
		request.Offset += uint64(len(data))
		files = response.Files
		return nil
	})
	return files, err
}

// eachPart calls send for every part of what is to be sent, at least once, and says which is not the last.
func eachPart(content io.Reader, send func(data []byte, more bool) error) error {
	part, next := make([]byte, maxWrite), make([]byte, maxWrite)
	n, err := readFull(content, part)
	if err != nil {
		return err
	}
	for {
		following := 0
		if n == maxWrite {
			if following, err = readFull(content, next); err != nil {
				return err
			}
		}
		if err := send(part[:n], following > 0); err != nil {
			return err
		}
		if following == 0 {
			return nil
		}
		part, next, n = next, part, following
	}
}

func readFull(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// File is a file or an archive that is being read. Close it, unless it was read to its end.
type File struct {
	// Info is of a file, not of an archive.
	Info FileInfo
	out  *output
	// Which would be released under it if nobody held it.
	lease *Lease
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	defer runtime.KeepAlive(f)
	return f.out.read(0, p)
}

// Close implements io.Closer.
func (f *File) Close() error {
	f.out.leave(newError(Cancelled, "the file was closed"), f.out.detach)
	return nil
}

// ReadFile reads length bytes of a file from offset on, all to its end if length is 0.
func (l *Lease) ReadFile(ctx context.Context, path string, offset, length uint64) (*File, error) {
	request := &pb.ReadFileRequest{Lease: l.Token, Offset: offset, Length: length, WindowBytes: defaultWindow}
	request.Path, request.PathRaw = text(path)
	return l.open(ctx, "ReadFile", request)
}

// ReadArchive reads a directory, or a single file, as a tar archive.
func (l *Lease) ReadArchive(ctx context.Context, path string) (*File, error) {
	request := &pb.ReadArchiveRequest{Lease: l.Token, WindowBytes: defaultWindow}
	request.Path, request.PathRaw = text(path)
	return l.open(ctx, "ReadArchive", request)
}

func (l *Lease) open(ctx context.Context, method string, request proto.Message) (*File, error) {
	conn, err := l.client.connection(ctx)
	if err != nil {
		return nil, err
	}
	f := &File{lease: l, out: newOutput(l.client, conn, l.Token, defaultWindow, decodeFileEvent)}
	if err := f.out.begin(ctx, method, request, f.out.detach); err != nil {
		return nil, err
	}
	first, err := f.out.waitStarted()
	if err != nil {
		return nil, err
	}
	f.Info = newFileInfo(first.info)
	runtime.SetFinalizer(f, (*File).Close)
	return f, nil
}

// ListDirectory returns what a directory holds, in the order of the names' bytes.
func (l *Lease) ListDirectory(ctx context.Context, path string) ([]FileInfo, error) {
	timeout, err := timeLeft(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := l.client.connection(ctx)
	if err != nil {
		return nil, err
	}
	listing := &listing{done: make(chan *Error, 1)}
	defer runtime.KeepAlive(l)
	request := &pb.ListDirectoryRequest{Lease: l.Token}
	request.Path, request.PathRaw = text(path)
	if err := conn.begin(flagRemoteClosed, poolService, "ListDirectory", request, timeout, listing); err != nil {
		return nil, err
	}
	select {
	case err := <-listing.done:
		if err != nil {
			return nil, err
		}
		return listing.entries, nil
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

type listing struct {
	entries []FileInfo
	broken  *Error
	done    chan *Error
}

func (l *listing) data(data []byte) {
	var response pb.ListDirectoryResponse
	if err := proto.Unmarshal(data, &response); err != nil {
		l.broken = newError(Internal, "the server sent a malformed list: %v", err)
		return
	}
	for _, info := range response.Entries {
		l.entries = append(l.entries, newFileInfo(info))
	}
}

func (l *listing) end(_ []byte, err *Error) {
	if err == nil {
		err = l.broken
	}
	l.done <- err
}

// Stat says what is at a path: a link itself, or, if follow, what it leads to.
func (l *Lease) Stat(ctx context.Context, path string, follow bool) (FileInfo, error) {
	request := &pb.StatRequest{Lease: l.Token, Follow: follow}
	request.Path, request.PathRaw = text(path)
	var response pb.StatResponse
	if err := l.call(ctx, "Stat", request, &response); err != nil {
		return FileInfo{}, err
	}
	return newFileInfo(response.Info), nil
}

// MakeDirectoryOptions are for MakeDirectory; the zero value is good.
type MakeDirectoryOptions struct {
	Mode    fs.FileMode // permission bits; 0 is 0755
	Parents bool        // directories that are missing on the way are made; it may be there already
}

// MakeDirectory makes a directory.
func (l *Lease) MakeDirectory(ctx context.Context, path string, options MakeDirectoryOptions) error {
	request := &pb.MakeDirectoryRequest{Lease: l.Token, Mode: uint32(options.Mode), Parents: options.Parents}
	request.Path, request.PathRaw = text(path)
	return l.call(ctx, "MakeDirectory", request, &pb.MakeDirectoryResponse{})
}

// RenameOptions are for Rename; the zero value is good.
type RenameOptions struct {
	NoReplace bool // it is an error (ALREADY_EXISTS) when something is at the new path
}

// Rename gives a file, a link or a directory another path. What is there is replaced.
func (l *Lease) Rename(ctx context.Context, from, to string, options RenameOptions) error {
	request := &pb.RenameFileRequest{Lease: l.Token, NoReplace: options.NoReplace}
	request.From, request.FromRaw = text(from)
	request.To, request.ToRaw = text(to)
	return l.call(ctx, "RenameFile", request, &pb.RenameFileResponse{})
}

// ChangeMode changes the permission bits of a file or a directory.
func (l *Lease) ChangeMode(ctx context.Context, path string, mode fs.FileMode) error {
	request := &pb.ChangeModeRequest{Lease: l.Token, Mode: uint32(mode)}
	request.Path, request.PathRaw = text(path)
	return l.call(ctx, "ChangeMode", request, &pb.ChangeModeResponse{})
}

// Remove removes a file, a link or an empty directory; a whole tree, if recursive.
func (l *Lease) Remove(ctx context.Context, path string, recursive bool) error {
	request := &pb.RemoveFileRequest{Lease: l.Token, Recursive: recursive}
	request.Path, request.PathRaw = text(path)
	return l.call(ctx, "RemoveFile", request, &pb.RemoveFileResponse{})
}
