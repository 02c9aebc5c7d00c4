package berth

import (
	"context"
	"io"
	"io/fs"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// FileInfo is what there is at a path of a container.
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
	return FileInfo{
		Name: info.GetName(), Type: info.GetType(), Size: int64(info.GetSize()), Mode: fs.FileMode(info.GetMode()),
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
		Lease: l.Token, Path: path, Mode: uint32(options.Mode), CreateParents: options.CreateParents,
	}
	return eachPart(content, func(data []byte, more bool) error {
		var response pb.WriteFileResponse
		request.Data, request.More = data, more
		if err := l.client.Call(ctx, poolService, "WriteFile", request, &response); err != nil {
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
	request := &pb.WriteArchiveRequest{Lease: l.Token, Path: path}
	err = eachPart(archive, func(data []byte, more bool) error {
		var response pb.WriteArchiveResponse
		request.Data, request.More = data, more
		if err := l.client.Call(ctx, poolService, "WriteArchive", request, &response); err != nil {
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
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) { return f.out.read(0, p) }

// Close implements io.Closer.
func (f *File) Close() error {
	f.out.leave(newError(Cancelled, "the file was closed"), f.out.detach)
	return nil
}

// ReadFile reads length bytes of a file from offset on, all to its end if length is 0.
func (l *Lease) ReadFile(ctx context.Context, path string, offset, length uint64) (*File, error) {
	return l.open(ctx, "ReadFile", &pb.ReadFileRequest{
		Lease: l.Token, Path: path, Offset: offset, Length: length, WindowBytes: defaultWindow,
	})
}

// ReadArchive reads a directory, or a single file, as a tar archive.
func (l *Lease) ReadArchive(ctx context.Context, path string) (*File, error) {
	return l.open(ctx, "ReadArchive", &pb.ReadArchiveRequest{Lease: l.Token, Path: path, WindowBytes: defaultWindow})
}

func (l *Lease) open(ctx context.Context, method string, request proto.Message) (*File, error) {
	conn, err := l.client.connection(ctx)
	if err != nil {
		return nil, err
	}
	f := &File{out: newOutput(l.client, conn, l.Token, defaultWindow, decodeFileEvent)}
	if err := f.out.begin(ctx, method, request, f.out.detach); err != nil {
		return nil, err
	}
	first, err := f.out.waitStarted()
	if err != nil {
		return nil, err
	}
	f.Info = newFileInfo(first.info)
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
	request := &pb.ListDirectoryRequest{Lease: l.Token, Path: path}
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

// Remove removes a file, a link or an empty directory; a whole tree, if recursive.
func (l *Lease) Remove(ctx context.Context, path string, recursive bool) error {
	return l.client.Call(ctx, poolService, "RemoveFile", &pb.RemoveFileRequest{
		Lease: l.Token, Path: path, Recursive: recursive,
	}, &pb.RemoveFileResponse{})
}
