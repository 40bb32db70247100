package xpstore

import (
	"context"
	"encoding/binary"
	"hash"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zeebo/blake3"
)

const longestPath = 4_096

// treeHash is the identity of a tree, while its entries come in the order of their paths' bytes.
type treeHash struct{ whole hash.Hash }

func newTreeHash() treeHash {
	whole := blake3.New()
	_, _ = whole.Write([]byte("xpstore tree v1\n"))
	return treeHash{whole}
}

func (t treeHash) add(path string, isDirectory, isExecutable bool, size int64, digest []byte) {
	entry := binary.LittleEndian.AppendUint32(nil, uint32(len(path)))
	entry = append(append(entry, path...), 1, 0)
	if isDirectory {
		entry[len(entry)-2], digest = 2, make([]byte, 32)
	}
	if isExecutable {
		entry[len(entry)-1] = 1
	}
	entry = binary.LittleEndian.AppendUint64(entry, uint64(size))
	_, _ = t.whole.Write(append(entry, digest...))
}

func (t treeHash) digest() []byte { return t.whole.Sum(nil) }

// TreeDigest is the identity of a tree of files, whoever cut it and however. The files come in any order.
func TreeDigest(files []File) []byte {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	tree := newTreeHash()
	for _, file := range sorted {
		tree.add(file.Path, file.IsDirectory, file.IsExecutable, file.Size, file.Digest)
	}
	return tree.digest()
}

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// checkPath refuses a path that could leave the folder it is joined to, on some system.
func checkPath(path string) string {
	switch {
	case !utf8.ValidString(path):
		return "must be valid UTF-8"
	case len(path) == 0 || len(path) > longestPath:
		return "must have 1 to 4096 bytes"
	case strings.ContainsAny(path, "\x00\\") || drive.MatchString(path):
		return "must not have NUL, a backslash or a drive"
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return "must be relative, without empty, '.' or '..' parts"
		}
	}
	return ""
}

// source is one entry of a tree before it is sent.
type source struct {
	path         string
	isDirectory  bool
	isExecutable bool
	open         func() (fs.File, error)
	data         []byte // in place of open
}

// scan lists the files and empty directories of a file system, in the order of their paths' bytes. Links are followed.
func scan(ctx context.Context, files fs.FS) ([]source, error) {
	var found []source
	var walk func(folder string) error
	walk = func(folder string) error {
		entries, err := fs.ReadDir(files, folder)
		if err != nil {
			return err
		}
		if len(entries) == 0 && folder != "." {
			found = append(found, source{path: folder, isDirectory: true})
		}
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return typed(ctx, err)
			}
			path := entry.Name()
			if folder != "." {
				path = folder + "/" + path
			}
			if why := checkPath(path); why != "" { // also ends what links make endless
				return invalid("path", path, why)
			}
			info, err := fs.Stat(files, path)
			switch {
			case err != nil:
				return err
			case info.IsDir():
				err = walk(path)
			case info.Mode().IsRegular():
				found = append(found, source{
					path: path, isExecutable: info.Mode()&0o100 != 0,
					open: func() (fs.File, error) { return files.Open(path) },
				})
			default:
				err = invalid("path", path, "is neither a file nor a directory")
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk("."); err != nil {
		return nil, err
	}
	sortSources(found)
	return found, nil
}

func sortSources(sources []source) {
	slices.SortFunc(sources, func(a, b source) int { return strings.Compare(a.path, b.path) })
}
