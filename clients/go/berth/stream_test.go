// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"io"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	pb "berth.dev/go/berth/v1"
)

// patient answers Execute with Started, and then as write says, with the credit that the client gives.
type patient struct {
	mu     sync.Mutex
	given  sync.Cond
	acked  uint64
	acks   int
	signal []*pb.SignalRequest
	detach []*pb.DetachRequest
	window uint64
	write  func(p *patient, r *fakeRequest)
}

func newPatient(write func(p *patient, r *fakeRequest)) *patient {
	p := &patient{write: write}
	p.given.L = &p.mu
	return p
}

func (p *patient) answer(r *fakeRequest) {
	switch r.method {
	case "Execute":
		var request pb.ExecuteRequest
		r.request(&request)
		p.mu.Lock()
		p.window = request.WindowBytes
		p.mu.Unlock()
		p.write(p, r)
	case "Acknowledge":
		var request pb.AcknowledgeRequest
		r.request(&request)
		p.mu.Lock()
		if total := request.StdoutOffset + request.StderrOffset; total > p.acked {
			p.acked = total
		}
		p.acks++
		p.given.Broadcast()
		p.mu.Unlock()
		r.reply(&pb.AcknowledgeResponse{})
	case "Signal":
		var request pb.SignalRequest
		r.request(&request)
		p.mu.Lock()
		p.signal = append(p.signal, &request)
		p.mu.Unlock()
		r.reply(&pb.SignalResponse{})
	case "Detach":
		var request pb.DetachRequest
		r.request(&request)
		p.mu.Lock()
		p.detach = append(p.detach, &request)
		p.mu.Unlock()
		r.reply(&pb.DetachResponse{})
	default:
		hello(r)
	}
}

func (p *patient) signals() []*pb.SignalRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*pb.SignalRequest(nil), p.signal...)
}

func (p *patient) detached() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.detach)
}

// credited sends count bytes as the client gives credit for them.
func (p *patient) credited(r *fakeRequest, count uint64) {
	for sent := uint64(0); sent < count; {
		size := uint64(32 << 10)
		if count-sent < size {
			size = count - sent
		}
		p.mu.Lock()
		for sent+size-p.acked > p.window {
			p.given.Wait()
		}
		p.mu.Unlock()
		r.output(pb.OutputStream_STDOUT, sent, zeros(int(size)))
		sent += size
	}
}

func TestCreditComesBackAsTheReaderReads(t *testing.T) {
	const total = 8 << 20
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		p.credited(r, total)
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	client := startFake(t, p.answer).client(Options{})
	e, err := client.Execute(contextFor(t), &Command{Argv: []string{"yes"}, Window: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	// The reader stalls: no more than the window is here, and no credit goes out.
	eventually(t, "the window is full", func() bool {
		e.out.mu.Lock()
		defer e.out.mu.Unlock()
		return e.out.held == 64<<10
	})
	p.mu.Lock()
	if p.acks != 0 {
		t.Errorf("%d acknowledgements for nothing read", p.acks)
	}
	p.mu.Unlock()
	if _, err := client.Hello(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, e.Stdout())); n != total {
		t.Errorf("read %d bytes of %d", n, total)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window != 64<<10 {
		t.Errorf("the window was %d", p.window)
	}
	if p.acks > total/(16<<10) {
		t.Errorf("%d acknowledgements", p.acks)
	}
}

func TestWithoutWindowsInTheServerWhatIsHeldIsBounded(t *testing.T) {
	const total = 8 << 20
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		for sent := 0; sent < total; sent += 32 << 10 {
			r.output(pb.OutputStream_STDOUT, uint64(sent), zeros(32<<10))
		}
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	client := startFake(t, p.answer).client(Options{})
	e, err := client.Execute(contextFor(t), &Command{Argv: []string{"yes"}, Window: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	held := func() uint64 {
		e.out.mu.Lock()
		defer e.out.mu.Unlock()
		return e.out.held
	}
	eventually(t, "it is full", func() bool { return held() > lastResort*64<<10 })
	if held := held(); held > lastResort*64<<10+32<<10 {
		t.Errorf("%d bytes are held", held)
	}
	if n := len(readAll(t, e.Stdout())); n != total {
		t.Errorf("read %d bytes of %d", n, total)
	}
}

func TestEventsComeInOrderAndThenTheEndOnce(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		r.output(pb.OutputStream_STDOUT, 0, []byte("a"))
		r.output(pb.OutputStream_STDERR, 0, []byte("b"))
		r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Dropped{Dropped: &pb.Dropped{Offset: 1, Bytes: 9}}})
		r.output(pb.OutputStream_STDOUT, 10, []byte("c"))
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED, ExitCode: 3})
	})
	e, err := startFake(t, p.answer).client(Options{}).Execute(contextFor(t), Argv("x"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		event, err := e.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch event := event.(type) {
		case Output:
			got = append(got, event.Stream.String()+" "+string(event.Data))
		case *Dropped:
			got = append(got, event.Error())
		case End:
			got = append(got, event.String())
		}
	}
	want := "stdout a, stderr b, 9 bytes of stdout from offset 1 are no longer held, stdout c, exited with code 3"
	if joined := strings.Join(got, ", "); joined != want {
		t.Errorf("got  %s\nwant %s", joined, want)
	}
}

func TestReadersOfBothStreamsAreIndependent(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		for i := uint64(0); i < 100; i++ {
			r.output(pb.OutputStream_STDOUT, i, []byte("o"))
			r.output(pb.OutputStream_STDERR, i, []byte("e"))
		}
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	e, err := startFake(t, p.answer).client(Options{}).Execute(contextFor(t), Argv("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, e.Stderr()); got != strings.Repeat("e", 100) {
		t.Errorf("stderr %q", got)
	}
	if got := readAll(t, e.Stdout()); got != strings.Repeat("o", 100) {
		t.Errorf("stdout %q", got)
	}
	if end, err := e.Wait(); err != nil || !end.Success() {
		t.Errorf("%v, %v", end, err)
	}
}

func TestWaitDrainsWhatNobodyReads(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		p.credited(r, 4<<20)
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	e, err := startFake(t, p.answer).client(Options{}).Execute(contextFor(t), Argv("x"))
	if err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "Wait", func() {
		if _, err := e.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestAContextThatEndsCancelsTheExecution(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) { r.started() })
	client := startFake(t, p.answer).client(Options{})
	ctx, cancel := context.WithCancel(context.Background())
	e, err := client.Execute(ctx, Argv("sleep"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = e.Stdout().Read(make([]byte, 1))
	wantCode(t, err, Cancelled)
	eventually(t, "the server is told", func() bool { return len(p.signals()) == 1 })
	if s := p.signals()[0]; !s.Cancel || s.Execution != "e1" {
		t.Errorf("got %v", s)
	}
}

func TestAContextThatEndsBeforeStartedCancelsOnceItHas(t *testing.T) {
	asked, start := make(chan struct{}), make(chan struct{})
	p := newPatient(func(p *patient, r *fakeRequest) {
		close(asked)
		<-start
		r.started()
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	_, err := startFake(t, p.answer).client(Options{}).Execute(ctx, Argv("sleep"))
	wantCode(t, err, Cancelled)
	close(start)
	eventually(t, "the server is told", func() bool { return len(p.signals()) == 1 })
}

func TestAResumableExecutionIsDetachedFromInstead(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) { r.started() })
	client := startFake(t, p.answer).client(Options{})
	e, err := client.Execute(contextFor(t), &Command{Argv: []string{"sleep"}, Resumable: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	eventually(t, "the server is told", func() bool { return p.detached() == 1 })
	if len(p.signals()) != 0 {
		t.Error("it was signalled")
	}
}

func TestAStreamThatEndsTooEarlyIsAnError(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		r.send(kindData, flagRemoteClosed|flagNoData, nil)
	})
	_, err := startFake(t, p.answer).client(Options{}).Run(contextFor(t), Argv("x"))
	wantCode(t, err, Internal)
}

func TestTheErrorOfAStreamComesAfterItsOutput(t *testing.T) {
	p := newPatient(func(p *patient, r *fakeRequest) {
		r.started()
		r.output(pb.OutputStream_STDOUT, 0, []byte("before"))
		r.fail(Unavailable, "the container is lost")
	})
	e, err := startFake(t, p.answer).client(Options{}).Execute(contextFor(t), Argv("x"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(e.Stdout())
	wantCode(t, err, Unavailable)
	if string(got) != "before" {
		t.Errorf("got %q", got)
	}
}

func TestInputGoesInPartsWithOffsets(t *testing.T) {
	var mu sync.Mutex
	var taken uint64
	ended := false
	server := startFake(t, func(r *fakeRequest) {
		switch r.method {
		case "Execute":
			r.started()
		case "Input":
			var request pb.InputRequest
			r.request(&request)
			mu.Lock()
			defer mu.Unlock()
			if request.Offset != taken || len(request.Data) > 256<<10 {
				r.fail(FailedPrecondition, "bytes in between are missing")
				return
			}
			taken += uint64(len(request.Data))
			ended = request.End
			r.reply(&pb.InputResponse{Offset: taken})
		}
	})
	e, err := server.client(Options{}).Execute(contextFor(t), &Command{Argv: []string{"cat"}, KeepStdinOpen: true})
	if err != nil {
		t.Fatal(err)
	}
	stdin := e.Stdin(contextFor(t))
	if n, err := io.Copy(stdin, strings.NewReader(string(zeros(1_000_000)))); n != 1_000_000 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if taken != 1_000_000 || !ended {
		t.Errorf("taken %d, ended %v", taken, ended)
	}
}

func TestAServerThatMakesNoSenseDoesNoHarm(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewSource(seed))
	server := startFake(t, func(r *fakeRequest) {
		mu.Lock()
		defer mu.Unlock()
		for i := 0; i < 40; i++ {
			data := make([]byte, random.Intn(96))
			for j := range data {
				data[j] = byte(random.Intn(40)) // small numbers are tags and lengths
			}
			switch random.Intn(16) {
			case 0:
				r.send(kindResponse, 0, data)
			case 1:
				r.send(9, 0, data)
			case 2:
				r.send(kindData, flagRemoteClosed|flagNoData, nil)
			case 3:
				r.started()
			case 4:
				r.output(pb.OutputStream_STDERR, random.Uint64(), data)
			default:
				r.send(kindData, byte(random.Intn(256)), data)
			}
		}
		r.conn.Close()
	})
	for i := 0; i < 100; i++ {
		client := server.client(Options{})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, _ = client.Run(ctx, Argv("x"))
		_, _ = client.Lease("l").ListDirectory(ctx, "/")
		cancel()
		client.Close()
	}
}
