package xpstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

const (
	connectLimit = 5 * time.Second
	silentLimit  = 30 * time.Second
	// Read of an answer to a PUT, which is empty or tells of an error.
	mostSaid = 64 << 10
)

// hosts are those that a server's URLs name. A request goes out exactly as it was signed, and its answer is that of the
// host: none is passed on to another one, nor decompressed.
type hosts struct {
	client    *http.Client
	isPrivate bool // the server has TLS, and so must they
	silent    time.Duration
}

func newHosts(isPrivate bool) *hosts {
	dialer := &net.Dialer{Timeout: connectLimit}
	return &hosts{isPrivate: isPrivate, silent: silentLimit, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: connectLimit,
			DisableCompression: true, MaxIdleConnsPerHost: fetches + streams, IdleConnTimeout: silentLimit,
			WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (h *hosts) close() { h.client.CloseIdleConnections() }

// check says whether a URL may be asked.
func (h *hosts) check(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil || address.Hostname() == "" {
		return nil, brokenf("the server names what is no URL")
	}
	switch {
	case address.Scheme == "https":
	case address.Scheme != "http":
		return nil, brokenf("the server names a URL of the kind %q", shortened(address.Scheme, 10))
	case h.isPrivate && !isLoopback(address.Hostname()):
		return nil, brokenf("bytes of %s would travel without TLS, which the server has", address.Hostname())
	}
	return address, nil
}

// ask sends a signed request, with a body of parts that follow each other, and returns the answer, whose body is to be closed.
// It is ended when nothing of it moves for so long.
func (h *hosts) ask(
	ctx context.Context, method, text string, headers []*pb.TransferHeader, parts [][]byte,
) (*http.Response, error) {
	address, err := h.check(text)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	watch := &watch{timer: time.AfterFunc(h.silent, cancel), limit: h.silent, cancel: cancel}
	request := (&http.Request{Method: method, URL: address, Header: http.Header{}}).WithContext(ctx)
	for _, header := range headers {
		request.Header.Set(header.Name, header.Value)
	}
	request.Header.Set("User-Agent", userAgent)
	for _, part := range parts {
		request.ContentLength += int64(len(part))
	}
	if len(parts) > 0 {
		request.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(&moving{readerOf(parts), watch}), nil
		}
		request.Body, _ = request.GetBody() // never fails
		// Not sent, it lets a PUT be repeated on a new connection where the host just closed the old one: 412 if the first came.
		request.Header["Idempotency-Key"] = nil
	}
	answer, err := h.client.Do(request)
	if err != nil {
		watch.end()
		return nil, brokenf("%s does not answer: %s", address.Hostname(), withoutURL(err))
	}
	watch.moved()
	answer.Body = &answerBody{Reader: &moving{answer.Body, watch}, inner: answer.Body, watch: watch}
	return answer, nil
}

// get begins to read an extent.
func (h *hosts) get(ctx context.Context, extent *pb.Extent) (io.ReadCloser, error) {
	answer, err := h.ask(ctx, http.MethodGet, extent.GetUrl(), extent.Headers, nil)
	if err != nil {
		return nil, err
	}
	where := fmt.Sprintf("bytes %d-%d/", extent.Offset, extent.Offset+extent.SizeBytes-1)
	isRange := strings.HasPrefix(answer.Header.Get("Content-Range"), where) && answer.ContentLength == extent.SizeBytes
	if answer.StatusCode != http.StatusPartialContent || !isRange {
		_ = answer.Body.Close()
		return nil, brokenf("%s answers %d, and not the range that was asked for", answer.Request.URL.Hostname(), answer.StatusCode)
	}
	return answer.Body, nil
}

// put writes an object.
func (h *hosts) put(ctx context.Context, place *pb.PackPlace, parts [][]byte) error {
	answer, err := h.ask(ctx, http.MethodPut, place.GetUrl(), place.Headers, parts)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	host := answer.Request.URL.Hostname()
	if _, err = io.Copy(io.Discard, io.LimitReader(answer.Body, mostSaid)); err != nil {
		return brokenf("%s broke off in the middle: %s", host, withoutURL(err))
	}
	// 412: it is there already, by a PUT of ours whose answer was lost. ClosePacks says what it is.
	if answer.StatusCode/100 != 2 && answer.StatusCode != http.StatusPreconditionFailed {
		return brokenf("%s answers %d to a PUT", host, answer.StatusCode)
	}
	return nil
}

// withoutURL is what an error says, without the URL: its signature is nobody's business.
func withoutURL(err error) string {
	var found *url.Error
	if errors.As(err, &found) {
		err = found.Err
	}
	if errors.Is(err, context.Canceled) {
		return "nothing moved for too long"
	}
	return err.Error()
}

// watch ends a request of which nothing moves.
type watch struct {
	timer  *time.Timer
	limit  time.Duration
	cancel context.CancelFunc
}

func (w *watch) moved() { w.timer.Reset(w.limit) }

func (w *watch) end() {
	w.timer.Stop()
	w.cancel()
}

// moving is what is read of a watched request, or of its answer.
type moving struct {
	io.Reader
	watch *watch
}

func (m *moving) Read(data []byte) (int, error) {
	m.watch.moved()
	return m.Reader.Read(data)
}

// answerBody is the body of an answer, whose end is that of the request.
type answerBody struct {
	io.Reader
	inner io.Closer
	watch *watch
}

func (a *answerBody) Close() error {
	err := a.inner.Close()
	a.watch.end()
	return err
}

// readerOf reads parts one after the other.
func readerOf(parts [][]byte) io.Reader {
	readers := make([]io.Reader, len(parts))
	for i, part := range parts {
		readers[i] = bytes.NewReader(part)
	}
	return io.MultiReader(readers...)
}
