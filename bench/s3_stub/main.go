// An S3 server that costs next to nothing, to see what a client or a service in front of S3 costs by itself.
//
// Objects are kept in memory. With -discard only the last MiB of a body is: uploads then cost little but the network,
// and what was dropped cannot be read. Nothing is checked but what a service relies on that hands out signed URLs: their
// signature and the headers in it, a CRC-32, and that a first write is the only one.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This end of a body is kept even with -discard: services read back what they wrote there as an index.
const keptBytes = 1 << 20

// Every object has this one: nobody asks the stub whether an object changed.
const etag = `"00000000000000000000000000000000"`

type object struct {
	segments [][]byte
	size     int64
	dropped  int64 // bytes before the segments
}

type stub struct {
	mutex   sync.RWMutex
	discard bool
	secret  string
	buckets map[string]map[string]object
	uploads map[string]map[int]object
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "HOST:PORT")
	secret := flag.String("secret", "", "what URLs are signed with")
	discard := flag.Bool("discard", false, "drop large bodies")
	flag.Parse()
	server := &stub{
		discard: *discard,
		secret:  *secret,
		buckets: map[string]map[string]object{},
		uploads: map[string]map[int]object{},
	}
	log.Fatal(http.ListenAndServe(*listen, server))
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" {
		s.serveBucket(w, r, bucket)
		return
	}
	query := r.URL.Query()
	if query.Has("X-Amz-Signature") && !s.isSigned(r) {
		fail(w, http.StatusForbidden, "SignatureDoesNotMatch")
		return
	}
	switch r.Method {
	case http.MethodPut:
		s.put(w, r, bucket, key)
	case http.MethodPost:
		if query.Has("uploads") {
			s.initiate(w, bucket, key)
		} else {
			s.complete(w, r, bucket, key)
		}
	case http.MethodGet, http.MethodHead:
		s.get(w, r, bucket, key)
	case http.MethodDelete:
		s.remove(bucket, key, query.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func (s *stub) serveBucket(w http.ResponseWriter, r *http.Request, bucket string) {
	if r.Method == http.MethodPut {
		s.mutex.Lock()
		if s.buckets[bucket] == nil {
			s.buckets[bucket] = map[string]object{}
		}
		s.mutex.Unlock()
		return
	}
	s.mutex.RLock()
	known := s.buckets[bucket] != nil
	s.mutex.RUnlock()
	switch {
	case !known:
		fail(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodDelete:
		s.mutex.Lock()
		delete(s.buckets, bucket)
		s.mutex.Unlock()
		debug.FreeOSMemory()
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost:
		s.removeMany(w, r, bucket)
	case r.Method == http.MethodGet && r.URL.Query().Has("location"):
		writeXML(w, "LocationConstraint", "")
	case r.Method == http.MethodGet:
		s.list(w, bucket, r.URL.Query().Get("prefix"))
	}
}

// Reads a body whole, or drops it.
func (s *stub) read(r *http.Request) (object, error) {
	if r.ContentLength < 0 {
		data, err := io.ReadAll(r.Body)
		return object{segments: [][]byte{data}, size: int64(len(data))}, err
	}
	dropped := int64(0)
	if s.discard {
		dropped = max(0, r.ContentLength-keptBytes)
	}
	if err := drop(r.Body, dropped); err != nil {
		return object{}, err
	}
	data := make([]byte, r.ContentLength-dropped)
	_, err := io.ReadFull(r.Body, data)
	return object{segments: [][]byte{data}, size: r.ContentLength, dropped: dropped}, err
}

// io.Discard would read 8 KiB at a time.
func drop(body io.Reader, length int64) error {
	buffer := make([]byte, 256<<10)
	for length > 0 {
		count, err := body.Read(buffer[:min(length, int64(len(buffer)))])
		length -= int64(count)
		if err != nil && length > 0 {
			return err
		}
	}
	return nil
}

// Whether a URL was signed for this request (AWS Signature Version 4, in the query).
func (s *stub) isSigned(r *http.Request) bool {
	query := r.URL.Query()
	given := query.Get("X-Amz-Signature")
	query.Del("X-Amz-Signature")
	names := query.Get("X-Amz-SignedHeaders")
	var headers strings.Builder
	for _, name := range strings.Split(names, ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	told := strings.ReplaceAll(query.Encode(), "+", "%20") // sorted by name
	parts := []string{r.Method, r.URL.EscapedPath(), told, headers.String(), names, "UNSIGNED-PAYLOAD"}
	digest := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	_, scope, _ := strings.Cut(query.Get("X-Amz-Credential"), "/")
	key := []byte("AWS4" + s.secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	signed := []string{"AWS4-HMAC-SHA256", query.Get("X-Amz-Date"), scope, hex.EncodeToString(digest[:])}
	return given == hex.EncodeToString(mac(key, strings.Join(signed, "\n")))
}

func mac(key []byte, text string) []byte {
	hash := hmac.New(sha256.New, key)
	hash.Write([]byte(text))
	return hash.Sum(nil)
}

func (s *stub) put(w http.ResponseWriter, r *http.Request, bucket, key string) {
	body, err := s.read(r)
	if checksum := r.Header.Get("x-amz-checksum-crc32"); err == nil && checksum != "" && body.dropped == 0 {
		found := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body.segments[0]))
		if checksum != base64.StdEncoding.EncodeToString(found) {
			fail(w, http.StatusBadRequest, "BadDigest")
			return
		}
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	upload := r.URL.Query().Get("uploadId")
	number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case upload == "" && s.buckets[bucket] == nil:
		fail(w, http.StatusNotFound, "NoSuchBucket")
		return
	case upload == "":
		if _, known := s.buckets[bucket][key]; known && r.Header.Get("If-None-Match") == "*" {
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		s.buckets[bucket][key] = body
	case s.uploads[upload] == nil:
		fail(w, http.StatusNotFound, "NoSuchUpload")
		return
	default:
		s.uploads[upload][number] = body
	}
	w.Header().Set("ETag", etag)
}

func (s *stub) initiate(w http.ResponseWriter, bucket, key string) {
	s.mutex.Lock()
	id := fmt.Sprintf("upload-%d", time.Now().UnixNano())
	s.uploads[id] = map[int]object{}
	s.mutex.Unlock()
	fields := element("Bucket", bucket) + element("Key", key) + element("UploadId", id)
	writeXML(w, "InitiateMultipartUploadResult", fields)
}

func (s *stub) complete(w http.ResponseWriter, r *http.Request, bucket, key string) {
	id := r.URL.Query().Get("uploadId")
	_, _ = io.Copy(io.Discard, r.Body) // every part that was uploaded is taken
	s.mutex.Lock()
	parts, whole := s.uploads[id], object{}
	numbers := make([]int, 0, len(parts))
	for number := range parts {
		numbers = append(numbers, number)
	}
	sort.Ints(numbers)
	for _, number := range numbers {
		whole.segments = append(whole.segments, parts[number].segments...)
		whole.size += parts[number].size
		if parts[number].dropped > 0 { // then nothing up to the end of this part can be read
			whole.segments, whole.dropped = nil, whole.size
		}
	}
	known := parts != nil && s.buckets[bucket] != nil
	if known {
		s.buckets[bucket][key] = whole
		delete(s.uploads, id)
	}
	s.mutex.Unlock()
	if !known {
		fail(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	writeXML(w, "CompleteMultipartUploadResult", element("Bucket", bucket)+element("Key", key)+element("ETag", etag))
}

func (s *stub) get(w http.ResponseWriter, r *http.Request, bucket, key string) {
	s.mutex.RLock()
	found, known := s.buckets[bucket][key]
	s.mutex.RUnlock()
	if !known {
		fail(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	begin, end, partial := byteRange(r.Header.Get("Range"), found.size)
	if begin > end {
		fail(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		return
	}
	if begin < found.dropped && r.Method == http.MethodGet {
		fail(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	header := w.Header()
	header.Set("ETag", etag)
	header.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(end-begin, 10))
	if partial {
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, end-1, found.size))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodGet {
		found.writeTo(w, begin-found.dropped, end-found.dropped)
	}
}

func (o object) writeTo(w io.Writer, begin, end int64) {
	for _, segment := range o.segments {
		length := int64(len(segment))
		if begin < length && end > 0 {
			if _, err := w.Write(segment[max(begin, 0):min(end, length)]); err != nil {
				return // the client left
			}
		}
		begin, end = begin-length, end-length
	}
}

// Reads "bytes=a-b" and "bytes=a-" into [begin, end); an empty result with begin > end lies outside.
func byteRange(header string, size int64) (int64, int64, bool) {
	given, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return 0, size, false
	}
	first, last, _ := strings.Cut(given, "-")
	begin, _ := strconv.ParseInt(first, 10, 64)
	end := size
	if parsed, err := strconv.ParseInt(last, 10, 64); err == nil {
		end = min(parsed+1, size)
	}
	if begin >= size {
		return 1, 0, true
	}
	return begin, end, true
}

func (s *stub) remove(bucket, key, upload string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if upload != "" {
		delete(s.uploads, upload)
	} else if s.buckets[bucket] != nil {
		delete(s.buckets[bucket], key)
	}
}

func (s *stub) removeMany(w http.ResponseWriter, r *http.Request, bucket string) {
	var request struct {
		Object []struct{ Key string }
	}
	if err := xml.NewDecoder(r.Body).Decode(&request); err != nil {
		fail(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	for _, one := range request.Object {
		s.remove(bucket, one.Key, "")
	}
	writeXML(w, "DeleteResult", "")
}

// All in one page, whatever its length: the stub's clients list only to remove.
func (s *stub) list(w http.ResponseWriter, bucket, prefix string) {
	s.mutex.RLock()
	keys := make([]string, 0, len(s.buckets[bucket]))
	for key := range s.buckets[bucket] {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	s.mutex.RUnlock()
	sort.Strings(keys)
	var items strings.Builder
	modified := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	for _, key := range keys {
		s.mutex.RLock()
		size := s.buckets[bucket][key].size
		s.mutex.RUnlock()
		fields := element("Key", key) + element("LastModified", modified) + element("ETag", etag)
		items.WriteString("<Contents>" + fields + element("Size", strconv.FormatInt(size, 10)) + "</Contents>")
	}
	writeXML(w, "ListBucketResult", element("Name", bucket)+element("IsTruncated", "false")+items.String())
}

func element(name, value string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(value))
	return "<" + name + ">" + escaped.String() + "</" + name + ">"
}

func writeXML(w http.ResponseWriter, root, content string) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, `%s<%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</%s>`, xml.Header, root, content, root)
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s<Error>%s%s</Error>", xml.Header, element("Code", code), element("Message", code))
}
