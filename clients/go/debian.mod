// go.mod with Debian's packages in the place of downloads: `go build -modfile=debian.mod ./...` works offline.
module berth.dev/go

go 1.19

require google.golang.org/protobuf v1.28.1

replace google.golang.org/protobuf => /usr/share/gocode/src/google.golang.org/protobuf

replace github.com/golang/protobuf => /usr/share/gocode/src/github.com/golang/protobuf

replace github.com/google/go-cmp => /usr/share/gocode/src/github.com/google/go-cmp
