// Command modzip writes the module in its working folder in the layout of a module proxy:
//
//	modzip FOLDER VERSION LICENSE
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "modzip FOLDER VERSION LICENSE")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "modzip:", err)
		os.Exit(1)
	}
}

func write(folder, version, license string) error {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	module := strings.Fields(string(mod))[1]
	// A proxy writes capitals as "!" and the small letter; there are none.
	target := filepath.Join(folder, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(target, 0o777); err != nil {
		return err
	}
	info := fmt.Sprintf("{\"Version\":%q,\"Time\":%q}\n", version, time.Now().UTC().Format(time.RFC3339))
	for name, data := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".info": []byte(info), version + ".mod": mod,
	} {
		if err := os.WriteFile(filepath.Join(target, name), data, 0o666); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(target, version+".zip"))
	if err != nil {
		return err
	}
	archive := zip.NewWriter(file)
	if err := fill(archive, module+"@"+version+"/", license); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return file.Close()
}

func fill(archive *zip.Writer, prefix, license string) error {
	add := func(name, path string) error {
		source, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }()
		entry, err := archive.Create(prefix + name)
		if err != nil {
			return err
		}
		_, err = io.Copy(entry, source)
		return err
	}
	if err := add("LICENSE", license); err != nil {
		return err
	}
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return add(filepath.ToSlash(path), path)
	})
}
