// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	pb "berth.dev/go/berth/v1"
)

// TestEveryNameOfTheReadmeIsThere finds what its tables and sentences name among what the package exports.
func TestEveryNameOfTheReadmeIsThere(t *testing.T) {
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(info fs.FileInfo) bool {
		return !strings.HasSuffix(info.Name(), "_test.go")
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	there, literals := map[string]bool{}, map[string]bool{}
	ast.Inspect(packages["berth"], func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BasicLit:
			literals[strings.Trim(node.Value, `"`)] = true
		case *ast.FuncDecl:
			there[node.Name.Name] = true
		case *ast.TypeSpec:
			there[node.Name.Name] = true
		case *ast.Field:
			for _, name := range node.Names {
				there[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range node.Names {
				there[name.Name] = true
			}
		}
		return true
	})
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(readme)
	text = text[strings.Index(text, "## API"):strings.Index(text, "## Developing")]
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	found := 0
	for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		word := quoted[1]
		if strings.HasPrefix(word, "io.") || strings.HasPrefix(word, "context.") || strings.HasPrefix(word, "errors.") ||
			strings.HasPrefix(word, "net.") || strings.HasPrefix(word, "*tls.") || strings.HasPrefix(word, "http") || strings.HasPrefix(word, "syscall.") ||
			regexp.MustCompile(`^[A-Z:_/.0-9a-z]*[:/][A-Z0-9]|^berth\.v1`).MatchString(word) {
			continue
		}
		if name := strings.TrimPrefix(word, "berthv1.ErrorReason_"); name != word {
			if _, known := pb.ErrorReason_value[name]; !known {
				t.Errorf("the contract has no %s", word)
			}
			continue
		}
		if _, known := pb.ErrorReason_value[word]; known {
			continue
		}
		if strings.HasPrefix(word, "BERTH_") {
			// A variable of the environment.
			if !literals[word] {
				t.Errorf("the package does not read %s", word)
			}
			continue
		}
		parts := regexp.MustCompile(`^\*?(?:[a-z]+\.|[A-Z]\w*\.)?([A-Z]\w*)`).FindStringSubmatch(word)
		if parts == nil {
			continue
		}
		found++
		if !there[parts[1]] {
			t.Errorf("%s: the package has no %s", word, parts[1])
		}
	}
	if found < 60 {
		t.Errorf("only %d names were looked at", found)
	}
}

func TestAContextThatIsDoneCancelsTheProgramUnlessItIsResumable(t *testing.T) {
	for _, resumable := range []bool{false, true} {
		server := startFake(t, func(r *fakeRequest) {
			if r.method == "Execute" {
				r.started()
			}
		})
		command := Argv("sleep")
		want := "Signal"
		if resumable {
			command.Resumable, want = 1e9, "Detach"
		}
		ctx, cancel := context.WithCancel(contextFor(t))
		e, err := server.client(Options{}).Execute(ctx, command)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_, err = e.Wait()
		wantCode(t, err, Cancelled)
		eventually(t, "the server is told with "+want, func() bool { return server.count(want) == 1 })
	}
}

func TestAProgramsEndIsNoErrorUntilErrMakesOne(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		r.started()
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED, ExitCode: 3})
	})
	result, err := server.client(Options{}).Run(contextFor(t), Argv("false"))
	if err != nil || result.Err() == nil || result.Err().Error() != "the program exited with code 3" {
		t.Errorf("%v, %v", result, err)
	}
}

func TestWithLeaseReleasesByItself(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		if r.method == "Acquire" {
			leased(r)
		} else {
			r.reply(&pb.ReleaseResponse{})
		}
	})
	err := server.client(Options{}).WithLease(contextFor(t), AcquireOptions{}, func(l *Lease) error { return nil })
	if err != nil || server.count("Release") != 1 {
		t.Errorf("%v, %d releases", err, server.count("Release"))
	}
}
