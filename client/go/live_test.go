package xpstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// live is a project of its own on the server of XPSTORE_API_URL; without one the test is skipped.
func live(t *testing.T) *Project {
	t.Helper()
	if os.Getenv("XPSTORE_API_URL") == "" {
		t.Skip("XPSTORE_API_URL names no server")
	}
	client, err := Connect(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	project, err := client.CreateProject(t.Context(), "go "+NewID(), ProjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = project.Delete(context.Background()) })
	return project
}

func TestLiveWhatIsCancelledEndsAndLeavesNothing(t *testing.T) {
	project := live(t)
	data := content{{NewID(), 64 << 20}}.bytes()
	version, err := project.Save(t.Context(), Draft{Name: "large"}, fstest.MapFS{"a": {Data: data}})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	before := runtime.NumGoroutine()
	for name, do := range map[string]func(context.Context) error{
		"save": func(ctx context.Context) error {
			other := content{{NewID(), 64 << 20}}.bytes()
			_, err := project.Save(ctx, Draft{Name: "other"}, fstest.MapFS{"a": {Data: other}})
			return err
		},
		"upload": func(ctx context.Context) error {
			source := &slowly{Reader: bytes.NewReader(data[:1<<20]), ctx: ctx}
			_, err := project.UploadFile(ctx, Draft{Name: "file"}, "a", source)
			return err
		},
		"download": func(ctx context.Context) error { return version.Download(ctx, folder) },
		"read": func(ctx context.Context) error {
			_, err := version.ReadFile(ctx, "a")
			return err
		},
		"compute": func(ctx context.Context) error {
			_, err := GetOrCompute(ctx, project, Computation{Name: "f"}, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		err := do(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if hidden, _ := filepath.Glob(filepath.Join(folder, ".*")); err != nil || len(left)+len(hidden) > 0 {
		t.Errorf("left: %v %v", left, hidden)
	}
	for range 100 { // those of streams that were broken off end by themselves
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more", after-before)
	}
	// The lease was given back: this computes at once.
	result, err := GetOrCompute(t.Context(), project, Computation{Name: "f"}, func(context.Context) (int, error) { return 7, nil })
	if err != nil || result.Value != 7 || result.Hit {
		t.Errorf("%+v, %v", result, err)
	}
}

// slowly is a source that has nothing once it is read for the second time, until the context ends.
type slowly struct {
	*bytes.Reader
	ctx   context.Context
	turns int
}

func (s *slowly) Seek(offset int64, whence int) (int64, error) {
	s.turns++
	return s.Reader.Seek(offset, whence)
}

func (s *slowly) Read(data []byte) (int, error) {
	if s.turns > 1 {
		<-s.ctx.Done()
	}
	return s.Reader.Read(data)
}

func TestLiveManyComputeOnce(t *testing.T) {
	project := live(t)
	var computed atomic.Int64
	var group sync.WaitGroup
	one := Computation{Name: "once", Version: "1", Parameters: map[string]any{"n": 1}}
	for range 20 {
		group.Go(func() {
			result, err := GetOrCompute(t.Context(), project, one, func(context.Context) (map[string][]float64, error) {
				computed.Add(1)
				time.Sleep(100 * time.Millisecond)
				return map[string][]float64{"a": {1, 2.5}}, nil
			})
			if err != nil || result.NotStored != nil || len(result.Value["a"]) != 2 || result.Value["a"][1] != 2.5 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
	group.Wait()
	if computed.Load() != 1 {
		t.Errorf("computed %d times", computed.Load())
	}
	if _, err := GetOrCompute(t.Context(), project, one, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, InvalidArgument) {
		t.Errorf("a dictionary is read into an int: %v", err)
	}
}

func TestLiveComputationsThatGoWrong(t *testing.T) {
	project := live(t)
	own := errors.New("no rows")
	one := Computation{Name: "wrong", Version: "1"}
	if _, err := GetOrCompute(t.Context(), project, one, func(context.Context) (int, error) { return 0, own }); !errors.Is(err, own) {
		t.Errorf("%v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = GetOrCompute(t.Context(), project, one, func(context.Context) (int, error) { panic("x") })
	}()
	_, err := GetOrCompute(t.Context(), project, one, func(ctx context.Context) (int, error) {
		inner, err := GetOrCompute(ctx, project, one, func(context.Context) (int, error) { return 1, nil })
		return inner.Value, err
	})
	if !errors.Is(err, Conflict) {
		t.Errorf("a computation that asks for itself: %v", err)
	}
	result, err := GetOrCompute(t.Context(), project, one, func(context.Context) (chan int, error) { return make(chan int), nil })
	if err != nil || result.Value == nil || result.Version != nil || !errors.Is(result.NotStored, InvalidArgument) {
		t.Errorf("what cannot be stored: %+v, %v", result, err)
	}
}

func TestLiveWrongBytesAreRefused(t *testing.T) {
	project := live(t)
	id, draft := NewID(), Draft{Name: "file"}
	first := bytes.NewReader([]byte("some bytes"))
	version, err := project.ResumeUpload(t.Context(), id, draft, "a", first)
	if err != nil || version.ID != id || !version.Created {
		t.Fatalf("%+v, %v", version, err)
	}
	again, err := project.ResumeUpload(t.Context(), id, draft, "a", first)
	if err != nil || again.ID != id {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := project.ResumeUpload(t.Context(), id, draft, "a", bytes.NewReader([]byte("others"))); !errors.Is(err, AlreadyExists) {
		t.Errorf("%v", err)
	}
	changing := &changes{Reader: bytes.NewReader([]byte("some bytes"))}
	if _, err := project.UploadFile(t.Context(), Draft{Name: "changing"}, "a", changing); !errors.Is(err, InvalidArgument) {
		t.Errorf("a file that changes: %v", err)
	}
	if _, err := project.Latest(t.Context(), "changing"); !errors.Is(err, NotFound) {
		t.Errorf("published all the same: %v", err)
	}
}

// changes has other bytes when it is read for the second time.
type changes struct {
	*bytes.Reader
	turns byte
}

func (c *changes) Seek(offset int64, whence int) (int64, error) {
	c.turns++
	return c.Reader.Seek(offset, whence)
}

func (c *changes) Read(data []byte) (int, error) {
	count, err := c.Reader.Read(data)
	if count > 0 {
		data[0] = c.turns
	}
	return count, err
}

func TestLiveReadingGivesWhatWasSaved(t *testing.T) {
	project := live(t)
	data := content{{NewID(), 3 << 20}}.bytes()
	version, err := project.UploadFile(t.Context(), Draft{Name: "file"}, "deep/a", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := version.ReadFile(t.Context(), "")
	if err != nil || !bytes.Equal(whole, data) {
		t.Errorf("%d bytes, %v", len(whole), err)
	}
	reader, err := version.OpenRange(t.Context(), "deep/a", 1<<20, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	part, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(part, data[1<<20:]) {
		t.Errorf("%d bytes, %v", len(part), err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	target := filepath.Join(t.TempDir(), "a")
	if err := version.DownloadFile(t.Context(), "deep/a", target); err != nil {
		t.Fatal(err)
	}
	if written, err := os.ReadFile(target); err != nil || !bytes.Equal(written, data) {
		t.Errorf("%d bytes, %v", len(written), err)
	}
	// A link in the target leads nowhere outside.
	folder, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "deep")); err != nil {
		t.Fatal(err)
	}
	if err := version.Download(t.Context(), folder); err == nil {
		t.Error("written through a link")
	}
	if found, err := os.ReadDir(outside); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}
