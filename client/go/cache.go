package xpstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

const (
	// How often an entry is asked for again that goes while it is read, or a lease that is lost.
	cacheAttempts = 4
	// How long one WaitForCacheEntry waits, and how long giving a lease back may take.
	waitLimit = 20 * time.Second
	endLimit  = 2 * time.Second
)

// Computation is what is computed, and of what: the same in any language is the same entry of the cache.
type Computation struct {
	Name       string         // of the process
	Version    string         // change it when something else is computed
	Parameters map[string]any // what the result depends on, by value; see [Fingerprint]

	MaxAge time.Duration // if set, what is so old is no hit
	TTL    time.Duration // if set, how long what is computed is a hit; else what the project says
	Force  bool          // compute whatever there is, and replace it
}

// Result is what a computation gave.
type Result[T any] struct {
	Value       T
	Hit         bool     // whether it was there, so that this call did not compute
	Version     *Version // the artifact that it is; nil if it could not be stored
	NotStored   error    // why
	Fingerprint string   // key of the entry
}

// GetOrCompute returns the result of a computation from the cache of a project, or computes it: once for all who ask at
// the same time, in any process and any language.
//
// While somebody else computes it, the call waits, for as long as the context lets it. What computing returns must be of
// kinds that [Fingerprint] takes, or a [Node]. If T is such that a result does not fit into it, that is an error. An error of
// compute is returned as it is; those who wait are told of it as [ComputationFailed].
//
// compute must pass its context on to computations inside it.
func GetOrCompute[T any](
	ctx context.Context, project *Project, computation Computation, compute func(context.Context) (T, error),
) (Result[T], error) {
	var result Result[T]
	one, err := newCalculation(project, computation)
	if err != nil {
		return result, err
	}
	result.Fingerprint = one.fingerprint
	force := computation.Force
	for range cacheAttempts {
		found, err := one.obtain(ctx, force)
		if err != nil {
			return result, err
		}
		if found.entry == nil {
			loosely := func(ctx context.Context) (any, error) { return compute(ctx) }
			value, version, notStored, err := one.run(ctx, found, loosely)
			if err == nil {
				result.Value, _ = value.(T) // nil of an interface stays nil
			}
			result.Version, result.NotStored = version, notStored
			return result, err
		}
		version := project.client.version(found.entry.Version)
		err = version.Value(ctx, &result.Value)
		if errors.Is(err, NotFound) { // deleted since
			force = true
			continue
		}
		result.Version, result.Hit = version, true
		return result, err
	}
	return result, fault(Conflict, "%q: its result was deleted %d times while it was read", computation.Name, cacheAttempts)
}

// Value reads the value of a version of the type "cached" into what to points to.
func (v *Version) Value(ctx context.Context, to any) error {
	target := reflect.ValueOf(to)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return invalid("to", fmt.Sprintf("%T", to), "must be a pointer")
	}
	data, err := v.ReadFile(ctx, valueFile)
	if err != nil {
		return err
	}
	node, err := valueNode(data)
	if err != nil {
		return err
	}
	if raw, is := to.(*Node); is {
		*raw = node
		return nil
	}
	value, err := parse(node, func(path string) ([]byte, error) { return v.ReadFile(ctx, path) })
	if err != nil {
		return fmt.Errorf("value.json of %q: %w", v.Name, err)
	}
	return assign(target.Elem(), value)
}

// calculation is one call of a computation.
type calculation struct {
	project     *Project
	said        Computation
	process     *pb.ArtifactProcess
	fingerprint string
	used        []string
	token       []byte
	maxAge      *int64
}

func newCalculation(project *Project, said Computation) (*calculation, error) {
	if said.MaxAge < 0 || said.TTL < 0 {
		return nil, invalid("MaxAge or TTL", min(said.MaxAge, said.TTL), "must not be negative")
	}
	one := &calculation{project: project, said: said, token: make([]byte, 16)}
	_, _ = rand.Read(one.token) // never fails
	var parts []Part
	for name, value := range said.Parameters {
		sum, err := fingerprintOf(value, name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{PartParameter, name, sum, describe(value)})
		if version, is := value.(*Version); is && version != nil {
			one.used = append(one.used, version.ID)
		}
	}
	slices.SortFunc(parts, func(a, b Part) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	slices.Sort(one.used)
	if said.Version != "" {
		sum, err := fingerprintOf(said.Version, "version")
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{PartVersion, "version", sum, said.Version})
	}
	var err error
	if one.fingerprint, err = FingerprintProcess(said.Name, parts); err != nil {
		return nil, err
	}
	one.process = processOf(said.Name, parts)
	if said.MaxAge > 0 {
		us := said.MaxAge.Microseconds()
		one.maxAge = &us
	}
	return one, nil
}

// describe is a value in words for people, shortened.
func describe(value any) string {
	if version, is := value.(*Version); is && version != nil {
		return fmt.Sprintf("%s@%d", version.Name, version.Number)
	}
	var text bytes.Buffer
	known, err := plain(value, "value")
	if err == nil {
		err = new(nodeWriter).write(&text, known)
	}
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	return shortened(text.String(), 120)
}

// inside are the leases of computations that a context is inside of.
type inside struct {
	project, fingerprint string
	token                []byte
}

type insideKey struct{}

func insideOf(ctx context.Context) []inside {
	found, _ := ctx.Value(insideKey{}).([]inside)
	return found
}

// found is what there is: an entry, a lease, or neither where it is to be computed without one.
type found struct {
	entry      *pb.CacheEntry
	hasLease   bool
	renewEvery time.Duration
	why        error // there is no lease
}

// obtain finds the entry, or gets the lease to compute it, after waiting for others.
func (c *calculation) obtain(ctx context.Context, force bool) (found, error) {
	client := c.project.client
	for _, one := range insideOf(ctx) {
		if one.project == c.project.UID && one.fingerprint == c.fingerprint {
			return found{}, fault(Conflict, "%q asks for its own result while it computes it", c.said.Name)
		}
	}
	if !force {
		answer, err := call(ctx, client, client.cache.LookupCacheEntry, &pb.LookupCacheEntryRequest{
			ProjectUid: c.project.UID, Fingerprint: c.fingerprint, MaxAgeUs: c.maxAge,
		})
		if err != nil || answer.Entry != nil {
			return found{entry: answer.GetEntry()}, err
		}
	}
	for {
		answer, err := call(ctx, client, client.cache.ReserveCacheEntry, &pb.ReserveCacheEntryRequest{
			ProjectUid: c.project.UID, Fingerprint: c.fingerprint, Token: c.token, Holder: holder(), MaxAgeUs: c.maxAge,
			Force: force,
		})
		if err != nil || answer.GetEntry() != nil {
			return found{entry: answer.GetEntry()}, err
		}
		if answer.GetGranted() != nil {
			every := time.Duration(answer.RenewEveryUs) * time.Microsecond
			return found{hasLease: true, renewEvery: max(every, 100*time.Millisecond)}, nil
		}
		busy := answer.GetBusy()
		if busy == nil {
			return found{}, fault(DataLoss, "the server neither gave the entry nor a lease")
		}
		if other, isDone, err := c.wait(ctx, busy); isDone || err != nil {
			return other, err
		}
	}
}

// wait waits for somebody else's computation; not done means that the entry is to be reserved again.
func (c *calculation) wait(ctx context.Context, busy *pb.CacheLease) (found, bool, error) {
	var held [][]byte
	for _, one := range insideOf(ctx) {
		held = append(held, one.token)
	}
	for {
		answer, err := callFor(ctx, c.project.client, waitLimit, c.project.client.cache.WaitForCacheEntry,
			&pb.WaitForCacheEntryRequest{
				ProjectUid: c.project.UID, Fingerprint: c.fingerprint, LeaseId: busy.Id,
				TimeoutUs: waitLimit.Microseconds(), HeldTokens: held,
			})
		if err != nil {
			return found{}, false, err
		}
		switch outcome := answer.Outcome.(type) {
		case *pb.WaitForCacheEntryResponse_Entry:
			return found{entry: outcome.Entry}, true, nil
		case *pb.WaitForCacheEntryResponse_Failure:
			return found{}, false, fault(ComputationFailed, "%q, computed by %s: %s",
				c.said.Name, busy.Holder, outcome.Failure.GetError())
		case *pb.WaitForCacheEntryResponse_Deadlock:
			why := fault(Conflict, "%q and another computation wait for each other", c.said.Name)
			return found{why: why}, true, nil
		case *pb.WaitForCacheEntryResponse_Running:
		default:
			return found{}, false, nil
		}
	}
}

// run computes, and stores the result under the lease. What was computed is never lost.
func (c *calculation) run(
	ctx context.Context, by found, compute func(context.Context) (any, error),
) (value any, version *Version, notStored, err error) {
	if !by.hasLease {
		value, err = compute(ctx)
		return value, nil, by.why, err
	}
	stop := c.renew(ctx, by.renewEvery)
	isOver := false
	defer func() {
		stop()
		if !isOver { // a panic, or runtime.Goexit
			c.release(ctx)
		}
	}()
	within := append(slices.Clone(insideOf(ctx)), inside{c.project.UID, c.fingerprint, c.token})
	began := time.Now()
	value, err = compute(context.WithValue(ctx, insideKey{}, within))
	duration := time.Since(began)
	isOver = true
	if err != nil {
		if ctx.Err() != nil { // interrupted: another one may go on at once
			c.release(ctx)
		} else {
			c.fail(ctx, err)
		}
		return value, nil, nil, err
	}
	version, notStored = c.store(ctx, value, duration)
	if notStored != nil && !errors.Is(notStored, Stale) {
		c.release(ctx)
	}
	return value, version, notStored, nil
}

func (c *calculation) store(ctx context.Context, value any, duration time.Duration) (*Version, error) {
	files, used, err := writeValue(value)
	if err != nil {
		return nil, err
	}
	format := int32(fingerprintFormat)
	completion := &pb.CacheCompletion{
		Token: c.token, Fingerprint: c.fingerprint, Process: c.process, DurationUs: duration.Microseconds(),
		FingerprintFormat: &format,
	}
	if c.said.TTL > 0 {
		us := max(c.said.TTL.Microseconds(), 1)
		completion.TtlUs = &us
	}
	draft := Draft{
		Name: c.said.Name, Type: "cached", Metadata: map[string]string{"format": "value"}, isImplied: true,
		Used: slices.Compact(append(slices.Clone(c.used), used...)),
	}
	return c.project.publish(ctx, NewID(), draft, files, completion)
}

// renew keeps the lease until stop is called. One that is lost is noticed when the result is stored.
func (c *calculation) renew(ctx context.Context, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				bounded, end := context.WithTimeout(ctx, every)
				request := &pb.RenewCacheLeasesRequest{Tokens: [][]byte{c.token}}
				// One that fails is followed by the next: a lease past its time that nobody took is extended too.
				_, _ = c.project.client.cache.RenewCacheLeases(bounded, request)
				end()
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

func (c *calculation) release(ctx context.Context) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	// It ends by itself, a little later.
	_, _ = c.project.client.cache.ReleaseCacheLease(bounded, &pb.ReleaseCacheLeaseRequest{Token: c.token})
}

func (c *calculation) fail(ctx context.Context, failure error) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	text := shortened(fmt.Sprintf("%T: %s", failure, failure), 4_096)
	_, _ = c.project.client.cache.FailCacheLease(bounded, &pb.FailCacheLeaseRequest{Token: c.token, Error: text})
}

// holder is who computes, in words for people.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine"
	}
	return shortened(fmt.Sprintf("%s on %s, process %d", filepath.Base(os.Args[0]), host, os.Getpid()), 256)
}
