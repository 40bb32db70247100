package xpstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestAddresses(t *testing.T) {
	for text, want := range map[string]address{
		"localhost":                {target: "localhost:50051"},
		"127.0.0.1:7":              {target: "127.0.0.1:7"},
		"http://[::1]:7/":          {target: "[::1]:7"},
		"xpstore.example":          {target: "xpstore.example:50051", isTLS: true},
		"https://xpstore.example/": {target: "xpstore.example:443", isTLS: true},
		"grpcs://localhost:7":      {target: "localhost:7", isTLS: true},
		"unix:/tmp/a #1?.sock":     {target: "/tmp/a #1?.sock", isUnix: true},
		"unix:///tmp/a":            {target: "/tmp/a", isUnix: true},
	} {
		if got, err := parseAddress(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "http://xpstore.example", "ftp://localhost", "user@localhost", "localhost/path", "localhost:port", "unix:",
		"https://", "a b:7",
	} {
		if got, err := parseAddress(text); !errors.Is(err, InvalidArgument) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestConnectRefusesWhatMakesNoSense(t *testing.T) {
	t.Setenv("XPSTORE_API_URL", "")
	t.Setenv("XPSTORE_API_KEY", "")
	for _, options := range []Options{
		{Key: "k"},
		{Address: "localhost"},
		{Address: "localhost", Key: "k\n"},
		{Address: "localhost", Key: "k", Timeout: -1},
		{Address: "localhost", Key: "k", PageSize: -1},
		{Address: "localhost", Key: "k", CAFile: "ca.pem"},
		{Address: "https://localhost", Key: "k", CAFile: "doc.go"},
		{Address: "https://localhost", Key: "k", CAFile: "there is none"},
	} {
		if _, err := Connect(t.Context(), options); !errors.Is(err, InvalidArgument) {
			t.Errorf("%+v: %v", options, err)
		}
	}
	_, err := Connect(t.Context(), Options{Address: "127.0.0.1:1", Key: "k", Timeout: 100 * time.Millisecond})
	if !errors.Is(err, Unavailable) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("nothing listens: %v", err)
	}
}

func TestErrorsSayWhatTheServerSaid(t *testing.T) {
	state, err := status.New(codes.Aborted, "go on").WithDetails(
		&errdetails.ErrorInfo{Domain: "xpstore", Reason: "STALE", Metadata: map[string]string{
			"request_id": "r1", "field": "header.offset", "value": "9", "expected": "4096",
		}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)},
	)
	if err != nil {
		t.Fatal(err)
	}
	made := fmt.Errorf("around it: %w", typed(t.Context(), state.Err()))
	var found *Error
	if !errors.As(made, &found) || !errors.Is(made, Stale) || errors.Is(made, NotFound) {
		t.Fatalf("%v", made)
	}
	expected, is := found.Expected()
	if found.Field() != "header.offset" || found.Value() != "9" || !is || expected != 4096 || found.RequestID != "r1" ||
		found.RetryAfter != 2*time.Second || status.Code(found.Unwrap()) != codes.Aborted {
		t.Errorf("%+v", found)
	}
}

func TestWhatMayBeRepeated(t *testing.T) {
	ours := func(code codes.Code, reason string, metadata map[string]string) error {
		state, err := status.New(code, "x").WithDetails(
			&errdetails.ErrorInfo{Domain: "xpstore", Reason: reason, Metadata: metadata})
		if err != nil {
			t.Fatal(err)
		}
		return state.Err()
	}
	http := func(number int, code codes.Code) error {
		return status.Errorf(code, "unexpected HTTP status code received from server: %d (x)", number)
	}
	for _, one := range []struct {
		err    error
		reason Reason
		again  bool
	}{
		{ours(codes.Unavailable, "UNAVAILABLE", nil), Unavailable, true},
		{ours(codes.Internal, "INTERNAL", nil), Internal, false},
		{ours(codes.ResourceExhausted, "RESOURCE_EXHAUSTED", map[string]string{"limit": "disk"}), ResourceExhausted, false},
		{ours(codes.NotFound, "NOT_FOUND", nil), NotFound, false},
		{ours(codes.Unknown, "OF_TOMORROW", nil), "OF_TOMORROW", false},
		{status.Error(codes.Internal, "stream terminated by RST_STREAM"), Unavailable, true},
		{status.Error(codes.Unknown, "odd"), Internal, true},
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), ResourceExhausted, false},
		{status.Error(codes.Internal, "grpc: error while marshaling: string field contains invalid UTF-8"), InvalidArgument, false},
		{status.Error(codes.Unavailable, "tls: failed to verify certificate: x509: unknown authority"), Unavailable, false},
		{http(413, codes.Unknown), ResourceExhausted, false},
		{http(404, codes.Unimplemented), Unimplemented, false},
		{http(502, codes.Unavailable), Unavailable, true},
		{http(401, codes.Unauthenticated), Unauthenticated, false},
	} {
		var found *Error
		if !errors.As(typed(t.Context(), one.err), &found) || found.Reason != one.reason || found.mayRepeat() != one.again {
			t.Errorf("%v: %+v", one.err, found)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	err := typed(cancelled, status.Error(codes.Canceled, "context canceled"))
	if !errors.Is(err, Canceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCallsAreRepeatedUntilTheTimeIsOver(t *testing.T) {
	client := &Client{timeout: 400 * time.Millisecond}
	tries := 0
	err := client.repeat(t.Context(), func(*attempt) error {
		if tries++; tries < 3 {
			return status.Error(codes.Unavailable, "away")
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries: %v", tries, err)
	}
	err = client.repeat(t.Context(), func(*attempt) error { return status.Error(codes.Unavailable, "away") })
	if !errors.Is(err, Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestPagesMayBeShortAndMustEnd(t *testing.T) {
	answers := map[string]struct {
		items []int
		next  string
	}{"": {[]int{1}, "a"}, "a": {nil, "b"}, "b": {[]int{2, 3}, ""}}
	fetch := func(token string) ([]int, string, error) { return answers[token].items, answers[token].next, nil }
	same := func(item int) int { return item }
	found := []int{}
	for item, err := range pages(fetch, same) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, item)
	}
	if !slices.Equal(found, []int{1, 2, 3}) {
		t.Errorf("%v", found)
	}
	circle := func(token string) ([]int, string, error) {
		return []int{1}, map[string]string{"": "a", "a": "b", "b": "a"}[token], nil
	}
	last := error(nil)
	for _, err := range pages(circle, same) {
		last = err
	}
	if !errors.Is(last, DataLoss) {
		t.Errorf("a list without an end: %v", last)
	}
}

func TestMessagesGrowWhereTheyGetThrough(t *testing.T) {
	pace := pace{size: firstMessage}
	sizes := []int{}
	for range 400 {
		sizes = append(sizes, pace.size)
		pace.took(pace.size, time.Millisecond)
	}
	if sizes[0] != 64<<10 || sizes[63] != 64<<10 || sizes[64] != 128<<10 || sizes[399] != 1<<20 {
		t.Errorf("%v", sizes)
	}
	if pace.took(1<<20, time.Second); pace.size != 64<<10 {
		t.Errorf("%d after a slow one", pace.size)
	}
}

func TestTreesAreScannedInTheOrderOfBytes(t *testing.T) {
	files := fstest.MapFS{
		"a/b": {Data: []byte("1")}, "a-b": {Data: []byte("2"), Mode: 0o755}, "a.b/c": {}, "é": {}, "hollow": {Mode: 0o755 | 1<<31},
	}
	found, err := scan(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{}
	for _, one := range found {
		paths = append(paths, one.path)
	}
	if !slices.Equal(paths, []string{"a-b", "a.b/c", "a/b", "hollow", "é"}) || !found[0].isExecutable || !found[3].isDirectory {
		t.Errorf("%v", paths)
	}
	for _, path := range []string{"", "/a", "a//b", "../a", "a/.", "a\\b", "C:a", "a\x00", "\xff", strings.Repeat("a", 4097)} {
		if checkPath(path) == "" {
			t.Errorf("%q is taken", path)
		}
	}
}

func TestManifestsThatAreNotOfTheVersionAreRefused(t *testing.T) {
	file := func(path string, sizes ...int32) *pb.ManifestEntry {
		entry := &pb.ManifestEntry{Path: path, Type: pb.FileType_FILE_TYPE_FILE, Digest: make([]byte, 32), ChunkSizes: sizes}
		entry.ChunkDigests = make([]byte, 32*len(sizes))
		for _, size := range sizes {
			entry.SizeBytes += int64(size)
		}
		return entry
	}
	short := file("a", 5)
	short.SizeBytes = 6
	escape := file("../a", 5)
	large := file("a", 1<<20+1)
	for name, entries := range map[string][]*pb.ManifestEntry{
		"another tree": {file("a", 5)}, "a path that leads out": {escape}, "a file that is not whole": {short, file("b", 1)},
		"below a file": {file("a", 5), file("a-b", 1), file("a/b", 1)}, "a large chunk": {large}, "nothing": nil,
		"too many": {file("a", 1), file("b", 1), file("c", 1), file("d", 1)},
	} {
		check := manifestCheck{version: &Version{FileCount: 3, Digest: make([]byte, 32)}, tree: newTreeHash()}
		var err error
		for _, entry := range entries {
			if _, err = check.add(entry); err != nil {
				break
			}
		}
		if err == nil {
			err = check.finish()
		}
		if !errors.Is(err, DataLoss) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatCouldBeTakenForSomethingElseHasNoFingerprint(t *testing.T) {
	type closed struct{ hidden int }
	endless := []any{nil}
	endless[0] = endless
	for _, value := range []any{
		"\xff", make(chan int), func() {}, complex(1, 2), closed{1}, big.NewFloat(1), time.Nanosecond, time.Now(),
		map[int]int{1: 1}, Dict{{"a", 1}, {"a", 2}}, Path("a"), endless, json.RawMessage("{"), Node("1"),
	} {
		if got, err := Fingerprint(value); !errors.Is(err, InvalidArgument) {
			t.Errorf("%T: %s, %v", value, got, err)
		}
	}
	type config struct {
		Rate   float64 `json:"lr"`
		Layers []int
	}
	for _, pair := range [][2]any{
		{config{0.5, []int{1}}, Dict{{"lr", 0.5}, {"Layers", []any{1}}}},
		{map[string]any{"b": 1, "a": nil}, Dict{{"a", nil}, {"b", 1}}},
		{json.RawMessage(`{"b": 1.0, "a": [true, 1e3]}`), Dict{{"b", 1.0}, {"a", []any{true, 1000.0}}}},
		{uint8(7), 7}, {[]byte(nil), []byte{}}, {json.Number("7"), int64(7)}, {(*int)(nil), nil},
	} {
		one, err := Fingerprint(pair[0])
		other, err2 := Fingerprint(pair[1])
		if err != nil || err2 != nil || one != other {
			t.Errorf("%v: %v, %v", pair[0], err, err2)
		}
	}
}

func TestResultsComeBackAsTheyWere(t *testing.T) {
	type nested struct {
		Name  string
		Sizes []int32 `json:"sizes"`
		Next  *nested
	}
	large := make([]byte, 5_000)
	for _, value := range []any{
		nil, true, int64(-7), 0.1, math.Inf(1), "text", []byte{0, 255}, large, []any{int64(1), "a"}, Tuple{int64(1), nil},
		map[string]any{"a": []any{1.5}}, nested{"a", []int32{1}, &nested{Name: "b", Sizes: []int32{}}},
		map[string]int{"$a": 1}, time.UnixMicro(1).UTC(), -90 * time.Minute, [2]float64{1, 2}, new(big.Int).Lsh(big.NewInt(1), 70),
	} {
		files, _, err := writeValue(value)
		if err != nil {
			t.Errorf("%#v: %v", value, err)
			continue
		}
		byPath := map[string][]byte{}
		for _, one := range files {
			byPath[one.path] = one.data
		}
		node, err := valueNode(byPath[valueFile])
		if err != nil {
			t.Fatal(err)
		}
		read, err := parse(node, func(path string) ([]byte, error) { return byPath[path], nil })
		if err != nil {
			t.Errorf("%s: %v", node, err)
			continue
		}
		to := reflect.New(reflect.TypeFor[any]()).Elem()
		if value != nil {
			to = reflect.New(reflect.TypeOf(value)).Elem()
		}
		if err := assign(to, read); err != nil || !reflect.DeepEqual(to.Interface(), value) {
			t.Errorf("%s: %#v, %v", node, to.Interface(), err)
		}
	}
	for node, to := range map[string]any{
		"1.5": new(int), "300": new(uint8), `"a"`: new(float64), "[1]": new([2]int), "null": new(int), "7": new(time.Duration),
		`{"a": 1}`: new(struct{ B int }), "9007199254740993": new(float64), "-1": new(uint),
	} {
		value, err := parse([]byte(node), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := assign(reflect.ValueOf(to).Elem(), value); !errors.Is(err, InvalidArgument) {
			t.Errorf("%s fits into %T: %v", node, to, err)
		}
	}
	if _, _, err := writeValue(Node(`[{"$npy": "0.npy"}]`)); !errors.Is(err, InvalidArgument) {
		t.Errorf("a node whose file is elsewhere: %v", err)
	}
}

func TestPointsKeepTheirKind(t *testing.T) {
	for _, one := range []struct {
		value any
		want  string
	}{
		{1, "int_value:1"}, {1.0, "float_value:1"}, {float32(0.5), "float_value:0.5"},
		{new(big.Int).Lsh(big.NewInt(1), 70), `json_value:"1180591620717411303424"`},
		{"a", `json_value:"\"a\""`}, {map[string]any{"a": []int{1}}, `json_value:"{\"a\":[1]}"`},
		{json.RawMessage("1e6"), `json_value:"1e6"`},
	} {
		wire, err := Point{Name: "x", Value: one.value}.wire()
		if err != nil || !strings.Contains(strings.ReplaceAll(fmt.Sprint(wire), "  ", " "), one.want) {
			t.Errorf("%v: %v, %v", one.value, wire, err)
		}
	}
	limits := &pb.Limits{MaxNameLength: 5, MaxStep: 9, MaxJsonBytes: 3}
	for _, one := range []Point{
		{Name: ""}, {Name: "\xff"}, {Name: "a\n"}, {Name: "äöüßéà"}, {Name: "a", Step: At(-1)}, {Name: "a", Step: At(10)},
		{Name: "a", Phase: "\x00"}, {Name: "a", Value: "abc"},
	} {
		wire, err := one.wire()
		if err == nil {
			err = checkPoint(wire, limits)
		}
		if !errors.Is(err, InvalidArgument) {
			t.Errorf("%+v: %v", one, err)
		}
	}
	wire, err := Point{Name: "äöüßé", Phase: "test", Step: At(9), Value: "a"}.wire()
	if err == nil {
		err = checkPoint(wire, limits)
	}
	if err != nil {
		t.Error(err)
	}
	for _, value := range []any{[]byte("a"), Tuple{1}, []any{math.NaN()}, json.RawMessage("{"), time.Second} {
		if wire, err := (Point{Name: "x", Value: value}).wire(); !errors.Is(err, InvalidArgument) {
			t.Errorf("%v: %v, %v", value, wire, err)
		}
	}
}
