// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"testing"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// shower answers Execute and Attach with what a piece of code shows, and never has more than 60 events, or the window and
// one display, on their way, as the server does.
type shower struct {
	mu       sync.Mutex
	given    sync.Cond
	requests []proto.Message
	acked    uint64
	acks     int
	ahead    []uint64 // positions on their way
	position uint64
	window   uint64
	show     func(s *shower, r *fakeRequest)
}

func newShower(show func(s *shower, r *fakeRequest)) *shower {
	s := &shower{show: show}
	s.given.L = &s.mu
	return s
}

func (s *shower) keep(r *fakeRequest, request proto.Message) {
	r.request(request)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
}

func (s *shower) last() proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

func (s *shower) answer(r *fakeRequest) {
	switch r.method {
	case "Execute":
		request := &pb.ExecuteRequest{}
		s.keep(r, request)
		s.begin(request.WindowBytes, 0)
		r.started()
		s.show(s, r)
	case "Attach":
		request := &pb.AttachRequest{}
		s.keep(r, request)
		s.begin(request.WindowBytes, request.EventsPosition)
		r.started()
		s.show(s, r)
	case "Acknowledge":
		var request pb.AcknowledgeRequest
		r.request(&request)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.acks++
		if request.EventsPosition > s.acked {
			s.acked = request.EventsPosition
		}
		for len(s.ahead) > 0 && s.ahead[0] <= s.acked {
			s.ahead = s.ahead[1:]
		}
		s.given.Broadcast()
		r.reply(&pb.AcknowledgeResponse{})
	case "OpenContext":
		s.keep(r, &pb.OpenContextRequest{})
		r.reply(&pb.OpenContextResponse{Context: "c1", Version: "3.11.2"})
	case "ForkContext":
		s.keep(r, &pb.ForkContextRequest{})
		r.reply(&pb.ForkContextResponse{Context: "c2", Version: "3.11.2"})
	case "CloseContext":
		s.keep(r, &pb.CloseContextRequest{})
		r.reply(&pb.CloseContextResponse{})
	case "ListContexts":
		s.keep(r, &pb.ListContextsRequest{})
		r.reply(&pb.ListContextsResponse{Contexts: []*pb.ContextInfo{{Context: "c1", Pieces: 2}}})
	case "Complete":
		s.keep(r, &pb.CompleteRequest{})
		r.reply(&pb.CompleteResponse{Matches: []string{"value"}, Start: 1, End: 3})
	case "Inspect":
		s.keep(r, &pb.InspectRequest{})
		r.reply(&pb.InspectResponse{Found: true, Data: []*pb.MimeData{{Mime: "text/plain", Data: []byte("f(x)")}}})
	case "Signal":
		s.keep(r, &pb.SignalRequest{})
		r.reply(&pb.SignalResponse{})
	default:
		hello(r)
	}
}

func (s *shower) begin(window, position uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window, s.position, s.acked = window, position, position
}

// next waits for the credit that an event of a size needs, and returns the position behind it.
func (s *shower) next(size uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ahead) >= 60 || s.position-s.acked > s.window/4 && s.position-s.acked+size > s.window {
		s.given.Wait()
	}
	s.position += size
	s.ahead = append(s.ahead, s.position)
	return s.position
}

func (s *shower) display(r *fakeRequest, mime string, data []byte) {
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Display{Display: &pb.Display{
		Position: s.next(uint64(len(data) + 20)), Data: []*pb.MimeData{{Mime: mime, Data: data}},
	}}})
}

func (s *shower) failure(r *fakeRequest, name, message string) {
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Failure{Failure: &pb.Failure{
		Position: s.next(30), Name: name, Message: message, Traceback: []string{"a line", name},
	}}})
}

func (s *shower) prompt(r *fakeRequest, text string) {
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Prompt{Prompt: &pb.Prompt{
		Position: s.next(20), Text: text, Password: true,
	}}})
}

func showerContext(t *testing.T, show func(s *shower, r *fakeRequest)) (*shower, *Context) {
	t.Helper()
	s := newShower(show)
	lease := startFake(t, s.answer).client(Options{}).Lease("l1")
	c, err := lease.OpenContext(contextFor(t), "python", ContextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func exitedWell() *pb.Ended { return &pb.Ended{Cause: pb.EndCause_EXITED} }

func TestAContextIsOpenedAskedAndClosedWithItsLease(t *testing.T) {
	s := newShower(nil)
	ctx, lease := contextFor(t), startFake(t, s.answer).client(Options{}).Lease("l1")
	c, err := lease.OpenContext(ctx, "python", ContextOptions{Env: map[string]string{"A": "b", "C": "\xff"}, Cwd: "/tmp", UID: 5})
	if err != nil || c.ID != "c1" || c.Version != "3.11.2" || c.Language != "python" {
		t.Fatalf("%+v, %v", c, err)
	}
	wanted := &pb.OpenContextRequest{
		Lease: "l1", Language: "python", Env: map[string]string{"A": "b"}, EnvRaw: [][]byte{[]byte("C=\xff")}, Cwd: "/tmp", Uid: 5,
	}
	if !proto.Equal(s.last(), wanted) {
		t.Errorf("got %v", s.last())
	}
	infos, err := lease.Contexts(ctx)
	if err != nil || len(infos) != 1 || infos[0].Pieces != 2 {
		t.Errorf("%v, %v", infos, err)
	}
	names, err := c.Complete(ctx, "val", 3)
	if err != nil || names.Matches[0] != "value" || names.End != 3 {
		t.Errorf("%v, %v", names, err)
	}
	if !proto.Equal(s.last(), &pb.CompleteRequest{Lease: "l1", Context: "c1", Code: "val", Cursor: 3}) {
		t.Errorf("got %v", s.last())
	}
	known, err := c.Inspect(ctx, "f", 1, true)
	if err != nil || string(known["text/plain"]) != "f(x)" {
		t.Errorf("%v, %v", known, err)
	}
	if !proto.Equal(s.last(), &pb.InspectRequest{Lease: "l1", Context: "c1", Code: "f", Cursor: 1, Detail: true}) {
		t.Errorf("got %v", s.last())
	}
	copied, err := c.Fork(ctx)
	if err != nil || copied.ID != "c2" || copied.Version != "3.11.2" || copied.Language != "python" {
		t.Errorf("%+v, %v", copied, err)
	}
	if !proto.Equal(s.last(), &pb.ForkContextRequest{Lease: "l1", Context: "c1"}) {
		t.Errorf("got %v", s.last())
	}
	if err := lease.Context("c1").Close(); err != nil {
		t.Error(err)
	}
	if !proto.Equal(s.last(), &pb.CloseContextRequest{Lease: "l1", Context: "c1"}) {
		t.Errorf("got %v", s.last())
	}
}

func TestAContextThatComesAfterItsCallerLeftIsClosed(t *testing.T) {
	open := func(ctx context.Context, l *Lease) error {
		_, err := l.OpenContext(ctx, "python", ContextOptions{})
		return err
	}
	fork := func(ctx context.Context, l *Lease) error {
		_, err := l.Context("c1").Fork(ctx)
		return err
	}
	for _, begin := range []func(ctx context.Context, l *Lease) error{open, fork} {
		ctx, cancel := context.WithCancel(context.Background())
		answer := make(chan struct{})
		closed := make(chan *pb.CloseContextRequest, 1)
		server := startFake(t, func(r *fakeRequest) {
			switch r.method {
			case "OpenContext", "ForkContext":
				cancel()
				<-answer
				// Both answers have the id in the same field.
				r.reply(&pb.OpenContextResponse{Context: "late"})
			case "CloseContext":
				request := &pb.CloseContextRequest{}
				r.request(request)
				closed <- request
			}
		})
		wantCode(t, begin(ctx, server.client(Options{}).Lease("l1")), Cancelled)
		close(answer)
		within(t, 5*time.Second, "the close of what came late", func() {
			if request := <-closed; !proto.Equal(request, &pb.CloseContextRequest{Lease: "l1", Context: "late"}) {
				t.Errorf("got %v", request)
			}
		})
	}
}

func TestAPieceOfCodeGoesWithItsContextAndItsOptions(t *testing.T) {
	s, c := showerContext(t, func(s *shower, r *fakeRequest) { r.ended(exitedWell()) })
	_, err := c.Run(contextFor(t), "x = 1", PieceOptions{
		Stdin: []byte("in"), Timeout: time.Second, Grace: 2 * time.Second, IdleTimeout: 3 * time.Second,
		CPUTime: 4 * time.Second, Window: 65536, MaxOutput: 5, KillAtMaxOutput: true, Resumable: 6 * time.Second,
		WaitUnwatched: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	wanted := &pb.ExecuteRequest{
		Lease: "l1", Context: "c1", Code: "x = 1", Stdin: []byte("in"), TimeoutMs: 1000, GraceMs: 2000, IdleTimeoutMs: 3000,
		CpuTimeMs: 4000, WindowBytes: 65536, MaxOutputBytes: 5, OutputPolicy: pb.OutputPolicy_KILL_AT_LIMIT,
		ResumableMs: 6000, Unwatched: pb.Unwatched_WAIT,
	}
	if !proto.Equal(s.last(), wanted) {
		t.Errorf("got  %v\nwant %v", s.last(), wanted)
	}
	_, err = c.Run(contextFor(t), "", PieceOptions{}, PieceOptions{})
	wantCode(t, err, InvalidArgument)
	_, err = c.Run(contextFor(t), "", PieceOptions{KeepStdinOpen: true})
	wantCode(t, err, InvalidArgument)
	_, err = c.lease.Context("").Run(contextFor(t), "")
	wantCode(t, err, InvalidArgument)
}

func TestWhatAPieceShowsComesInItsPlaceAmongItsOutput(t *testing.T) {
	_, c := showerContext(t, func(s *shower, r *fakeRequest) {
		r.output(pb.OutputStream_STDOUT, 0, []byte("a"))
		s.display(r, "text/plain", []byte("one"))
		r.output(pb.OutputStream_STDOUT, 1, []byte("b"))
		s.prompt(r, "name? ")
		r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Dropped{
			Dropped: &pb.Dropped{Stream: pb.OutputStream_EVENTS, Offset: 43, Bytes: 7},
		}})
		r.output(pb.OutputStream_STDERR, 0, []byte("c"))
		s.failure(r, "ValueError", "no")
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED, ExitCode: 1, ContextLost: true})
	})
	e, err := c.Execute(contextFor(t), "x")
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
			got = append(got, string(event.Data))
		case Display:
			got = append(got, "display "+event.Text())
		case Prompt:
			got = append(got, fmt.Sprint("prompt ", event.Text, event.Password))
		case *Failure:
			got = append(got, event.Error(), fmt.Sprint(event.Traceback))
		case *Dropped:
			got = append(got, event.Error())
		case End:
			got = append(got, fmt.Sprint(event, event.ContextLost))
		}
	}
	want := []string{
		"a", "display one", "b", "prompt name? true", "7 bytes of events from offset 43 are no longer held", "c",
		"ValueError: no", "[a line ValueError]", "exited with code 1 true",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAResultHasTheValueTheDisplaysAndTheFailureOfAPiece(t *testing.T) {
	_, c := showerContext(t, func(s *shower, r *fakeRequest) {
		r.output(pb.OutputStream_STDOUT, 0, []byte("so\xff"))
		r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Display{Display: &pb.Display{
			Position: s.next(40), Id: "d", Update: true, Data: []*pb.MimeData{
				{Mime: "text/plain", Data: []byte("x")}, {Mime: "text/html", Data: []byte("<b>x</b>")},
			}, LeftOut: []*pb.LeftOut{{Mime: "image/png", Bytes: 9}},
		}}})
		r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Display{Display: &pb.Display{
			Position: s.next(40), Result: true, Data: []*pb.MimeData{{Mime: "text/plain", Data: []byte("42")}},
		}}})
		s.failure(r, "KeyboardInterrupt", "")
		r.ended(exitedWell())
	})
	result, err := c.Run(contextFor(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	if result.Text() != "so\ufffd" || result.Value() != "42" || result.Failure.Error() != "KeyboardInterrupt" {
		t.Errorf("%q, %q, %v", result.Text(), result.Value(), result.Failure)
	}
	want := Display{
		ID: "d", Update: true, LeftOut: map[string]uint64{"image/png": 9},
		Data: map[string][]byte{"text/plain": []byte("x"), "text/html": []byte("<b>x</b>")},
	}
	if len(result.Displays) != 2 || !reflect.DeepEqual(result.Displays[0], want) {
		t.Errorf("%+v", result.Displays)
	}
	var failure *Failure
	if !errors.As(result.Failure, &failure) {
		t.Error("a failure is an error for those who want one")
	}
}

// ways are all ways to take what comes of a piece; each returns how many displays it gave, -1 if it gives none.
var ways = map[string]func(e *Execution) (int, error){
	"Next": func(e *Execution) (int, error) {
		for n := 0; ; {
			switch event, err := e.Next(); event.(type) {
			case Display:
				n++
			case nil:
				if err == io.EOF {
					err = nil
				}
				return n, err
			}
		}
	},
	"Run": func(e *Execution) (int, error) {
		result, err := e.collect()
		return len(result.Displays), err
	},
	"Wait": func(e *Execution) (int, error) {
		_, err := e.Wait()
		return -1, err
	},
	"Copy": func(e *Execution) (int, error) {
		_, err := e.Copy(io.Discard, nil)
		return -1, err
	},
	"Stdout": func(e *Execution) (int, error) {
		_, err := io.Copy(io.Discard, e.Stdout())
		return -1, err
	},
	"NextText": func(e *Execution) (int, error) {
		for {
			if _, err := e.NextText(); err != nil {
				return -1, errorBut(err, io.EOF)
			}
		}
	},
}

func errorBut(err, good error) error {
	if err == good {
		return nil
	}
	return err
}

func TestWhatIsShownIsCreditedHoweverItIsTaken(t *testing.T) {
	for name, size := range map[string]int{"many small ones": 1, "more than the window": 40_000} {
		for way, take := range ways {
			t.Run(way+", "+name, func(t *testing.T) {
				s, c := showerContext(t, func(s *shower, r *fakeRequest) {
					for i := 0; i < 300; i++ {
						s.display(r, "image/png", zeros(size))
					}
					if way != "Run" {
						r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Dropped{
							Dropped: &pb.Dropped{Stream: pb.OutputStream_EVENTS, Offset: s.next(5) - 5, Bytes: 5},
						}})
					}
					r.ended(exitedWell())
				})
				e, err := c.Execute(contextFor(t), "x", PieceOptions{Window: 64 << 10})
				if err != nil {
					t.Fatal(err)
				}
				within(t, 10*time.Second, "a piece", func() {
					if n, err := take(e); err != nil || n >= 0 && n != 300 {
						t.Errorf("%d displays, %v", n, err)
					}
				})
				s.mu.Lock()
				defer s.mu.Unlock()
				if size == 1 && s.acks > 300/eventsPerCredit {
					t.Errorf("%d acknowledgements", s.acks)
				}
			})
		}
	}
}

func TestAnAttachGoesOnBehindWhatWasShown(t *testing.T) {
	show := func(count int) func(s *shower, r *fakeRequest) {
		return func(s *shower, r *fakeRequest) {
			for i := 0; i < count; i++ {
				s.display(r, "text/plain", []byte("x"))
			}
			r.ended(exitedWell())
		}
	}
	_, c := showerContext(t, show(3))
	first, err := c.Execute(contextFor(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 2; i++ {
		if _, err := first.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if first.EventsPosition() != 42 {
		t.Errorf("position %d", first.EventsPosition())
	}
	s := newShower(show(200))
	e, err := startFake(t, s.answer).client(Options{}).Lease("l1").Attach(contextFor(t), "e1", AttachOptions{
		EventsPosition: first.EventsPosition(), Window: 64 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	wanted := &pb.AttachRequest{Lease: "l1", Execution: "e1", EventsPosition: 42, WindowBytes: 64 << 10}
	if !proto.Equal(s.last(), wanted) {
		t.Errorf("got %v", s.last())
	}
	within(t, 10*time.Second, "it", func() {
		if n, err := ways["Next"](e); n != 200 || err != nil {
			t.Errorf("%d displays, %v", n, err)
		}
	})
	if e.EventsPosition() != 42+200*21 {
		t.Errorf("position %d", e.EventsPosition())
	}
}

func TestAGapBehindAHugeDisplayThatNobodyTakesHoldsUpNobody(t *testing.T) {
	_, c := showerContext(t, func(s *shower, r *fakeRequest) {
		s.display(r, "image/png", zeros(3<<20))
		for i := uint64(0); i < 3; i++ {
			r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Dropped{
				Dropped: &pb.Dropped{Stream: pb.OutputStream_EVENTS, Offset: 3<<20 + 20 + i, Bytes: 1},
			}})
		}
		r.ended(exitedWell())
	})
	e, err := c.Execute(contextFor(t), "x", PieceOptions{Window: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "another call", func() {
		if _, err := c.Complete(contextFor(t), "x", 1); err != nil {
			t.Error(err)
		}
	})
	if n, err := ways["Next"](e); n != 1 || err != nil {
		t.Errorf("%d displays, %v", n, err)
	}
	if position := e.EventsPosition(); position != 3<<20+23 {
		t.Errorf("position %d", position)
	}
}

func TestInterruptIsTheSignalAndNoCancel(t *testing.T) {
	s, c := showerContext(t, func(s *shower, r *fakeRequest) {})
	e, err := c.Execute(contextFor(t), "while True: pass")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Interrupt(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(s.last(), &pb.SignalRequest{Lease: "l1", Execution: "e1", Name: "INT"}) {
		t.Errorf("got %v", s.last())
	}
}
