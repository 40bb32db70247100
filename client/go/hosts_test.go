package xpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

func TestOnlyURLsThatAreSafeAreAsked(t *testing.T) {
	for text, why := range map[string]string{
		"http://192.0.2.1/bucket/one?a=b": "without TLS", "ftp://127.0.0.1/one": "of the kind", "file://host/etc/passwd": "of the kind",
		"file:///etc/passwd": "no URL", "one": "no URL", "": "no URL", "http://a b/": "no URL", "http://\x7f/": "no URL",
	} {
		_, err := newHosts(true).get(t.Context(), &pb.Extent{Place: &pb.Extent_Url{Url: text}, SizeBytes: 1})
		if wrong := (*broken)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"https://192.0.2.1/one", "http://127.0.0.1/one", "http://[::1]:9/one", "http://localhost/one"} {
		if _, err := newHosts(true).check(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := newHosts(false).check("http://192.0.2.1/one"); err != nil {
		t.Error(err)
	}
}

func TestHostThatIsNotThereIsNamedWithoutTheSignature(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("http://%s/one?X-Amz-Signature=secret", listener.Addr())
	_ = listener.Close()
	err = newHosts(false).put(t.Context(), &pb.PackPlace{Place: &pb.PackPlace_Url{Url: text}}, [][]byte{{1}})
	if wrong := (*broken)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "127.0.0.1 does not answer") ||
		strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestRequestsGoOutAsTheyWereSigned(t *testing.T) {
	asked := make(chan *http.Request, 2)
	host := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		if asked <- request; string(body) == "onetwo" {
			answer.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		answer.Header().Set("Content-Range", "bytes 5-7/100")
		answer.WriteHeader(http.StatusPartialContent)
		_, _ = answer.Write([]byte("abc"))
	}))
	defer host.Close()
	hosts := newHosts(false)
	defer hosts.close()
	target := "/bucket/packs/a%2Fb?X-Amz-Date=1&b=%20c"
	err := hosts.put(t.Context(), &pb.PackPlace{
		Place:   &pb.PackPlace_Url{Url: host.URL + target},
		Headers: []*pb.TransferHeader{{Name: "Content-Length", Value: "6"}, {Name: "If-None-Match", Value: "*"}},
	}, [][]byte{[]byte("one"), []byte("two")})
	if err != nil {
		t.Errorf("it is there already: %v", err)
	}
	put := <-asked
	if put.RequestURI != target || put.ContentLength != 6 || put.Header.Get("If-None-Match") != "*" || len(put.TransferEncoding) > 0 ||
		len(put.Header) != 3 { // and the program's name
		t.Errorf("%s %v", put.RequestURI, put.Header)
	}
	body, err := hosts.get(t.Context(), &pb.Extent{
		Place: &pb.Extent_Url{Url: host.URL + target}, Headers: []*pb.TransferHeader{{Name: "Range", Value: "bytes=5-7"}},
		Offset: 5, SizeBytes: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(body); err != nil || string(data) != "abc" {
		t.Errorf("%q, %v", data, err)
	}
	_ = body.Close()
	if get := <-asked; get.RequestURI != target || get.Header.Get("Range") != "bytes=5-7" || len(get.Header) != 2 {
		t.Errorf("%s %v", get.RequestURI, get.Header)
	}
}

func TestRequestEndsWithItsContext(t *testing.T) {
	begun := make(chan struct{})
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		close(begun)
		<-request.Context().Done()
	}))
	defer host.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := newHosts(false).get(ctx, &pb.Extent{Place: &pb.Extent_Url{Url: host.URL}, SizeBytes: 1}); err == nil {
		t.Error("it has an answer")
	}
}

func TestHostThatFallsSilentIsLeft(t *testing.T) {
	host := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body) // only then it hears that the client has gone
		if request.Method == http.MethodGet {
			answer.Header().Set("Content-Range", "bytes 0-1/2")
			answer.Header().Set("Content-Length", "2")
			answer.WriteHeader(http.StatusPartialContent)
			_, _ = answer.Write([]byte("a"))
			_ = http.NewResponseController(answer).Flush()
		}
		<-request.Context().Done()
	}))
	defer host.Close()
	hosts := newHosts(false)
	hosts.silent = 200 * time.Millisecond
	err := hosts.put(t.Context(), &pb.PackPlace{Place: &pb.PackPlace_Url{Url: host.URL}}, [][]byte{{1}})
	if err == nil || !strings.Contains(err.Error(), "nothing moved") {
		t.Error(err)
	}
	hosts.silent = 2 * time.Second // the header has to come in it
	body, err := hosts.get(t.Context(), &pb.Extent{Place: &pb.Extent_Url{Url: host.URL}, SizeBytes: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if data, err := io.ReadAll(body); err == nil || withoutURL(err) != "nothing moved for too long" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestWayIsLeftAloneAfterTwoFailures(t *testing.T) {
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	is := func(w *way, isOpen, isProven bool) {
		t.Helper()
		if open, proven := w.state(); open != isOpen || proven != isProven {
			t.Errorf("open %v, proven %v", open, proven)
		}
	}
	wrong := brokenf("it answers 403")
	var one way
	is(&one, true, false)
	one.took(ended, wrong)
	one.took(ctx, &Error{Reason: Unavailable})
	one.took(ctx, &Error{Reason: ResourceExhausted})
	is(&one, true, false)
	one.took(ctx, nil)
	one.took(ctx, wrong)
	one.took(ctx, nil)
	one.took(ctx, wrong)
	is(&one, true, true)
	one.took(ctx, wrong)
	is(&one, false, false)
	one.offUntil = time.Now()
	is(&one, true, false)
	one.took(ctx, &Error{Reason: Conflict}) // of one that nobody has proven the first is enough
	is(&one, false, false)
}
